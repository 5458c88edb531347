// Dawn frees its part of a submission when V8 collects the submission's encoders. They look small to V8, so left to
// itself V8 collects thousands of them at once, and the host stands still for 0.2 to 7 s (lab/kernels). Here they are
// collected in small numbers instead. That costs some percent of the time, so the first submissions of a text go
// without, and what a short text leaves is collected after its last token.
import { collectGarbage } from "../platform/platform.ts";

/** How many submissions after a rest go by before garbage is collected. */
const FIRST = 256;
/** How many submissions lie between two later collections. */
const NEXT = 32;
let left = FIRST;

/** Counts a submission, and now and then collects garbage: call it while the device is at work on that submission. */
export function countSubmission(): void {
  if (--left > 0) return;
  left = NEXT;
  collectGarbage("minor");
}

/** Collects all garbage, which takes a while: call it when nobody waits for a device. */
export function collectAtRest(): void {
  left = FIRST;
  collectGarbage("major");
}
