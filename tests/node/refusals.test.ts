import { onNode } from "./on-node.ts";

await onNode(() => import("../cli/refusals.test.ts"));
