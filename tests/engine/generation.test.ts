// What a consumer of a generation sees, whichever way it asks: on a run that is played, without a model.

import { test } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { Generation } from "../../src/engine/generation.ts";
import type { GenerationRecord, GenerationRun, Piece } from "../../src/engine/generation-run.ts";

const TEXTS = ["One ", "two ", "three"];
const WHOLE = TEXTS.join("");

/** A generation whose run gives TEXTS, one token each, then fails with `error` if there is one. */
function play({ error, refusal }: { error?: Error; refusal?: Error } = {}) {
  const log: string[] = [];
  const record: { text: string; tokens: number[]; finishReason: string } = {
    text: "",
    tokens: [],
    finishReason: "return",
  };
  const run = {
    async *pieces() {
      for (const [token, text] of TEXTS.entries()) {
        log.push(text);
        record.text += text;
        record.tokens.push(token);
        yield { text, tokens: [] };
      }
      record.finishReason = error ? "error" : "eos";
      if (error) throw error;
    },
    record: record as unknown as GenerationRecord,
  };
  const generation = new Generation(run as unknown as GenerationRun, {
    begin: async () => {
      if (refusal) throw refusal;
      log.push("begin");
      return { verify: 0, draft: 0 };
    },
    end: (_, failed) => log.push(failed ? "failed" : "end"),
  });
  return { generation, log, record };
}

const textOf = (pieces: readonly Piece[]) => pieces.map(({ text }) => text).join("");
const errorOf = (promise: PromiseLike<unknown>) => promise.then(() => undefined, (error: unknown) => error);

test("nothing runs before somebody asks", async () => {
  const { log } = play();
  await new Promise((resolve) => setTimeout(resolve));
  assert.equal(log, []);
});

test("await gives the whole answer", async () => {
  const { generation, log, record } = play();
  const result = await generation;
  assert.equal(result, { text: WHOLE, tokens: [0, 1, 2], finishReason: "eos", record });
  assert.equal(log, ["begin", ...TEXTS, "end"]);
  assert.equal(await generation, result, "again, and nothing runs again");
  assert.is(log.length, 5);
});

test("each promise starts the run, once", async () => {
  for (const key of ["text", "tokens", "finishReason", "record"] as const) {
    const { generation, log, record } = play();
    const wanted = { text: WHOLE, tokens: [0, 1, 2], finishReason: "eos", record }[key];
    assert.equal(await generation[key], wanted, key);
    assert.equal(await generation[key], wanted, key);
    assert.equal(log, ["begin", ...TEXTS, "end"], key);
  }
});

test("a loop gets the pieces one by one, and the run waits for it", async () => {
  const { generation, log } = play();
  const seen: string[] = [];
  for await (const { text } of generation) {
    seen.push(text);
    assert.equal(log, ["begin", ...seen], "not ahead of the loop");
  }
  assert.equal(seen, TEXTS);
  assert.is(await generation.text, WHOLE);
  assert.is(await generation.finishReason, "eos");
});

test("whatever the order in which promises are asked for and pieces are taken, all see the whole text", async () => {
  const asks = fc.array(fc.constantFrom("piece", "text", "tokens", "then", "pause"), { maxLength: 8 });
  await fc.assert(fc.asyncProperty(asks, async (asked) => {
    const { generation, log } = play();
    const iterator = generation[Symbol.asyncIterator]();
    const pieces: Piece[] = [];
    const promises: PromiseLike<string>[] = [];
    for (const ask of asked) {
      if (ask === "piece") {
        const { value } = await iterator.next();
        if (value) pieces.push(value);
      } else if (ask === "text") promises.push(generation.text);
      else if (ask === "tokens") {
        promises.push(generation.tokens.then((tokens) => tokens.map((i) => TEXTS[i]).join("")));
      } else if (ask === "then") promises.push(generation.then(({ text }) => text));
      else await new Promise((resolve) => setTimeout(resolve));
    }
    for await (const piece of iterator) pieces.push(piece);
    assert.is(textOf(pieces), WHOLE);
    for (const text of await Promise.all(promises)) assert.is(text, WHOLE);
    assert.equal(log, ["begin", ...TEXTS, "end"]);
  }));
});

test("a loop that is left ends the run; what came is the answer", async () => {
  const { generation, log } = play();
  for await (const { text } of generation) if (text === "two ") break;
  assert.equal(log, ["begin", "One ", "two ", "end"]);
  const { text, finishReason } = await generation;
  assert.equal([text, finishReason], ["One two ", "return"]);
});

test("an error comes after all text, and to everybody but the record", async () => {
  const error = new Error("lost");
  const { generation, log, record } = play({ error });
  const seen: string[] = [];
  const thrown = await errorOf((async () => {
    for await (const { text } of generation) seen.push(text);
  })());
  assert.is(thrown, error);
  assert.equal(seen, TEXTS);
  for (const promise of [generation, generation.text, generation.tokens]) assert.is(await errorOf(promise), error);
  assert.is(await generation.record, record);
  assert.is(await generation.finishReason, "error");
  assert.equal(log, ["begin", ...TEXTS, "failed"]);

  const awaited = play({ error }).generation;
  assert.is(await errorOf(awaited), error);
  const late: string[] = [];
  const again = await errorOf((async () => {
    for await (const { text } of awaited) late.push(text);
  })());
  assert.is(again, error);
  assert.equal(late, TEXTS, "also to a loop that comes later");
});

test("where the run can't begin everybody hears why, and nothing ends", async () => {
  const refusal = new Error("another one is running");
  const { generation, log } = play({ refusal });
  for (const promise of [generation.record, generation, generation.text, generation.finishReason]) {
    assert.is(await errorOf(promise), refusal);
  }
  assert.is(await errorOf(Array.fromAsync(play({ refusal }).generation)), refusal);
  assert.equal(log, []);
});

test("a generation is iterated over once", async () => {
  const { generation } = play();
  await Array.fromAsync(generation);
  const error = await errorOf(Array.fromAsync(generation));
  assert.is((error as Error).message, "Cannot iterate over a generation twice: generate anew");
});

test.run();
