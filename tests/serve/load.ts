// Clients that all come at once, on simulated lanes: what each asks for, and when it leaves, is drawn from a seed.

import { setImmediate } from "node:timers";
import vm from "node:vm";
import * as assert from "uvu/assert";
import type { Engine } from "../../src/engine/engine.ts";
import { createHandler } from "../../src/serve/handler.ts";
import { Turns } from "../../src/serve/turns.ts";
import type { Clock } from "../../src/spec/clock.ts";
import { randomOf } from "../../src/util/random.ts";
import { WatchedLane } from "../spec/lanes/watched-lane.ts";
import { simulatedEngine, textAfter } from "./simulated-engine.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

// The platform file takes V8's `gc` from a new context. A device's garbage, which there is none of here, would be
// collected after each answer, and that takes most of the time.
vm.runInNewContext = () => () => {};

/** Fewer than the clients, so that some are told to come back. */
const QUEUE = 24;
const PROMPTS = ["Hello", "One two three", "The sea is", "x".repeat(90)];
const LONGEST = 24;

/** When a client leaves: never, before it is heard, after so many macrotasks, or after so many reads of a stream. */
type Leave =
  | { readonly when: "never" | "before" }
  | { readonly when: "ticks" | "reads"; readonly after: number; readonly by: "signal" | "cancel" };

/** What a client asks for. */
interface Ask {
  readonly path: string;
  readonly body: string;
  readonly stream: boolean;
  readonly leave: Leave;
  /** The status of an answer to a client that stays, if it isn't told to come back. */
  readonly status: number;
  /** Looks at a whole answer, or at a stream's events. */
  readonly check: (answer: Json) => void;
  /** The tokens that an answer says were written. */
  readonly written: (answer: Json) => number;
}

/** What the server's log says of an answer to a prompt. */
interface Line {
  readonly id: string;
  readonly written: number;
  readonly figures: readonly number[];
  readonly isAborted: boolean;
  /** Verifications that were sent until then. */
  readonly sent: number;
}

/** What came of a load, by what its clients saw. */
export interface LoadFigures {
  readonly answered: number;
  readonly refused: number;
  readonly toldToComeBack: number;
  readonly left: number;
}

/** Time that passes as soon as everything else has been done. */
const eager: Clock = { now: () => performance.now(), sleep: () => tick() };
const tick = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A server that is loaded; see `run`. */
export class LoadedServer {
  readonly #engine: Engine;
  readonly #lanes: readonly WatchedLane[];
  readonly #handler: (request: Request) => Promise<Response>;
  readonly #texts = new Map<string, string>();
  #lines: Line[] = [];
  /** What the counters of /metrics have come to. */
  #counted: Record<string, number> = {};

  private constructor(engine: Engine, lanes: readonly WatchedLane[]) {
    this.#engine = engine;
    this.#lanes = lanes;
    this.#handler = createHandler(engine, { queue: QUEUE, log: (line) => this.#log(line) });
  }

  static async open(): Promise<LoadedServer> {
    const lanes: WatchedLane[] = [];
    const wrap = (lane: ConstructorParameters<typeof WatchedLane>[0]) => lanes[lanes.push(new WatchedLane(lane)) - 1]!;
    const server = new LoadedServer(await simulatedEngine({ clock: eager, wrap }), lanes);
    // By an engine that nobody else uses.
    const alone = await simulatedEngine({ clock: eager });
    for (const prompt of PROMPTS) {
      const chat = alone.codec.encodeChat([{ role: "user", content: prompt }]);
      server.#texts.set(`chat ${prompt}`, await textAfter(alone, chat, LONGEST));
      server.#texts.set(`raw ${prompt}`, await textAfter(alone, alone.codec.encode(prompt, { raw: true }), LONGEST));
    }
    await alone.close();
    return server;
  }

