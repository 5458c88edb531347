import { setEnv } from "../src/platform/platform.ts";

// A test that imports this file, and each process that it starts, ignores what a tuning run left in the cache folder.
setEnv("AMUSD_TUNING", "off");
