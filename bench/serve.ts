// What the server costs: a token's time as a client of `createHandler` behind a port sees it, over the time that
// `generate` takes for the same text. Then many clients at once, of which some leave: each that stays must have the
// text that `generate` gives.

import { serve as listen } from "@hono/node-server";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { createHandler, type Engine, load } from "../mod.ts";
import { DRAFT_VOCABULARY } from "../src/cli/models.ts";
import { randomOf } from "../src/util/random.ts";
import { ADAPTER, type BenchOptions, MODEL_PATHS, progress } from "./fixture.ts";
import { ratio, rotate, show, type Spread, spread } from "./rounds.ts";

const PROMPT = "def is_prime(n: int) -> bool:\n";
const STRATEGIES = ["greedy", "amusd"] as const;
/** This many rounds are run for each that is asked for: single rounds differ by more than the cost that is sought. */
const REPEATS = 8;
const PROMPTS = ["Name three rivers.", "Why is the sky blue?", "Write a haiku.", "Count to ten."];
const CLIENTS = 32;
/** Tokens of an answer under load. */
const SHORT = 12;

export interface ServeFigures {
  readonly cost: Readonly<Record<typeof STRATEGIES[number], ServeCost>>;
  readonly load: { readonly answered: number; readonly left: number; readonly seconds: number };
}

interface ServeCost {
  /** From the first token to the last, over the tokens after the first, in ms. */
  readonly generated: Spread;
  readonly served: Spread;
  /** The second over the first, round by round; at most 1.01 is wanted. */
  readonly ratio: Spread;
}

export async function serve({ runs, quick }: BenchOptions): Promise<ServeFigures> {
  progress("serve: loading");
  const engine = await load({
    ...MODEL_PATHS,
    verifyDevice: ADAPTER,
    draftDevice: ADAPTER,
    context: 512,
    draftVocabulary: DRAFT_VOCABULARY,
  });
  const server = listen({ fetch: createHandler(engine), port: 0, hostname: "127.0.0.1" });
  try {
    await once(server, "listening");
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const cost = await costs(engine, address, quick ? 2 : REPEATS * runs, quick ? 24 : 128);
    const figures = { cost, load: await underLoad(engine, address, quick ? 24 : 200) };
    progress("");
    for (const [name, { generated, served, ratio }] of Object.entries(cost)) {
      console.log(
        `serve, ${name}: ms/token ${show(served, 2)}, by generate ${show(generated, 2)}, ratio ${show(ratio, 3)}`,
      );
    }
    const { answered, left, seconds } = figures.load;
    console.log(`  ${CLIENTS} clients: ${answered} answers as generate's, ${left} left, in ${seconds.toFixed(0)} s`);
    return figures;
  } finally {
    server.close();
    await engine.close();
  }
}

async function costs(engine: Engine, address: string, rounds: number, maxTokens: number) {
  const cost: Partial<Record<typeof STRATEGIES[number], ServeCost>> = {};
  for (const strategy of STRATEGIES) {
    const times: Record<"generated" | "served", number[]> = { generated: [], served: [] };
    const texts = new Set<string>();
    const generated = async () => {
      const options = { raw: true, strategy, maxTokens, ignoreEos: true, reuseCache: true };
      const { record } = await engine.generate(PROMPT, options);
      texts.add(record.text);
      return record.msPerToken!;
    };
    const served = async () => {
      const body = { prompt: PROMPT, strategy, max_tokens: maxTokens, ignore_eos: true, temperature: 0, stream: true };
      const { text, arrivalsMs } = await streamed(`${address}/completion`, body);
      texts.add(text);
      // An event a token, and one at the end.
      const lastMs = arrivalsMs.at(-2)!;
      return (lastMs - arrivalsMs[0]!) / (maxTokens - 1);
    };
    await generated();
    await served();
    for (let round = 0; round < rounds; round++) {
      progress(`serve, ${strategy}: round ${round + 1} of ${rounds}`);
      await rotate(round, [
        async () => void times.generated.push(await generated()),
        async () => void times.served.push(await served()),
      ]);
    }
    if (texts.size !== 1) throw new Error(`Cannot use the figures of serve, ${strategy}: its texts differ`);
    cost[strategy] = {
      generated: spread(times.generated),
      served: spread(times.served),
      ratio: ratio(times.served, times.generated),
    };
  }
  return cost as ServeFigures["cost"];
}

/** A stream of llama.cpp's form: its text, and when each event came. With a signal, as far as it came. */
async function streamed(url: string, body: unknown, signal?: AbortSignal) {
  const response = await fetch(url, { method: "POST", body: JSON.stringify(body), signal });
  let [text, rest] = ["", ""];
  const arrivalsMs: number[] = [];
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines.filter((line) => line.startsWith("data: "))) {
      arrivalsMs.push(performance.now());
      text += JSON.parse(line.slice(6)).content;
    }
  }
  return { text, arrivalsMs };
}

async function underLoad(engine: Engine, address: string, requests: number): Promise<ServeFigures["load"]> {
  const wanted: string[] = [];
  for (const prompt of PROMPTS) {
    wanted.push(await engine.generate(prompt, { raw: true, maxTokens: SHORT, ignoreEos: true }).text);
  }
  const random = randomOf(1);
  let [next, answered, left] = [0, 0, 0];
  const startMs = performance.now();
  const client = async () => {
    while (next < requests) {
      progress(`serve: request ${++next} of ${requests}`);
      const which = Math.floor(random() * PROMPTS.length);
      const body = { prompt: PROMPTS[which]!, n_predict: SHORT, ignore_eos: true, temperature: 0, stream: true };
      // One in four leaves, most of them in the queue.
      const signal = random() < 0.25 ? AbortSignal.timeout(2000 * random()) : undefined;
      try {
        const { text } = await streamed(`${address}/completion`, body, signal);
        if (text !== wanted[which]) throw new Error(`Cannot trust the server: it wrote ${JSON.stringify(text)}`);
        answered++;
      } catch (error) {
        if (!signal?.aborted) throw error;
        left++;
      }
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return { answered, left, seconds: (performance.now() - startMs) / 1000 };
}
