import type { AccessOptions } from "./access.ts";
import type { ServiceOptions } from "./service.ts";

/** The web's Request; unknown to a program that has no types of it. */
export type WebRequest = typeof globalThis extends { Request: { prototype: infer T } } ? T : unknown;

/** The web's Response, the same. */
export type WebResponse = typeof globalThis extends { Response: { prototype: infer T } } ? T : unknown;

/** How a server answers, and whom. */
export type HandlerOptions = ServiceOptions & AccessOptions;
