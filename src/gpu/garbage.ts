import { collectGarbage } from "./platform.ts";

const SUBMISSIONS = 32;
let left = SUBMISSIONS;

/**
 * To be called after each submission, while the device is at work: has the garbage of the last 32 collected. Dawn's native part of a submission is
 * freed with its encoders, which look small to V8: left to itself it frees thousands of them at once, and the host stands still for 0.2 to 7 s (lab/kernels).
 */
export function countSubmission(): void {
  if (--left > 0) return;
  left = SUBMISSIONS;
  collectGarbage();
}
