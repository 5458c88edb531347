import { onNode } from "./on-node.ts";

await onNode(() => import("../cli/benchmark.test.ts"));
