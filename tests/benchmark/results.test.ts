// The results file's border. Files that are let in are held against ajv and the JSON Schema, and against the statistics
// that must not fail on them; then a file is cut at every byte, as an interruption may leave it.

import { Ajv2020 } from "ajv/dist/2020.js";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  appendedText,
  parseInterrupted,
  parseResults,
  type Results,
  resultsText,
} from "../../src/benchmark/results.ts";
import schema from "../../src/benchmark/results.schema.json" with { type: "json" };
import { statisticsOf } from "../../src/benchmark/statistics.ts";
import { renderCsv, renderPositions, renderTable } from "../../src/benchmark/table.ts";
import { simulateBenchmark } from "./results-fixture.ts";

const fixture: Results = JSON.parse(JSON.stringify(await simulateBenchmark({ samples: 2, tokens: 5 })));
/** As `benchmark` wrote it when 2 was the version. */
const version2 = await Deno.readTextFile(new URL("fixtures/results-version-2.json", import.meta.url));
const WHERE = 'Cannot read "f"';

/** Whether a text is let in; throws unless it is either that or refused in one line. */
function isAccepted(text: string): boolean {
  try {
    parseResults(text, WHERE);
    return true;
  } catch (error) {
    assert.match((error as Error).message, /^Cannot read "f": [^\n]+; [^\n]+$/);
    return false;
  }
}

test("results are read whole, or refused with a word on why", () => {
  const text = resultsText(fixture);
  assert.equal(parseResults(text, WHERE), fixture);
  assert.equal(parseResults(resultsText({ ...fixture, runs: [] }), WHERE), { ...fixture, runs: [] });
  const [run] = fixture.runs;
  for (
    const [content, kind, message] of [
      [text.slice(0, -9), SyntaxError, /it is no JSON, or cut short; /],
      ["null", TypeError, /it is not a benchmark's results; /],
      [JSON.stringify({ ...fixture, version: 1 }), RangeError, /it has version 1 of the format, wanted 3; /],
      [JSON.stringify({ ...fixture, runs: 3 }), TypeError, /: \/runs must be array; run benchmark anew$/],
      [
        JSON.stringify({ ...fixture, runs: [{ ...run, lanes: [] }] }),
        TypeError,
        /: \/runs\/0\/lanes must NOT have fewer/,
      ],
    ] as const
  ) {
    assert.throws(
      () => parseResults(content, WHERE),
      (error: Error) => error instanceof kind && error.message.startsWith(`${WHERE}: `) && message.test(error.message),
    );
  }
});

test("a file of version 2 is read as today's, whole or interrupted", () => {
  const results = parseResults(version2, WHERE);
  assert.is(results.version, 3);
  const { configuration, runs } = results;
  assert.is(configuration.launch, "adaptive");
  assert.is(configuration.maxTokens, 8);
  assert.equal(configuration.variants, { verify: "rows-8", draft: "rows-8" });
  assert.equal(runs.map(({ finishReason }) => finishReason), Array(6).fill("length"));
  const old = JSON.parse(version2);
  assert.equal(runs.map(({ tokens, events }) => ({ tokens, events })), old.runs.map(pick("tokens", "events")));
  assert.not.match(resultsText(results), /"(finish|kernels|maxNewTokens)":|"best"/);
  // Older still: the runners-up had another name.
  assert.match(version2, '"runnersUp":');
  assert.equal(parseResults(version2.replaceAll('"runnersUp":', '"seconds":'), WHERE), results);
  const cut = version2.slice(0, version2.lastIndexOf('"events"'));
  assert.equal(parseInterrupted(cut, WHERE), { ...results, runs: runs.slice(0, 5) });
  assert.ok(renderTable(statisticsOf("f", results)).split("\n").length === 4);
});

const pick = (...keys: string[]) => (value: Record<string, unknown>) =>
  Object.fromEntries(keys.map((key) => [key, value[key]]));

test("a file of version 2 with a part of another kind is refused in a line", () => {
  const old = JSON.parse(version2);
  for (
    const [broken, message] of [
      [{ ...old, configuration: 3 }, /: \/configuration must be object; /],
      [{ ...old, runs: [null] }, /: \/runs\/0 must be object; /],
      [{ ...old, runs: [{ ...old.runs[0], events: [7] }] }, /: \/runs\/0\/events\/0 must be object; /],
      [{ ...old, configuration: { ...old.configuration, launch: "worst" } }, /: \/configuration\/launch must match /],
    ] as const
  ) {
    assert.throws(() => parseResults(JSON.stringify(broken), WHERE), message);
  }
});

test("the schema is one, takes the fixture, and says no to a file that lacks or garbles any part", () => {
  const validate = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true }).compile(schema);
  assert.ok(validate(fixture), JSON.stringify(validate.errors));
  let refused = 0;
  for (const wrong of [undefined, "?", -1.5, {}, []]) {
    for (const broken of mutated(fixture, wrong)) {
      const text = JSON.stringify(broken);
      const accepted = isAccepted(text);
      assert.is(accepted, validate(JSON.parse(text)));
      if (!accepted) refused++;
      // The statistics of a file that is let in can be taken: nothing here throws.
      else {
        const rows = statisticsOf("f", JSON.parse(text));
        renderTable(rows);
        renderPositions(rows);
        renderCsv(rows);
      }
    }
  }
  assert.ok(refused > 500, `${refused}`);
});

/**
 * The value with one of its parts replaced by `wrong` (left out, if that is undefined), for each part in turn, but in a
 * list for the first two only.
 */
function* mutated(value: unknown, wrong: unknown): Generator<unknown> {
  if (Array.isArray(value)) {
    for (const [i, part] of value.slice(0, 2).entries()) {
      yield value.with(i, wrong);
      for (const inner of mutated(part, wrong)) yield value.with(i, inner);
    }
  } else if (typeof value === "object" && value !== null) {
    for (const [key, part] of Object.entries(value)) {
      yield { ...value, [key]: wrong };
      for (const inner of mutated(part, wrong)) yield { ...value, [key]: inner };
    }
  }
}

test("a run is appended as if all had been written at once, and wherever that ends only it is lost", async () => {
  const tiny = JSON.parse(JSON.stringify(await simulateBenchmark({ samples: 1, tokens: 2, prompt: 'é\n,{"]}' })));
  const [first, second, third] = tiny.runs;
  const before = new TextEncoder().encode(resultsText({ ...tiny, runs: [first, second] }));
  const { replaces, text } = appendedText(third);
  const added = new TextEncoder().encode(text);
  const at = before.length - replaces;
  let complete = 0;
  for (let written = 0; written <= added.length; written++) {
    const file = new Uint8Array(Math.max(before.length, at + written));
    file.set(before);
    file.set(added.subarray(0, written), at);
    const { runs } = parseInterrupted(new TextDecoder().decode(file), WHERE);
    assert.equal(runs.slice(0, 2), [first, second], `after ${written} bytes`);
    if (runs.length === 3) complete++;
    if (written === added.length) assert.is(new TextDecoder().decode(file), resultsText(tiny));
  }
  assert.ok(complete >= 1 && complete <= 6, `${complete}`);
  assert.throws(() => parseInterrupted('{"format":"amusd results","vers', WHERE), /it is no JSON, or cut short/);
  assert.equal(parseInterrupted(JSON.stringify(tiny), WHERE), tiny);
});

test.run();
