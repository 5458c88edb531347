import { onNode } from "./on-node.ts";

await onNode(() => import("../cli/cli.test.ts"));
