import { test } from "uvu";
import * as assert from "uvu/assert";
import { summaryText } from "../../src/cli/summary-text.ts";
import type { GenerationRecord } from "../../src/engine/generation-run.ts";

const RECORD: GenerationRecord = {
  strategy: "amusd",
  sampling: null,
  models: {},
  devices: { verify: "one", draft: "two" },
  variants: {},
  modelHash: "",
  promptTokens: [1],
  cachedTokens: 0,
  tokens: Array<number>(100).fill(7),
  text: "",
  logprobs: null,
  finishReason: "length",
  ttftMs: 323.4,
  msPerToken: 15.2,
  greedyMsPerToken: 18.4,
  speedup: 18.4 / 15.2,
  expectedGain: null,
  achievedGain: null,
  drafted: 183,
  accepted: 14,
  wastedDrafts: 169,
  verifications: 86,
  tokensPerVerification: 1.163,
  acceptance: 0.58,
  lanes: [{ name: "verify", busyMs: 900, idleMs: 100 }, { name: "draft", busyMs: 290, idleMs: 710 }],
  overlapMs: 270,
  events: [],
};
const sampling = { temperature: 1, topK: 0, topP: 1, minP: 0, seed: 9 };

test("the first line tells what speculation brought, also where it lost", () => {
  const cases: [Partial<GenerationRecord>, string][] = [
    [{}, "amusd: 100 tokens, 15.2 ms/token, 1.21 times greedy (18.4 ms measured here), first after 323 ms"],
    [
      { devices: { verify: "llvmpipe (LLVM 19.1.7, 256 bits)", draft: "SwiftShader Device (Subzero)" } },
      "amusd: 100 tokens, 15.2 ms/token, 1.21 times greedy (18.4 ms measured here on half of the cores), " +
      "first after 323 ms",
    ],
    [
      { devices: { verify: "AMD Radeon", draft: "llvmpipe (LLVM 19.1.7, 256 bits)" } },
      "amusd: 100 tokens, 15.2 ms/token, 1.21 times greedy (18.4 ms measured here), first after 323 ms",
    ],
    [
      { strategy: "sd", greedyMsPerToken: 17.93, msPerToken: 19.3, speedup: 0.929, sampling },
      "sd, seed 9: 100 tokens, 19.3 ms/token, 0.93 times greedy (17.9 ms measured here), first after 323 ms",
    ],
    [{ speedup: null }, "amusd: 100 tokens, 15.2 ms/token, first after 323 ms"],
    [
      { finishReason: "context", speedup: null },
      "amusd: 100 tokens (context), 15.2 ms/token, first after 323 ms",
    ],
    [{ finishReason: "eos", speedup: null }, "amusd: 100 tokens, 15.2 ms/token, first after 323 ms"],
    [
      { finishReason: "abort", tokens: [], speedup: null, msPerToken: null, ttftMs: null },
      "amusd: 0 tokens (abort), - ms/token, first after - ms",
    ],
  ];
  for (const [change, line] of cases) assert.is(summaryText({ ...RECORD, ...change }).split("\n")[0], line);
});

test("the other lines tell of the verifications and of the lanes", () => {
  assert.equal(summaryText(RECORD).split("\n").slice(1), [
    "86 verifications of 1.16 tokens; 183 drafted, 14 accepted (0.58 of the verified)",
    "verify on one: busy 900 ms (90 %), idle 100 ms",
    "draft on two: busy 290 ms (29 %), idle 710 ms",
    "both busy at once: 270 ms (27 %)",
  ]);
  const alone = { ...RECORD, lanes: RECORD.lanes.slice(0, 1) };
  assert.is(summaryText(alone).split("\n").length, 2);
});

test.run();
