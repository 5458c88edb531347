// How long things take: a decode step, a prefill, a verification of n rows, a draft step, and the start of the command.
// Ours and llama.cpp's take turns within each round.

import { fileURLToPath } from "node:url";
import type { LlamaConfig } from "../src/checkpoint/config.ts";
import { openModelFile } from "../src/engine/model-pair.ts";
import { assertSame, type BenchModel, type BenchOptions, decode, MODEL_PATHS, openBenchModel } from "./fixture.ts";
import { progress, readGoldens } from "./fixture.ts";
import { type Build, installPeer, type Peer, startPeer } from "./peer.ts";
import { ratio, show, type Spread, spread } from "./rounds.ts";

const ROWS = [1, 2, 3, 4, 6, 8, 12, 16];
const CLI = fileURLToPath(new URL("../cli.ts", import.meta.url));
const CLI_PROMPT_TOKENS = 30;

/** The figures of all rounds by their names in the JSON. */
type Rounds = Record<string, number[]>;

interface Sizes {
  /** Tokens of the prefill; the contexts of the decode steps lie around it. */
  readonly prefill: number;
  readonly steps: Readonly<Record<"ours" | Build, number>>;
  readonly longContext: number;
  readonly shortContext: number;
}

const SIZES: Sizes = { prefill: 256, steps: { ours: 64, cpu: 64, vulkan: 8 }, longContext: 2048, shortContext: 64 };
const QUICK_SIZES: Sizes = { prefill: 16, steps: { ours: 16, cpu: 16, vulkan: 2 }, longContext: 256, shortContext: 64 };

export async function speed({ runs, quick }: BenchOptions) {
  const sizes = quick ? QUICK_SIZES : SIZES;
  await installPeer();
  const models: BenchModel[] = [];
  const peers: Partial<Record<Build, Peer>> = {};
  try {
    const capacity = sizes.longContext + sizes.steps.ours;
    for (const name of ["verify", "draft"] as const) {
      progress(`speed: loading the ${name} model`);
      models.push(await openBenchModel(name, capacity));
    }
    const text = await textOf(sizes.longContext);
    for (const { llama } of models) await llama.prefill(text, 0);
    for (const build of ["cpu", "vulkan"] as const) {
      // llvmpipe compiles llama.cpp's shaders at their first use, for minutes where Mesa's cache has none of them.
      progress(`speed: warming up llama.cpp, ${build}`);
      peers[build] = await startPeer(build);
      await peers[build].ask({ tokens: text.slice(0, sizes.prefill + 1), steps: 2 });
    }
    const prompt = await cliPrompt(text);
    await startCli(prompt, "amusd");

    const rounds: Rounds = {};
    const add = (name: string, value: number) => (rounds[name] ??= []).push(value);
    for (let round = 0; round < runs; round++) {
      const tell = (what: string) => progress(`speed: round ${round + 1} of ${runs}, ${what}`);
      tell("ours");
      const next = await measureOurs(models, text, sizes, add);
      for (const build of ["cpu", "vulkan"] as const) {
        tell(`llama.cpp, ${build}`);
        const steps = sizes.steps[build];
        const { prefillMs, decodeMs, tokens } = await peers[build]!.ask({
          tokens: text.slice(0, sizes.prefill + 1),
          steps,
        });
        // llama.cpp quantises activations, so its tokens need not agree with ours for long; with real text they do at
        // first.
        assertSame(`llama.cpp, ${build}`, [tokens[0]!, tokens.length], [next, steps]);
        add(`${build}PrefillMs`, prefillMs / sizes.prefill);
        add(`${build}DecodeMs`, decodeMs / steps);
      }
      for (const strategy of ["greedy", "amusd"]) {
        tell(`a fresh process, ${strategy}`);
        const { wallMs, loadMs, ttftMs } = await startCli(prompt, strategy);
        add(`${strategy}ProcessMs`, wallMs);
        add(`${strategy}LoadMs`, loadMs);
        add(`${strategy}TtftMs`, ttftMs);
      }
    }
    progress("");
    return report(rounds, models, sizes);
  } finally {
    progress("");
    await Promise.all(Object.values(peers).map((peer) => peer.close()));
    for (const model of models) model.close();
  }
}

