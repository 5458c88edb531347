// V8 sees little of what Dawn's objects hold, so left to itself it collects thousands of them at once. Deno then looks
// each one up in a list of all such objects, so the host stands still for seconds: 2000 submissions take 0.1 s, 7000
// take 3 s (lab/kernels). Here they are collected in time: behind each text, and within a long one now and then.
import { collectGarbage } from "../platform/platform.ts";

/** How many submissions go by before garbage is collected. */
const SUBMISSIONS = 1024;
let left = SUBMISSIONS;

/** Counts a submission, and now and then collects garbage: call it while the device is at work on that submission. */
export function countSubmission(): void {
  if (--left === 0) collectAtRest();
}

/** Collects all garbage, which takes 0.02 to 0.06 s: call it when nobody waits for a device. */
export function collectAtRest(): void {
  left = SUBMISSIONS;
  collectGarbage();
}
