import { onNode } from "./on-node.ts";

await onNode(() => import("../cli/devices.test.ts"));
