import { chancesOf } from "./chances.ts";
import { Drafter } from "./drafter.ts";
import { decodeAlone } from "./greedy.ts";
import type { Run, Strategy } from "./strategy.ts";
import { TextLookUp } from "./text-look-up.ts";
import type { CommittedToken } from "../token-log.ts";
import { drain } from "../lanes/traced-lane.ts";
import { Verifier } from "./verifier.ts";

/**
 * Asynchronous speculative decoding (AMUSD, arXiv 2410.17375): both lanes run at once, and neither waits for the other
 * but as the launch rule says. Drafts of a rejected branch that are in the queue as it is rejected can't be cut short;
 * they die on the log.
 */
export async function* amusd(run: Run): ReturnType<Strategy> {
  const { log, limits: { signal } } = run;
  const verifier = new Verifier(run);
  const drafter = new Drafter(run, verifier);
  const lookUp = new TextLookUp(run);
  run.scheduler.start(log.length, [verifier.start, drafter.start]);
  try {
    if (verifier.ended) return;
    verifier.prefill();
    // Where drafting is paused most texts end before it goes on, and beside another program on the same cores the first
    // token would come 7 % later.
    if (!run.scheduler.rule.holdDraft(1, 1)) drafter.prefill();
    // The first verification goes out behind the prefill with row 0 alone: to wait for drafts, or to take more rows,
    // could make the first token later than greedy's. The rule isn't told: it doesn't know how long a prefill takes.
    verifier.verify([]);
    let batch: CommittedToken[] = [];
    while (!verifier.ended && (verifier.next || drafter.room > 0)) {
      if (verifier.room >= 0) lookUp.propose(verifier.verifying);
      // An idle verify lane comes first: to send the draft lane's next step takes the host a while.
      if (verifier.next && drafter.step(verifier.verifying)) continue;
      if (launch(run, verifier, drafter)) continue;
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
    await drain(run.scheduler.trace, verifier.lane, drafter.lane);
  }
}

/** Asks the launch rule, and sends the verification that it answers. Returns whether there is one. */
function launch(run: Run, verifier: Verifier, drafter: Drafter): boolean {
  const { log, scheduler: { rule } } = run;
  const { room, verifying } = verifier;
  if (room < 0) return false;
  const pending = log.pending();
  const chances = chancesOf(run, pending);
  const { staleInFlight } = drafter;
  const count = verifying === undefined
    ? rule.launchNow(chances, staleInFlight)
    : rule.queueNext(chances, verifying, staleInFlight, drafter.hedgeChances);
  if (count === null) return false;
  if (verifying === undefined) rule.launched(count);
  else rule.queued(count);
  const from = verifying === undefined ? 0 : verifying + 1;
  verifier.verify(pending.slice(from, from + Math.min(count, room)));
  return true;
}