/** Real text of `count` tokens: the prompt and the answer of the longest golden, over and over. */
async function textOf(count: number): Promise<number[]> {
  const { promptTokens, tokens } = (await readGoldens("verify")).get("long")!;
  const all = [...promptTokens, ...tokens];
  return Array.from({ length: count }, (_, i) => all[i % all.length]!);
}

/**
 * One round of our figures; returns the tokens that the verify model chooses after `sizes.prefill` tokens of the text
 * and one more.
 */
async function measureOurs(
  [verify, draft]: readonly BenchModel[],
  text: readonly number[],
  sizes: Sizes,
  add: (name: string, value: number) => void,
): Promise<number> {
  const { prefill, steps: { ours: steps } } = sizes;
  const { llama } = verify!;
  const startMs = performance.now();
  await llama.prefill(text.slice(0, prefill), 0);
  add("prefillMs", (performance.now() - startMs) / prefill);

  // The rows are the text's own; the token chosen after the first row does not depend on the rows behind it.
  const passes = ROWS.map((rows) => ({ rows, deviceMs: [] as number[], wallMs: [] as number[] }));
  let first: readonly number[] | undefined;
  for (let i = 0; i < 3; i++) {
    for (const { rows, deviceMs, wallMs } of passes) {
      const sentMs = performance.now();
      const { tokens, startMs, endMs } = await llama.verify(text.slice(prefill, prefill + rows), prefill);
      wallMs.push(performance.now() - sentMs);
      deviceMs.push(endMs - startMs);
      first ??= tokens;
      assertSame(`a verification of ${rows} rows`, tokens.slice(0, 1), first);
    }
  }
  for (const { rows, deviceMs, wallMs } of passes) {
    add(`verify${rows}Ms`, spread(deviceMs).median);
    add(`verify${rows}WallMs`, spread(wallMs).median);
  }

  // In the middle of these steps the context is the prefill's; what the steps write has no bearing on their time.
  const middle = Math.max(1, prefill - steps / 2);
  const { wallMs, deviceMs } = await decode(llama, text[middle]!, middle, steps);
  add("decodeMs", wallMs / steps);
  add("hostShare", (wallMs - deviceMs) / wallMs);
  const drafted = await decode(draft!.llama, text[middle]!, middle, steps);
  add("draftMs", drafted.deviceMs / steps);
  add("draftWallMs", drafted.wallMs / steps);
  for (const context of [sizes.shortContext, sizes.longContext]) {
    const at = context - 1;
    add(`decodeAt${context}Ms`, (await decode(llama, text[at]!, at, steps)).wallMs / steps);
  }
  return first![0]!;
}

async function cliPrompt(text: readonly number[]): Promise<string> {
  const { tokenizer, checkpoint } = await openModelFile(MODEL_PATHS.verify);
  await checkpoint.close();
  const bytes = text.slice(0, CLI_PROMPT_TOKENS).flatMap((token) => [...tokenizer.tokenBytes(token)]);
  return new TextDecoder().decode(new Uint8Array(bytes));
}

/** Times from the start of a fresh process, which exits one token later; `loadMs` ends where the prefill starts. */
async function startCli(prompt: string, strategy: string) {
  const flags = ["--json", "--raw", "--strategy", strategy, "--max-tokens", "1", "--prompt", prompt];
  const startMs = performance.now();
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", CLI, ...flags],
    stdin: "null",
  }).output();
  const wallMs = performance.now() - startMs;
  if (!success) {
    throw new Error(`Cannot time cli.ts: it failed: ${new TextDecoder().decode(stderr)}`);
  }
  const { promptTokens, ttftMs, events } = JSON.parse(new TextDecoder().decode(stdout));
  if (promptTokens.length !== CLI_PROMPT_TOKENS) {
    throw new Error(`Cannot time cli.ts: its prompt has ${promptTokens.length} tokens, wanted ${CLI_PROMPT_TOKENS}`);
  }
  // The times in a trace count from the start of its process.
  return { wallMs, ttftMs: Number(ttftMs), loadMs: Number(events[0].ms) };
}

