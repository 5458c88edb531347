import { onNode } from "./on-node.ts";

await onNode(() => import("../bench/pictures-command.test.ts"));
