import { test } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { TextStream } from "../../src/tokenizer/text-stream.ts";

/** A stream over tokens 0, 1, 2 ... that stand for the given bytes. */
function streamOver(tokens: readonly Uint8Array[], stop: readonly string[]): TextStream {
  return new TextStream({ tokenBytes: (id) => tokens[id]! }, { stop });
}

/** The texts that each push and the flush return. */
function run(tokens: readonly Uint8Array[], stop: readonly string[]): string[] {
  const stream = streamOver(tokens, stop);
  return [...tokens.map((_, id) => stream.push(id)), stream.flush()];
}

const utf8 = (...texts: string[]) => texts.map((text) => new TextEncoder().encode(text));
const decode = (bytes: Uint8Array) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

/**
 * Few letters, so that stop strings overlap with the text and with each other, among them one of each length in UTF-8.
 */
const letters = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom("a", "b") },
  { weight: 1, arbitrary: fc.constantFrom("é", "€", "🙂", "\ufeff") },
);
const someText = fc.string({ unit: letters, maxLength: 25 });
const someStop = fc.string({ unit: letters, minLength: 1, maxLength: 4 });

/** The bytes cut into tokens at random places. Some tokens are empty, as control tokens are. */
const cut = (bytes: Uint8Array) =>
  fc.array(fc.nat(bytes.length), { maxLength: 12 }).map((at) => {
    const places = [0, ...at.sort((a, b) => a - b), bytes.length];
    return places.slice(1).map((end, i) => bytes.slice(places[i], end));
  });
const cutText = someText.chain((text) => fc.tuple(fc.constant(text), cut(new TextEncoder().encode(text))));

test("TextStream gives text.split(stop)[0], for any text in any tokens", () => {
  fc.assert(
    fc.property(cutText, someStop, ([text, tokens], stop) => {
      assert.is(run(tokens, [stop]).join(""), text.split(stop)[0]);
    }),
    { numRuns: 2000 },
  );
});

test("TextStream ends before the stop string that is complete first, the longest of those that end together", () => {
  const expected = (text: string, stops: readonly string[]) => {
    for (let end = 0; end <= text.length; end++) {
      const lengths = stops.filter((stop) => text.slice(0, end).endsWith(stop)).map((stop) => stop.length);
      if (lengths.length > 0) return text.slice(0, end - Math.max(...lengths));
    }
    return text;
  };
  fc.assert(
    fc.property(cutText, fc.array(someStop, { maxLength: 4 }), ([text, tokens], stops) => {
      const stream = streamOver(tokens, stops);
      const wanted = expected(text, stops);
      let given = "";
      tokens.forEach((_, id) => {
        given += stream.push(id);
        assert.ok(wanted.startsWith(given), `took back: ${given} is no beginning of ${wanted}`);
      });
      given += stream.flush();
      assert.is(given, wanted);
      assert.is(stream.stopped, stops.some((stop) => text.includes(stop)));
    }),
    { numRuns: 2000 },
  );
});

test("TextStream holds back no more than a stop string's beginning and an incomplete character", () => {
  fc.assert(fc.property(cutText, someStop, ([, tokens], stop) => {
    const stream = streamOver(tokens, [stop]);
    let given = "";
    let bytes: number[] = [];
    tokens.forEach((token, id) => {
      bytes = [...bytes, ...token];
      given += stream.push(id);
      // A decoder that streams leaves out the bytes after the last whole character.
      const whole = new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes), { stream: true });
      const certain = Math.max(0, whole.length - (stop.length - 1));
      if (!stream.stopped) assert.ok(given.length >= certain, `held back too much: ${given} of ${whole}`);
      if (!stream.stopped && !stop.startsWith(whole.at(-1) ?? "?") && !stop.includes(whole.at(-1) ?? "?")) {
        assert.is(given, whole);
      }
    });
  }));
});

test("TextStream gives U+FFFD for bytes that are no UTF-8, as TextDecoder does", () => {
  const bytes = fc.uint8Array({ maxLength: 20 });
  fc.assert(
    fc.property(bytes.chain((all) => fc.tuple(fc.constant(all), cut(all))), ([all, tokens]) => {
      assert.is(run(tokens, []).join(""), decode(all));
    }),
    { numRuns: 1000 },
  );
  assert.equal(run([Uint8Array.of(0xe2, 0x82)], []), ["", "\ufffd"]);
  assert.equal(run([Uint8Array.of(0xe2, 0x82)], ["\ufffd"]), ["", ""]);
});

test("TextStream gives text as soon as it is certain", () => {
  const euro = new TextEncoder().encode("€");
  assert.equal(run([euro.slice(0, 1), euro.slice(1, 2), euro.slice(2), ...utf8("a")], []), ["", "", "€", "a", ""]);
  assert.equal(run(utf8("one\n", "\ntwo"), ["\n\n"]), ["one", "", ""]);
  assert.equal(run(utf8("one\n", "two"), ["\n\n"]), ["one", "\ntwo", ""]);
  assert.equal(run(utf8("one\n"), ["\n\n"]), ["one", "\n"]);
  assert.equal(run(utf8("aab", "c"), ["aac"]), ["aab", "c", ""]);
  assert.equal(run(utf8("abc"), ["abc", "b"]), ["a", ""]);
});

test("TextStream says when it has stopped, and gives nothing after", () => {
  const tokens = utf8("Hello, w", "orld. End of", " it");
  const stream = streamOver(tokens, ["End", "world."]);
  assert.is(stream.push(0), "Hello, ");
  assert.is(stream.stopped, false);
  assert.is(stream.push(1), "");
  assert.is(stream.stopped, true);
  assert.is(stream.push(2), "");
  assert.is(stream.flush(), "");
});

test("TextStream refuses an empty stop string", () => {
  streamOver([], [" "]);
  const wanted = 'RangeError: Cannot stop at "": it would end every text at once; give a longer stop string';
  assert.throws(() => streamOver([], ["a", ""]), (error: unknown) => String(error) === wanted);
});

test.run();