/** Multiply-adds with weights in one row: the layers' matrices and the output. */
function multiplyAdds({ layers, hidden, heads, kvHeads, headSize, feedForward, vocabulary }: LlamaConfig): number {
  const attention = 2 * hidden * headSize * (heads + kvHeads);
  return layers * (attention + 3 * hidden * feedForward) + hidden * vocabulary;
}

function report(rounds: Rounds, [verify, draft]: readonly BenchModel[], sizes: Sizes) {
  const of = (name: string) => rounds[name]!;
  const figure = (name: string, digits = 1) => show(spread(of(name)), digits);
  const ratios: Record<string, Spread> = {};
  const ratioOf = (a: string, b: string) => show(ratios[`${a}/${b}`] = ratio(of(a), of(b)), 2);
  const line = (...words: string[]) => console.log(`  ${words.join("  ")}`);

  console.log(`\nspeed: ms/token after ${sizes.prefill} tokens, one thread`);
  for (const [what, name] of [["decode ", "Decode"], ["prefill", "Prefill"]] as const) {
    const ours = `${name.toLowerCase()}Ms`;
    line(what, "ours            ", figure(ours, 2));
    line(what, "llama.cpp Vulkan", figure(`vulkan${name}Ms`), "its/ours", ratioOf(`vulkan${name}Ms`, ours));
    line(what, "llama.cpp CPU   ", figure(`cpu${name}Ms`), "its/ours", ratioOf(`cpu${name}Ms`, ours));
  }
  line("of a decode step's wall time the device is not busy:", figure("hostShare", 3));
  const { kernels: { length: dispatches }, config } = verify!.llama;
  // What lies outside the layers (embedding, output, argmax) is less than a dispatch a layer.
  const dispatchesPerLayer = Math.floor(dispatches / config.layers);
  line(`dispatches: ${dispatchesPerLayer} a layer, ${dispatches} a pass`);

  line("a verification of n rows, ms of the device, over one row; wall, over one row:");
  for (const rows of ROWS) {
    const [device, wall] = [`verify${rows}Ms`, `verify${rows}WallMs`];
    const words = [figure(device), ratioOf(device, "verify1Ms"), figure(wall), ratioOf(wall, "verify1WallMs")];
    line(`  n = ${`${rows}`.padEnd(2)}`, ...words);
  }
  const workShare = multiplyAdds(draft!.llama.config) / multiplyAdds(config);
  line("draft step, ms of the device", figure("draftMs"), "wall", figure("draftWallMs"));
  line(
    "draft step over a verification of one row",
    ratioOf("draftMs", "verify1Ms"),
    `; its weights' multiply-adds: ${workShare.toFixed(3)} of them`,
  );
  const [short, long] = [`decodeAt${sizes.shortContext}Ms`, `decodeAt${sizes.longContext}Ms`];
  line(`decode at context ${sizes.shortContext}:`, figure(short), `at ${sizes.longContext}:`, figure(long));
  line(`tokens/s at ${sizes.longContext} to those at ${sizes.shortContext}:`, ratioOf(short, long));
  for (const strategy of ["greedy", "amusd"]) {
    line(
      `a fresh process, ${CLI_PROMPT_TOKENS}-token prompt, one token by ${strategy}: ms`,
      figure(`${strategy}ProcessMs`, 0),
      `to its prefill ${figure(`${strategy}LoadMs`, 0)}, then to the token ${figure(`${strategy}TtftMs`, 0)}`,
    );
  }
  const spreads = Object.fromEntries(Object.entries(rounds).map(([name, values]) => [name, spread(values)]));
  return { ...spreads, ratios, workShare, dispatches, dispatchesPerLayer, sizes };
}
