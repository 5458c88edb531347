import { Drafter } from "./drafter.ts";
import { decodeAlone } from "./greedy.ts";
import type { Run, Strategy } from "./strategy.ts";
import type { CommittedToken, TokenNode } from "../token-log.ts";
import { drain } from "../lanes/traced-lane.ts";
import { Verifier } from "./verifier.ts";

/**
 * Asynchronous speculative decoding (AMUSD, arXiv 2410.17375): both lanes run at once, and neither waits for the other
 * but as the launch rule says. Drafts of a rejected branch that are in the queue at that time can't be cut short; they
 * die on the log.
 */
export async function* amusd(run: Run): ReturnType<Strategy> {
  const { log, signal } = run;
  const verifier = new Verifier(run);
  const drafter = new Drafter(run, verifier);
  run.trace.start(log.length, [verifier.start, drafter.start], run.estimates.costs.figures);
  try {
    if (verifier.ended) return;
    verifier.prefill();
    drafter.prefill();
    // The first verification goes out behind the prefill with row 0 alone: to wait for drafts, or to take more rows,
    // could make the first token later than greedy's.
    verifier.verify([]);
    let batch: CommittedToken[] = [];
    while (!verifier.ended && (verifier.next || drafter.room > 0)) {
      // An idle verify lane comes first: to send the draft lane's next step takes the host a while.
      if (verifier.next && drafter.step(verifier.verifying)) continue;
      const drafted = launch(run, verifier, drafter);
      if (drafted) {
        verifier.verify(drafted);
        continue;
      }
      if (!verifier.next && drafter.step(undefined)) continue;
      if (!verifier.next && !drafter.next) {
        // An idle draft lane would leave nothing to wait for.
        verifier.verify(log.pending().slice(0, verifier.room));
        continue;
      }
      if (batch.length > 0) {
        // Only now that both lanes have their next messages, so that the consumer does not hold them up. It may have
        // taken its time: drafts may have come.
        yield batch;
        batch = [];
        continue;
      }
      // Of the two, only a verification has a value.
      const answer = await Promise.race([verifier.next, drafter.next].filter((message) => message !== undefined));
      if (signal?.aborted) return;
      if (answer) batch = verifier.commit(answer, drafter.lane);
    }
    yield* decodeAlone(verifier, batch);
  } finally {
    await drain(run.trace, verifier.lane, drafter.lane);
  }
}

/** The drafted tokens of the verification to send now; `undefined`: none is to be sent yet. */
function launch({ log, launchRule }: Run, verifier: Verifier, drafter: Drafter): readonly TokenNode[] | undefined {
  const { room, verifying } = verifier;
  if (room < 0) return undefined;
  const pending = log.pending();
  const chances = drafter.chances(pending);
  const { staleInFlight } = drafter;
  const count = verifying === undefined
    ? launchRule.take(chances, staleInFlight)
    : launchRule.chain(chances, verifying, staleInFlight, drafter.hedgeChances);
  const from = verifying === undefined ? 0 : verifying + 1;
  return count === null ? undefined : pending.slice(from, from + Math.min(count, room));
}
