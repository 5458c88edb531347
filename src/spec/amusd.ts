import { Drafter } from "./drafter.ts";
import { decodeAlone } from "./greedy.ts";
import { MAX_ROWS } from "./lane.ts";
import type { Run, Strategy } from "./strategy.ts";
import type { CommittedToken } from "./token-log.ts";
import type { Operation } from "./trace.ts";
import { drain } from "./traced-lane.ts";
import { Verifier } from "./verifier.ts";

/**
 * Asynchronous speculative decoding (AMUSD, arXiv 2410.17375): both lanes run at once, and neither waits for the other
 * but as the launch rule says. Drafts of a rejected branch that are in the queue at that time can't be cut short; they
 * die on the log.
 */
export async function* amusd(run: Run): ReturnType<Strategy> {
  const { log, launchRule, signal } = run;
  const verifier = new Verifier(run);
  const drafter = new Drafter(run, verifier);
  run.trace.start(log.length, [verifier.start, drafter.start], run.estimates.costs.figures);
  try {
    if (verifier.ended) return;
    verifier.prefill();
    drafter.prefill();
    // The first verification goes out behind the prefill with row 0 alone: to wait for drafts, or to take more rows,
    // could make the first token later than greedy's.
    let verification: Promise<Operation> | undefined = verifier.verify([]);
    let verifying = 0;
    let batch: CommittedToken[] = [];
    while (!verifier.ended && (verification || drafter.room > 0)) {
      while (drafter.step(verification && verifying));
      if (!verification && launchRule.rest > 0) {
        yield* decodeAlone(verifier, batch, launchRule.rest);
        batch = [];
        if (signal?.aborted) return;
        continue;
      }
      if (!verification) {
        const pending = log.pending();
        let count = launchRule.take(drafter.chances(pending), drafter.staleInFlight);
        // An idle draft lane would leave nothing to wait for.
        if (count === null && !drafter.next) count = pending.length;
        if (count !== null) {
          verifying = Math.min(count, MAX_ROWS - 1);
          verification = verifier.verify(pending.slice(0, verifying));
          // The draft lane hears of it at once: it may hedge now.
          continue;
        }
      }
      if (batch.length > 0) {
        // Only now that both lanes have their next messages, so that the consumer does not hold them up. It may have
        // taken its time: drafts may have come.
        yield batch;
        batch = [];
        continue;
      }
      // Of the two, only a verification has a value.
      const answer = await Promise.race([verification, drafter.next].filter((message) => message !== undefined));
      if (signal?.aborted) return;
      if (answer) {
        verification = undefined;
        batch = verifier.commit(answer, drafter.lane);
      }
    }
    yield* decodeAlone(verifier, batch);
  } finally {
    await drain(run.trace, verifier.lane, drafter.lane);
  }
}
