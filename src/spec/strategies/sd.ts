import { Drafter } from "./drafter.ts";
import { decodeAlone } from "./greedy.ts";
import { MAX_ROWS } from "../lanes/lane.ts";
import type { Run, Strategy } from "./strategy.ts";
import { drain } from "../lanes/traced-lane.ts";
import { Verifier } from "./verifier.ts";

/** Speculative decoding in turn: the draft lane drafts `lookahead` tokens, then the verify lane verifies them. */
export async function* sd(run: Run): ReturnType<Strategy> {
  const { log, limits: { signal }, drafting: { lookahead } } = run;
  if (!(Number.isInteger(lookahead) && lookahead >= 1 && lookahead < MAX_ROWS)) {
    throw new RangeError(`Cannot draft with a lookahead of ${lookahead}: wanted 1 to ${MAX_ROWS - 1}`);
  }
  const verifier = new Verifier(run);
  const drafter = new Drafter(run, verifier);
  run.scheduler.start(log.length, [verifier.start, drafter.start]);
  try {
    if (verifier.ended) return;
    verifier.prefill();
    drafter.prefill();
    // The first verification goes out behind the prefill with row 0 alone: drafts would make the first token later than
    // greedy's.
    const first = await verifier.verify([]);
    if (signal?.aborted) return;
    let batch = verifier.commit(first);
    while (!verifier.ended && drafter.room > 0) {
      const drafting = drafter.draft(Math.min(lookahead, drafter.room));
      yield batch;
      batch = [];
      await drafting;
      if (signal?.aborted) return;
      const answer = await verifier.verify(log.pending().slice(0, verifier.room));
      if (signal?.aborted) return;
      batch = verifier.commit(answer, drafter.lane);
    }
    yield* decodeAlone(verifier, batch);
  } finally {
    await drain(run.scheduler.trace, verifier.lane, drafter.lane);
  }
}
