import type { Run, Strategy } from "./strategy.ts";
import type { CommittedToken } from "../token-log.ts";
import type { Operation } from "../trace/trace-events.ts";
import { drain } from "../lanes/traced-lane.ts";
import { Verifier } from "./verifier.ts";

/** The verify lane alone, one token a step. */
export async function* greedy(run: Run): ReturnType<Strategy> {
  const verifier = new Verifier(run);
  run.scheduler.start(run.log.length, [verifier.start]);
  try {
    if (verifier.ended) return;
    verifier.prefill();
    yield* decodeAlone(verifier, []);
  } finally {
    await drain(run.scheduler.trace, verifier.lane);
  }
}

/**
 * Yields `batch`, committed just before, and goes on without drafts to the run's end. No verification may be in flight.
 * The steps are chained on the device, `stepsAhead` of them in its queue, so that it never waits for the host; tokens
 * that it decodes past the run's end are not used.
 */
export async function* decodeAlone(verifier: Verifier, batch: CommittedToken[]): ReturnType<Strategy> {
  const { run: { log, limits: { signal } }, lane, maxLength } = verifier;
  const steps: Promise<Operation>[] = [];
  let token: number | null = log.end.token;
  let { position } = log.end;
  for (;;) {
    const ended = verifier.ended;
    while (!ended && steps.length < lane.stepsAhead && position < maxLength - 1) {
      steps.push(lane.decode(token, position++, 1));
      token = null;
    }
    // After the next steps are sent, so that the consumer does not hold them up.
    if (batch.length > 0) yield batch;
    if (ended || steps.length === 0) return;
    const answer = await steps.shift()!;
    if (signal?.aborted) return;
    batch = verifier.commit(answer);
  }
}
