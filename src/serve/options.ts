import type { AccessOptions } from "./access.ts";
import type { ServiceOptions } from "./service.ts";

/** How a server answers, and whom. */
export type HandlerOptions = ServiceOptions & AccessOptions;
