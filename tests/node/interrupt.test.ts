import { onNode } from "./on-node.ts";

await onNode(() => import("../cli/interrupt.test.ts"));
