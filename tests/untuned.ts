import { setEnv } from "../src/platform/platform.ts";

// On import: no test, and no process that it starts, depends on what a tuning run left in this machine's cache folder.
setEnv("AMUSD_TUNING", "off");
