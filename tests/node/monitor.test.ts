import { onNode } from "./on-node.ts";

await onNode(() => import("../cli/monitor.test.ts"));
