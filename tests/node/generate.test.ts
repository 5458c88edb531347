import { onNode } from "./on-node.ts";

await onNode(() => import("../cli/generate.test.ts"));
