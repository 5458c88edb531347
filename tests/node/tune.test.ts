import { onNode } from "./on-node.ts";

await onNode(() => import("../cli/tune.test.ts"));
