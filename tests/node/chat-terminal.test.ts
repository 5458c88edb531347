import { onNode } from "./on-node.ts";

await onNode(() => import("../cli/chat-terminal.test.ts"));
