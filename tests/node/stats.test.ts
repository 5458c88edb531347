import { onNode } from "./on-node.ts";

await onNode(() => import("../cli/stats.test.ts"));