  #log(line: string): void {
    const found = /^(\S+) (\d+) tokens \((\d+) cached\), (\d+) written in \d+ ms, (\d+) of (\d+) .*, (\w+)$/.exec(
      line,
    )!;
    const figures = found.slice(2, 7).map(Number);
    this.#lines.push({
      id: found[1]!,
      written: figures[2]!,
      figures,
      isAborted: found[7] === "abort",
      sent: this.#lanes[0]!.sent,
    });
  }

  /**
   * `clients` at a time send `requests` requests in all, and each that stays gets what it asked for. Throws an
   * AssertionError where an answer is wrong, a turn is taken out of order, lanes work on for a client that left, or
   * the counters of /metrics don't add up to what the clients saw.
   */
  async run(requests: number, clients: number, seed: number): Promise<LoadFigures> {
    const figures = { answered: 0, refused: 0, toldToComeBack: 0, left: 0 };
    this.#lines = [];
    for (const { messages } of this.#lanes) messages.length = 0;
    const orders = watchTurns();
    /** The tokens that clients saw written: by the answer's id, or, where the form has none, one by one. */
    const seen: { readonly id: string | undefined; readonly written: number }[] = [];
    let next = 0;
    const client = async () => {
      for (let number = next++; number < requests; number = next++) {
        const ask = this.#ask(randomOf(seed + Math.imul(number, 0x9e3779b1)));
        try {
          let { status, answer } = await this.#send(ask);
          while (status === 429) {
            figures.toldToComeBack++;
            for (let i = 0; i < 20; i++) await tick();
            ({ status, answer } = await this.#send(ask));
          }
          if (status === undefined) figures.left++;
          else {
            assert.is(status, ask.status, JSON.stringify(answer));
            ask.check(answer);
            if (status !== 200) figures.refused++;
            else {
              figures.answered++;
              const written = ask.written(answer);
              if (written > 0) seen.push({ id: (ask.stream ? answer[0] : answer).id, written });
            }
          }
        } catch (error) {
          (error as Error).message += ` (request ${number}: ${ask.path} ${ask.body} ${JSON.stringify(ask.leave)})`;
          throw error;
        }
      }
    };
    try {
      await Promise.all(Array.from({ length: clients }, client));
      await this.#assertIdle();
    } finally {
      orders.restore();
    }
    assert.ok(orders.granted.length > 0);
    assert.equal(orders.granted, orders.granted.toSorted((a, b) => a - b), "first come, first served");
    await this.#assertCounted();
    const rest = [...this.#lines];
    for (const { id, written } of seen) {
      // An answer to several prompts has as many lines. llama.cpp's form has no id.
      for (let left = written; left > 0;) {
        const at = rest.findIndex((line) => id === undefined ? line.written === written : line.id === id);
        assert.ok(at >= 0, `${written} tokens were seen, the log knows ${written - left} of them`);
        left -= rest.splice(at, 1)[0]!.written;
        assert.ok(left >= 0, "more are in the log than were seen");
      }
    }
    // A client that leaves as its answer ends has had all of it.
    assert.ok(rest.length <= 4 * figures.left, "what no client saw is of those that left");
    return figures;
  }

  /** One request; without a status where the client left. */
  async #send(ask: Ask): Promise<{ readonly status?: number; readonly answer?: Json }> {
    const { leave, path, body } = ask;
    const leaving = new AbortController();
    if (leave.when === "before") leaving.abort();
    const method = body === "" ? "GET" : "POST";
    const request = new Request(`http://localhost${path}`, {
      method,
      body: method === "GET" ? undefined : body,
      signal: leaving.signal,
    });
    if (leave.when === "ticks") {
      (async () => {
        for (let i = 0; i < leave.after; i++) await tick();
        leaving.abort();
      })();
    }
    const response = await this.#handler(request);
    if (!ask.stream || response.status !== 200) {
      const text = await response.text();
      return leaving.signal.aborted
        ? {}
        : { status: response.status, answer: text.startsWith("#") ? text : JSON.parse(text) };
    }
    // Read as it is: by way of another stream it would be some time before the server hears that a reader has left.
    const reader = response.body!.getReader();
    const decoder = new TextDecoder();
    let text = "";
    for (let reads = 0;; reads++) {
      if (leave.when === "reads" && reads === leave.after) {
        await this.#leave(text, () => leave.by === "signal" ? leaving.abort() : reader.cancel());
        if (leave.by === "signal") await reader.cancel();
        return {};
      }
      const { done, value } = await reader.read();
      if (done) break;
      text += decoder.decode(value, { stream: true });
    }
    if (leaving.signal.aborted) return {};
    const events = text.split("\n").filter((line) => line.startsWith("data: {")).map((line) =>
      JSON.parse(line.slice(6))
    );
    return { status: 200, answer: events };
  }

  /** A client leaves whose answer comes: no more than one verification may be sent for it. */
  async #leave(text: string, leave: () => unknown): Promise<void> {
    const id = /"id":"(\S+?)"/.exec(text)?.[1];
    const had = this.#lines.length;
    const sent = this.#lanes[0]!.sent;
    await leave();
    if (id === undefined || this.#lines.slice(0, had).some((line) => line.id === id)) return;
    while (!this.#lines.slice(had).some((line) => line.id === id)) await tick();
    const end = this.#lines.slice(had).find((line) => line.id === id)!;
    assert.ok(end.sent - sent <= 1, `${end.sent - sent} verifications were sent for a client that had left`);
  }

  /** No turn is taken or wanted, and the lanes have nothing to do, and get nothing more. */
  async #assertIdle(): Promise<void> {
    const { sent } = this.#lanes[0]!;
    for (;;) {
      const text = await (await this.#handler(new Request("http://localhost/metrics"))).text();
      assert.match(text, /^amusd:requests_deferred 0$/m);
      assert.ok(this.#lanes[0]!.sent - sent <= 1, "the lane works on for nobody");
      if (/^amusd:requests_processing 0$/m.test(text)) break;
      await tick();
    }
    const all = this.#lanes.map(({ sent }) => sent);
    for (let i = 0; i < 20; i++) await tick();
    assert.equal(this.#lanes.map(({ sent }) => sent), all);
    assert.equal(this.#lanes.map(({ inFlight }) => inFlight), [0, 0]);
  }

  /** The counters of /metrics grew by what the log says. */
  async #assertCounted(): Promise<void> {
    const text = await (await this.#handler(new Request("http://localhost/metrics"))).text();
    const sum = (at: (line: Line) => number) => this.#lines.reduce((total, line) => total + at(line), 0);
    const wanted: Readonly<Record<string, number>> = {
      prompt_tokens_total: sum(({ figures: [prompt, cached] }) => prompt! - cached!),
      prompt_tokens_cached_total: sum(({ figures }) => figures[1]!),
      tokens_predicted_total: sum(({ figures }) => figures[2]!),
      spec_decode_num_accepted_tokens_total: sum(({ figures }) => figures[3]!),
      spec_decode_num_draft_tokens_total: sum(({ figures }) => figures[4]!),
      request_queue_seconds_count: this.#lines.length,
    };
    const before = this.#counted;
    this.#counted = Object.fromEntries(
      Object.keys(wanted).map((name) => [name, Number(new RegExp(`^amusd:${name} (\\d+)$`, "m").exec(text)![1])]),
    );
    for (const [name, value] of Object.entries(this.#counted)) {
      assert.is(value - (before[name] ?? 0), wanted[name], name);
    }
  }

  #ask(random: () => number): Ask {
    const below = (count: number) => Math.floor(random() * count);
    const one = <T>(all: readonly T[]): T => all[below(all.length)]!;
    const prompt = one(PROMPTS);
    const tokens = 1 + below(LONGEST);
    const stream = random() < 0.5;
    const common = {
      stream,
      temperature: one([0, 1]),
      strategy: one([null, "greedy", "sd", "amusd"]),
      cache_prompt: one([true, false]),
    };
    const leave = one<Leave>([
      ...Array(6).fill({ when: "never" }),
      { when: "before" },
      { when: "ticks", after: below(60), by: "signal" },
      { when: "reads", after: below(8), by: "signal" },
      { when: "reads", after: below(8), by: "cancel" },
    ]);
    const ask = (path: string, body: unknown, more: Partial<Ask>): Ask => ({
      path,
      body: typeof body === "string" ? body : JSON.stringify(body),
      stream: false,
      leave,
      status: 200,
      check: () => {},
      written: () => 0,
      ...more,
    });
    const text = (form: string, prompt: string) => this.#texts.get(`${form} ${prompt}`)!.slice(0, tokens);
    switch (below(10)) {
      case 0:
      case 1: {
        const n = 1 + below(2);
        const messages = [{ role: "user", content: prompt }];
        const wanted = Array(n).fill(text("chat", prompt));
        return ask("/v1/chat/completions", { ...common, messages, n, max_tokens: tokens }, {
          stream,
          check: (answer) => {
            const parts = (index: number) =>
              answer.flatMap((event: Json) => event.choices.filter((choice: Json) => choice.index === index));
            const texts = stream
              ? wanted.map((_, i) => parts(i).map(({ delta }: Json) => delta.content ?? "").join(""))
              : answer.choices.map(({ message }: Json) => message.content);
            assert.equal(texts, wanted);
          },
          written: (answer) => stream ? predicted(answer) : answer.usage.completion_tokens,
        });
      }
      case 2:
      case 3: {
        const prompts = [prompt, one(PROMPTS)];
        const wanted = prompts.map((prompt) => text("raw", prompt));
        return ask("/v1/completions", { ...common, prompt: prompts, max_tokens: tokens }, {
          stream,
          check: (answer) => {
            const parts = (index: number) =>
              answer.flatMap((event: Json) => event.choices.filter((choice: Json) => choice.index === index));
            const texts = stream
              ? wanted.map((_, i) => parts(i).map(({ text }: Json) => text).join(""))
              : answer.choices.map(({ text }: Json) => text);
            assert.equal(texts, wanted);
          },
          written: (answer) => stream ? predicted(answer) : answer.usage.completion_tokens,
        });
      }
      case 4:
        return ask("/v1/responses", { ...common, input: prompt, max_output_tokens: tokens }, {
          stream,
          check: (answer) => {
            const { output_text: written } = stream ? answer.at(-1).response : answer;
            assert.is(written, text("chat", prompt));
          },
          // A stream's events have the id of the response within.
          written: (answer) => stream ? 0 : answer.usage.output_tokens,
        });
      case 5:
      case 6:
        return ask("/completion", { ...common, prompt, n_predict: tokens, return_progress: random() < 0.5 }, {
          stream,
          check: (answer) => {
            const written = stream ? answer.map(({ content }: Json) => content).join("") : answer.content;
            assert.is(written, text("raw", prompt));
          },
          written: (answer) => stream ? predicted(answer) : answer.timings.predicted_n,
        });
      case 7: {
        const { codec, modelHash } = this.#engine;
        const written = codec.encodeText(text("raw", prompt), { special: true, addBos: false });
        const claim = { promptTokens: codec.encode(prompt, { raw: true }), tokens: written, sampling: null, modelHash };
        return ask("/v1/certify", claim, {
          check: ({ certified, tokens }) => assert.equal([certified, tokens], [written.length, written.length]),
        });
      }
      case 8:
        return one([
          ask("/tokenize", { content: prompt }, { check: ({ tokens }) => assert.ok(tokens.length > 0) }),
          ask("/apply-template", { messages: [{ role: "user", content: prompt }] }, {
            check: ({ prompt: rendered }) => assert.ok(rendered.includes(prompt)),
          }),
          ask("/health", "", { check: ({ status }) => assert.is(status, "ok") }),
          ask("/metrics", "", {}),
          ask("/v1/models", "", { check: ({ data }) => assert.is(data.length, 1) }),
        ]);
      default:
        return one([
          ask("/v1/chat/completions", "{", { status: 400 }),
          ask("/v1/chat/completions", { messages: [], stream }, { status: 400 }),
          ask("/v1/completions", { prompt: "y".repeat(5000), stream }, { status: 400 }),
          ask("/completion", { prompt, temperature: -1, stream }, { status: 400 }),
          ask("/v1/nowhere", {}, { status: 404 }),
          ask("/v1/embeddings", {}, { status: 501 }),
        ]);
    }
  }
}

/** The tokens that a stream's last events of choices say were written. */
function predicted(events: Json): number {
  return events.reduce((sum: number, { timings }: Json) => sum + (timings?.predicted_n ?? 0), 0);
}

/** Numbers those who ask for a turn, in their order, and notes in which order they get it. */
function watchTurns() {
  const { take } = Turns.prototype;
  const granted: number[] = [];
  let came = 0;
  Turns.prototype.take = function (signal) {
    const number = came++;
    const turn = take.call(this, signal);
    turn.then(() => granted.push(number), () => {});
    return turn;
  };
  return { granted, restore: () => void (Turns.prototype.take = take) };
}
