import { onNode } from "./on-node.ts";

await onNode(() => import("../cli/hub.test.ts"));
