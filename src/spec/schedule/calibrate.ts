import type { Clock } from "../clock.ts";
import type { Costs } from "./costs.ts";
import type { Lane } from "../lanes/lane.ts";

/** Sizes of a verification in the order in which they are tried, as far as the time goes: between them costs lie on lines. The small ones twice: one look may be unlucky. */
const ROWS = [1, 4, 2, 1, 4, 2, 8, 16];
const ROWS_TOGETHER = [2, 1, 4, 2, 1, 4];
const DRAFT_STEPS = 4;
/** After so much, alone and together, no further size is tried. */
const BUDGET_MS = 200;

/**
 * Measures td and tv(n) of two lanes that nobody uses yet, each alone and both at once, so that the first run knows what drafting costs. It feeds them
 * nothing but token 0, from position 0 on; the next prefill is to begin there.
 */
export async function calibrate(verify: Lane, draft: Lane, costs: Costs, clock: Clock): Promise<void> {
  const verifyMs = async (rows: number, draftIsBusy: boolean) => {
    const sentMs = clock.now();
    const { startMs, endMs } = await verify.verify(Array<number>(rows).fill(0), 0);
    costs.observeTurnaround("verify", clock.now() - sentMs - (endMs - startMs));
    costs.observeVerify(rows, endMs - startMs, draftIsBusy ? 1 : 0);
    return endMs - startMs;
  };
  const draftMs = async (steps: number, verifyIsBusy: boolean) => {
    const { startMs, endMs } = await draft.decode(0, 0, steps);
    costs.observeDraft((endMs - startMs) / steps, verifyIsBusy);
    return (endMs - startMs) / steps;
  };
  const room = Math.min(verify.capacity, draft.capacity);
  // The first of each is slower.
  await verify.verify([0], 0);
  await draft.decode(0, 0, 1);
  await draftMs(Math.min(DRAFT_STEPS, room), false);
  let spentMs = 0;
  for (const rows of ROWS.filter((rows) => rows <= room)) {
    if (spentMs < BUDGET_MS) spentMs += await verifyMs(rows, false);
  }
  // The draft lane drafts as long as the verify lane has something to do.
  let verifying = true;
  const drafting = async () => {
    while (verifying) await draftMs(1, true);
  };
  const verifications = async () => {
    spentMs = 0;
    for (const rows of ROWS_TOGETHER.filter((rows) => rows <= room)) {
      if (spentMs < BUDGET_MS) spentMs += await verifyMs(rows, true);
    }
    verifying = false;
  };
  await Promise.all([verifications(), drafting()]);
}
