import { onNode } from "./on-node.ts";

await onNode(() => import("../hub/hub-command.test.ts"));
