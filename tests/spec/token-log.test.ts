import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { TokenLog, type TokenNode } from "../../src/spec/token-log.ts";

const tokensOf = (nodes: readonly TokenNode[]) => nodes.map(({ token }) => token);

test("TokenLog begins with the prompt, committed", () => {
  const log = new TokenLog([3, 1, 4]);
  assert.equal(log.committed, [3, 1, 4]);
  assert.is(log.promptLength, 3);
  assert.is(log.end.token, 4);
  assert.is(log.end.position, 2);
  assert.equal(tokensOf(log.pending()), []);
  assert.throws(
    () => new TokenLog([]),
    (error: Error) => error instanceof RangeError && /0 tokens/.test(error.message),
  );
});

test("commit() accepts what equals, and says who wrote each token", () => {
  const origins = (drafted: number[], chosen: number[]) =>
    new TokenLog([0]).commit(drafted, chosen).map(({ token, position, origin }) => `${position}:${token} ${origin}`);
  assert.equal(origins([], [5]), ["1:5 verify"]);
  assert.equal(origins([5, 6], [5, 6, 7]), ["1:5 accepted", "2:6 accepted", "3:7 bonus"]);
  assert.equal(origins([5, 6], [5, 9, 7]), ["1:5 accepted", "2:9 correction"]);
  assert.equal(origins([5, 6], [9, 6, 7]), ["1:9 correction"]);
  assert.equal(origins([5, 6], [5, 6]), ["1:5 accepted", "2:6 accepted"], "cut before the bonus");
  assert.equal(origins([5, 6], [5]), ["1:5 accepted"]);
  for (const chosen of [[], [5, 6, 7, 8]]) {
    assert.throws(() => origins([5, 6], chosen), (error: Error) => error instanceof RangeError);
  }
});

test("draft() on a branch that a commit has rejected gives a dead token", () => {
  const log = new TokenLog([0]);
  const five = log.draft(log.end, 5);
  const six = log.draft(five, 6);
  assert.equal(tokensOf(log.pending()), [5, 6]);
  log.commit([5, 6], [5, 9, 0]);
  assert.equal(log.committed, [0, 5, 9]);
  assert.ok(log.isLive(five));
  assert.not(log.isLive(six));
  const seven = log.draft(six, 7);
  assert.not(log.isLive(seven));
  assert.is(log.liveAncestor(seven), five);
  assert.not(log.isLive(log.draft(five, 6)), "drafted late, and not what was committed");
  assert.is(log.draft(five, 9), log.end, "drafted late, and what was committed");
  assert.equal(tokensOf(log.pending()), []);
});

test("a branch whose path is committed survives", () => {
  const log = new TokenLog([0]);
  const other = log.draft(log.draft(log.end, 5), 6);
  const nine = log.draft(log.draft(log.end, 8), 9);
  const tip = log.draft(nine, 7);
  assert.equal(tokensOf(log.pending()), [5, 6], "the oldest branch");
  log.commit([5, 6], [8, 0, 0]);
  assert.not(log.isLive(other));
  assert.ok(log.isLive(tip));
  assert.equal(tokensOf(log.pending()), [9, 7]);
  log.commit([], [9]);
  assert.is(log.end, nine);
  assert.equal(tokensOf(log.pending()), [7]);
});

/** The log as plain texts: each node is the whole text up to and with it. */
class NaiveLog {
  readonly drafted: number[][] = [];
  constructor(public committed: number[]) {}

  static #isPrefix(a: readonly number[], b: readonly number[]): boolean {
    return a.every((token, i) => token === b[i]);
  }

  isLive(text: readonly number[]): boolean {
    return NaiveLog.#isPrefix(text, this.committed) || NaiveLog.#isPrefix(this.committed, text);
  }

  pending(): number[] {
    let end = this.committed;
    for (;;) {
      const child = this.drafted.find((text) => text.length === end.length + 1 && NaiveLog.#isPrefix(end, text));
      if (!child) return end.slice(this.committed.length);
      end = child;
    }
  }
}

test("TokenLog agrees with a log of plain texts", () => {
  const token = fc.nat(2);
  const operation = fc.oneof(
    { weight: 3, arbitrary: fc.record({ on: fc.nat(1000), token }) },
    { weight: 1, arbitrary: fc.record({ take: fc.nat(4), equal: fc.nat(4), chosen: token }) },
  );
  fc.assert(
    fc.property(
      fc.array(token, { minLength: 1, maxLength: 3 }),
      fc.array(operation, { maxLength: 60 }),
      (prompt, operations) => {
        const log = new TokenLog(prompt);
        const naive = new NaiveLog([...prompt]);
        const nodes: { node: TokenNode; text: number[] }[] = [{ node: log.end, text: [...prompt] }];
        for (const operation of operations) {
          if ("on" in operation) {
            const parent = nodes[nodes.length - 1 - operation.on % nodes.length]!;
            const text = [...parent.text, operation.token];
            nodes.push({ node: log.draft(parent.node, operation.token), text });
            naive.drafted.push(text);
          } else {
            const drafted = tokensOf(log.pending()).slice(0, operation.take);
            const accepted = Math.min(operation.equal, drafted.length);
            const correction = accepted < drafted.length ? (drafted[accepted]! + 1) % 3 : operation.chosen;
            const chosen = [...drafted.slice(0, accepted), correction, ...drafted.slice(accepted).map(() => 0)];
            const batch = log.commit(drafted, chosen);
            assert.equal(batch.map(({ token }) => token), chosen.slice(0, accepted + 1));
            assert.equal(batch.map(({ position }) => position), batch.map((_, i) => naive.committed.length + i));
            naive.committed = [...naive.committed, ...chosen.slice(0, accepted + 1)];
            nodes.push({ node: log.end, text: naive.committed });
          }
          assert.equal(log.committed, naive.committed);
          assert.equal(tokensOf(log.pending()), naive.pending());
          for (const { node, text } of nodes) {
            assert.is(node.token, text.at(-1));
            assert.is(node.position, text.length - 1);
            assert.is(log.isLive(node), naive.isLive(text), `live: ${text}`);
            if (naive.isLive(text)) {
              assert.equal(tokensOf(log.path(node)), text.slice(naive.committed.length), `path: ${text}`);
            }
            let live = text;
            while (!naive.isLive(live)) live = live.slice(0, -1);
            assert.is(log.liveAncestor(node).position, live.length - 1, `live ancestor of ${text}`);
          }
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("a favoured branch is the one that is pending", () => {
  const log = new TokenLog([1]);
  const draft = { confidence: 0.5, runnerUp: 9 };
  const first = log.draft(log.end, 2, draft);
  log.draft(first, 3, draft);
  const second = log.draft(log.end, 4, draft);
  const tokens = () => log.pending().map(({ token }) => token);
  assert.equal(tokens(), [2, 3]);
  log.favour(second);
  assert.equal(tokens(), [4]);
  log.favour(second);
  log.favour(log.end);
  assert.equal(tokens(), [4]);
  log.favour(first);
  assert.equal(tokens(), [2, 3]);
  log.commit([4], [4, 5]);
  log.favour(first);
  assert.equal(tokens(), [], "the dead stay dead");
});

test.run();
