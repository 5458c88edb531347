// Dawn frees its part of a submission with the encoders, which look small to V8: left to itself V8 collects thousands of them at once, and the
// host stands still for 0.2 to 7 s (lab/kernels). In small numbers it costs some percent, so short texts go without, and what they leave is
// collected behind their last token.
import { collectGarbage } from "../platform/platform.ts";

const FIRST = 256;
const NEXT = 32;
let left = FIRST;

/** To be called after each submission, while the device is at work. */
export function countSubmission(): void {
  if (--left > 0) return;
  left = NEXT;
  collectGarbage("minor");
}

/** To be called when nobody waits for a device. */
export function collectAtRest(): void {
  left = FIRST;
  collectGarbage("major");
}
