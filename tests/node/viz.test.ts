import { onNode } from "./on-node.ts";

await onNode(() => import("../cli/viz.test.ts"));
