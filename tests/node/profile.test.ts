import { onNode } from "./on-node.ts";

await onNode(() => import("../cli/profile.test.ts"));
