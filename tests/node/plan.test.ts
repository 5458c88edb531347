import { onNode } from "./on-node.ts";

await onNode(() => import("../cli/plan.test.ts"));
