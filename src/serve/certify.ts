import type { Claim } from "../engine/certify.ts";
import { invalid } from "./api-error.ts";
import { checked } from "./schemas.ts";
import type { Service } from "./service.ts";

/** Whether the verify model alone writes an answer as a record claims it; see Engine.certify. It takes its turn. */
export async function certifyAnswer(service: Service, request: Request, body: unknown): Promise<Response> {
  // The schema is that of a claim.
  const claim = checked("Certify", body) as unknown as Claim;
  const end = await service.turns.take(request.signal);
  try {
    const engine = await service.ready();
    if (claim.modelHash !== engine.modelHash) throw invalid("modelHash", "is that of another model");
    return Response.json(await engine.certify(claim));
  } finally {
    end();
  }
}
