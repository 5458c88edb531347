import type { Clock } from "../clock.ts";
import type { Costs } from "./costs.ts";
import type { Lane } from "../lanes/lane.ts";

/**
 * Rows of the verifications that are tried alone, in this order, as far as the time goes; costs lie on lines between
 * them. The small sizes come twice: one look may be unlucky.
 */
const ROWS = [1, 4, 2, 1, 4, 2, 8, 16];
/** Rows of the verifications that are tried beside a busy draft lane, in this order. */
const ROWS_TOGETHER = [2, 1, 4, 2, 1, 4];
/** Steps of the draft lane that are measured alone, in one message. */
const DRAFT_STEPS = 4;
/** No further size is tried once verifications have taken this long, in ms, alone and again together. */
const BUDGET_MS = 200;

/**
 * Measures the times of draft steps and verifications on two lanes that nobody uses yet, each alone and both at once,
 * so that the first run knows what drafting costs. The lanes are fed nothing but token 0, from position 0 on; the next
 * prefill is to begin there.
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
  // The first message of each kind is slower, so it is not measured.
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
  costs.endCalibration();
}
