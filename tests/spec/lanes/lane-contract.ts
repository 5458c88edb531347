import { suite } from "uvu";
import * as assert from "uvu/assert";
import { countAccepted, type Lane, MAX_ROWS } from "../../../src/spec/lanes/lane.ts";

/** What the suite needs to know of a lane. */
export interface LaneContractOptions {
  /** MAX_ROWS + 8 or more tokens of the model's vocabulary; the lane has room for at least twice as many. */
  readonly tokens: readonly number[];
  /** Gives `body` a lane, fresh or used but not closed, and frees what `body` left open. */
  readonly withLane: (body: (lane: Lane) => Promise<void>) => Promise<void>;
  /** Whether it only drafts: then it refuses `verifyNext`. */
  readonly onlyDrafts?: boolean;
  /** Whether it saves texts; true if not given. */
  readonly saves?: boolean;
}

async function rejects(message: () => Promise<unknown>, type: typeof Error): Promise<void> {
  try {
    await message();
  } catch (error) {
    assert.instance(error, type);
    return;
  }
  assert.unreachable(`wanted a ${type.name}`);
}

/**
 * What every lane has to do, whatever its model and device: registers a uvu suite of that name and runs it. The model's
 * choices are not known here, so they are held against each other.
 */
export function laneContract(
  name: string,
  { tokens, withLane, onlyDrafts = false, saves = true }: LaneContractOptions,
): void {
  const test = suite(`lane contract: ${name}`);
  const promptLength = tokens.length - MAX_ROWS;
  const prompt = tokens.slice(0, promptLength);
  const rows = tokens.slice(promptLength);
  const steps = 6;
  const check = (title: string, body: (lane: Lane) => Promise<void>) => test(title, () => withLane(body));

  /** The tokens chosen from `token` on, after the prompt, one message a step. */
  const stepByStep = async (lane: Lane, token: number): Promise<number[]> => {
    const chosen: number[] = [];
    for (let i = 0; i < steps; i++) {
      chosen.push(...(await lane.decode(chosen.at(-1) ?? token, promptLength + i, 1)).tokens);
    }
    return chosen;
  };

  check("says how it wants to be used", async (lane) => {
    assert.ok(lane.name.length > 0);
    assert.ok(lane.stepsAhead >= 1 && Number.isInteger(lane.stepsAhead));
    assert.ok(lane.capacity >= 2 * tokens.length, `capacity ${lane.capacity}`);
    assert.equal((await lane.prefill(prompt, 0)).tokens, [], "a prefill chooses nothing");
  });

  check("decodes the same in one message, chained, step by step, and as verified rows", async (lane) => {
    await lane.prefill(prompt, 0);
    const single = await stepByStep(lane, rows[0]!);
    const { tokens: atOnce } = await lane.decode(rows[0]!, promptLength, steps);
    assert.equal(atOnce, single, "one message");

    const chain = [lane.decode(rows[0]!, promptLength, 1)];
    for (let i = 1; i < steps; i++) chain.push(lane.decode(null, promptLength + i, 1));
    assert.equal((await Promise.all(chain)).flatMap(({ tokens }) => tokens), single, "chained");

    const { tokens: verified } = await lane.verify([rows[0]!, ...single.slice(0, -1)], promptLength);
    assert.equal(verified, single, "rows");

    const [head, tail] = await Promise.all([
      lane.verify([rows[0]!, ...single.slice(0, 1)], promptLength),
      lane.decode(null, promptLength + 2, steps - 2),
    ]);
    assert.equal([...head.tokens, ...tail.tokens], single, "chained on a verification");
  });

  check("verifies behind a verification that it has not answered yet, whatever that accepts", async (lane) => {
    await lane.prefill(prompt, 0);
    if (onlyDrafts) {
      await lane.verify(rows.slice(0, 1), promptLength);
      return rejects(() => lane.verifyNext([], promptLength + 1), RangeError);
    }
    const text = [rows[0]!, ...await stepByStep(lane, rows[0]!)];
    const wrong = (at: number) => tokens.find((token) => token !== text[at])!;
    for (const drafts of [0, 1, 3]) {
      for (let accepted = 0; accepted <= drafts; accepted++) {
        const fed = [
          ...text.slice(0, accepted + 1),
          ...text.slice(accepted + 1, drafts + 1).map(() => wrong(accepted + 1)),
        ];
        const [at, most] = [promptLength + accepted + 1, promptLength + drafts + 1];
        const drafted = [...text.slice(accepted + 2, accepted + 3), wrong(accepted + 3), text.at(-1)!];
        const [first, next, last] = await Promise.all([
          lane.verify(fed, promptLength),
          lane.verifyNext(drafted, most),
          lane.verifyNext([], most + drafted.length + 1),
        ]);
        const what = `${accepted} of ${drafts} accepted`;
        assert.is(first.tokens[accepted], text[accepted + 1], what);
        const second = await lane.verify([text[accepted + 1]!, ...drafted], at);
        assert.equal([next.tokens, next.confidences], [second.tokens, second.confidences], what);
        const right = countAccepted([text[accepted + 1]!, ...drafted], second.tokens);
        const third = await lane.verify([second.tokens[right]!], at + right + 1);
        assert.equal([last.tokens, last.confidences], [third.tokens, third.confidences], `${what}, then ${right}`);
      }
    }
    await rejects(() => lane.verifyNext(Array(MAX_ROWS).fill(0), promptLength + 2), RangeError);
    await lane.decode(rows[0]!, promptLength, 1);
    await rejects(() => lane.verifyNext([], promptLength + 1), RangeError);
    await lane.prefill(prompt, 0);
    await rejects(() => lane.verifyNext([], promptLength), RangeError);
  });

  check("chooses the same after a row, alone or among others", async (lane) => {
    await lane.prefill(prompt, 0);
    const alone: number[] = [];
    for (const [i, row] of rows.entries()) alone.push(...(await lane.verify([row], promptLength + i)).tokens);
    for (const count of [2, 3, 5, MAX_ROWS]) {
      const { tokens } = await lane.verify(rows.slice(0, count), promptLength);
      assert.equal(tokens, alone.slice(0, count), `${count} rows`);
    }
  });

  check("forgets what it was fed at and above a position that is fed again", async (lane) => {
    await lane.prefill(prompt, 0);
    const fresh = await stepByStep(lane, rows[0]!);
    await lane.verify(rows.toReversed(), promptLength);
    assert.equal(await stepByStep(lane, rows[0]!), fresh, "cut to the prompt");
    await lane.verify(rows.toReversed(), promptLength + 2);
    const { tokens } = await lane.decode(fresh[1]!, promptLength + 2, steps - 2);
    assert.equal(tokens, fresh.slice(2), "cut to a decoded token");
    await rejects(() => lane.decode(rows[0]!, promptLength + steps + 1, 1), RangeError);
  });

  check("says of each chosen token how sure it is of it, and its second choice", async (lane) => {
    const prefilled = await lane.prefill(prompt, 0);
    assert.equal([prefilled.confidences, prefilled.runnersUp], [[], []]);
    const verified = await lane.verify(rows, promptLength);
    const decoded = await lane.decode(rows[0]!, promptLength, steps);
    for (const { tokens, confidences, runnersUp } of [verified, decoded]) {
      assert.is(confidences.length, tokens.length);
      assert.is(runnersUp.length, tokens.length);
      for (const [i, confidence] of confidences.entries()) {
        assert.ok(confidence > 0 && confidence <= 1, `a confidence of ${confidence}`);
        assert.is.not(runnersUp[i], tokens[i]);
      }
    }
    assert.is(decoded.confidences[0], verified.confidences[0], "the same, alone or among others");
    assert.is(decoded.runnersUp[0], verified.runnersUp[0]);
  });

  check("decodes a branch beside the main sequence as it decodes that, and keeps it", async (lane) => {
    if (lane.branchCapacity === 0) {
      await lane.prefill(prompt, 0);
      return rejects(() => lane.keep(promptLength, 1), RangeError);
    }
    assert.ok(lane.branchCapacity >= steps, `room for ${lane.branchCapacity} on a branch`);
    await lane.prefill(prompt, 0);
    // The main sequence's own text from the prompt on, and that of a branch one token later.
    const fork = promptLength + 1;
    const branched = await lane.prefill(rows.slice(0, 1), promptLength).then(() => lane.decode(rows[2]!, fork, steps));
    const main = await stepByStep(lane, rows[0]!);

    const first = await lane.decode(rows[2]!, fork, 1, fork);
    assert.equal(first.tokens, branched.tokens.slice(0, 1));
    assert.equal(first.confidences, branched.confidences.slice(0, 1), "the same bits in the branch slots");
    const again = await lane.decode(main.at(-1)!, promptLength + steps, 1);
    assert.equal((await lane.decode(main.at(-2)!, promptLength + steps - 1, 1)).tokens, main.slice(-1));
    assert.is(again.tokens.length, 1, "the main sequence goes on between");
    const rest = await Promise.all([
      lane.decode(first.tokens[0]!, fork + 1, 2, fork),
      lane.decode(null, fork + 3, steps - 3, fork),
    ]);
    assert.equal(rest.flatMap(({ tokens }) => tokens), branched.tokens.slice(1), "chained");

    await lane.keep(fork, 3);
    const kept = await lane.decode(branched.tokens[2]!, fork + 3, steps - 3);
    assert.equal(kept.tokens, branched.tokens.slice(3), "the branch is the main sequence");

    // Another branch takes its slots.
    const { tokens: other } = await lane.decode(rows[3]!, promptLength, 2, promptLength);
    await lane.keep(promptLength, 2);
    assert.equal((await lane.decode(rows[3]!, promptLength, 2)).tokens, other);
  });

  check("refuses a branch that isn't there or has no room, and goes on as before", async (lane) => {
    if (lane.branchCapacity === 0) return;
    await lane.prefill(prompt, 0);
    await rejects(() => lane.decode(rows[0]!, promptLength + 1, 1, promptLength + 1), RangeError);
    await rejects(() => lane.decode(rows[0]!, promptLength, lane.branchCapacity + 1, promptLength), RangeError);
    await rejects(() => lane.decode(rows[0]!, promptLength, 0, promptLength), RangeError);
    await rejects(() => lane.decode(rows[0]!, promptLength - 1, 1, promptLength), RangeError);
    const { tokens } = await lane.decode(rows[0]!, promptLength, 2, promptLength);
    await rejects(() => lane.decode(rows[0]!, promptLength + 3, 1, promptLength), RangeError);
    await rejects(() => lane.decode(rows[0]!, promptLength + 1, 1, promptLength - 1), RangeError);
    await rejects(() => lane.keep(promptLength, 3), RangeError);
    await rejects(() => lane.keep(promptLength - 1, 1), RangeError);
    await rejects(() => lane.keep(promptLength, 0), RangeError);
    await lane.keep(promptLength, 2);
    assert.equal((await lane.decode(rows[0]!, promptLength, 2)).tokens, tokens);
    await lane.decode(rows[0]!, promptLength, 2, promptLength);
    await lane.verify([rows[0]!], promptLength - 1);
    await rejects(() => lane.keep(promptLength, 2), RangeError);
  });

  check(
    "saves a text beside its cache, and goes on from the whole of it or a part as from one that it was fed",
    async (lane) => {
      await lane.prefill(prompt, 0);
      if (!saves) return assert.is(await lane.save(1), null);
      await rejects(() => lane.save(promptLength + 1), RangeError);
      await rejects(() => lane.save(0), RangeError);
      const text = [rows[0]!, ...await stepByStep(lane, rows[0]!)];
      const saved = (await lane.save(promptLength + steps))!;
      assert.is(saved.length, promptLength + steps);
      const goOn = async (count: number) => {
        const token = count < promptLength ? prompt[count]! : text[count - promptLength]!;
        const { tokens, confidences } = await lane.decode(token, count, 2);
        return { tokens, confidences };
      };
      const lengths = [promptLength + steps, promptLength + 2, promptLength, promptLength - 3, 1];
      const fed = [];
      for (const count of lengths) {
        await lane.prefill([...prompt, ...text].slice(0, count), 0);
        fed.push(await goOn(count));
      }
      await lane.prefill(tokens.toReversed(), 0);
      const other = await lane.save(tokens.length);
      for (const [i, count] of lengths.entries()) {
        const [restored, answer] = await Promise.all([saved.restore(count), goOn(count)]);
        assert.equal([restored.tokens, answer], [[], fed[i]!], `${count} restored`);
        await rejects(() => lane.verify([rows[0]!], count + 3), RangeError);
      }
      await rejects(() => saved.restore(promptLength + steps + 1), RangeError);
      await rejects(() => saved.restore(0), RangeError);
      saved.free();
      await lane.prefill(tokens.toReversed(), 0);
      const reversed = await lane.decode(rows[0]!, tokens.length, 1);
      await lane.prefill(prompt, 0);
      await other!.restore(tokens.length);
      assert.equal((await lane.decode(rows[0]!, tokens.length, 1)).confidences, reversed.confidences);
      other!.free();
    },
  );

  check("settles messages in their order, with device times that do not run backwards", async (lane) => {
    const order: number[] = [];
    const results = await Promise.all(
      [
        lane.prefill(prompt, 0),
        lane.verify(rows, promptLength),
        lane.decode(rows[0]!, promptLength, 3),
        lane.decode(null, promptLength + 3, 1),
        lane.verify(rows.slice(0, 1), promptLength),
      ].map((message, i) =>
        message.then((result) => {
          order.push(i);
          return result;
        })
      ),
    );
    assert.equal(order, [0, 1, 2, 3, 4]);
    assert.equal(results.map(({ tokens }) => tokens.length), [0, rows.length, 3, 1, 1]);
    let lastMs = -Infinity;
    for (const { startMs, endMs } of results) {
      assert.ok(startMs >= lastMs && endMs >= startMs, `${startMs} to ${endMs} after ${lastMs}`);
      lastMs = startMs;
    }
  });

  check("refuses what doesn't fit, and goes on as before", async (lane) => {
    await lane.prefill(prompt, 0);
    const fresh = await stepByStep(lane, rows[0]!);
    const tooMany = new Array<number>(lane.capacity + 1).fill(rows[0]!);
    const length = promptLength + steps;
    await rejects(() => lane.prefill(rows, length + 1), RangeError);
    await rejects(() => lane.prefill(tooMany, 0), RangeError);
    await rejects(() => lane.verify([rows[0]!], length + 1), RangeError);
    await rejects(() => lane.verify([rows[0]!], -1), RangeError);
    await rejects(() => lane.verify([], length), RangeError);
    await rejects(() => lane.verify(tooMany.slice(0, MAX_ROWS + 1), 0), RangeError);
    await rejects(() => lane.decode(rows[0]!, length + 1, 1), RangeError);
    await rejects(() => lane.decode(rows[0]!, length, 0), RangeError);
    await rejects(() => lane.decode(rows[0]!, length, lane.capacity - length + 1), RangeError);
    const { tokens } = await lane.decode(fresh.at(-2)!, length - 1, 1);
    assert.equal(tokens, fresh.slice(-1), "the cache is as it was");
  });

  check("drains", async (lane) => {
    let settled = 0;
    const count = () => {
      settled++;
    };
    lane.prefill(prompt, 0).then(count);
    lane.verify(rows, promptLength).then(count);
    await lane.drain();
    assert.is(settled, 2);
    lane.decode(rows[0]!, promptLength, 2).then(count);
    lane.decode(null, promptLength + 2, 1).then(count);
    await Promise.all([lane.drain(), lane.drain()]);
    assert.is(settled, 4);
    await lane.drain();
  });

  check("finishes what was sent when closed, and rejects what comes later", async (lane) => {
    const prefilled = lane.prefill(prompt, 0);
    const verified = lane.verify(rows, promptLength);
    const closed = lane.close();
    await rejects(() => lane.decode(rows[0]!, promptLength, 1), Error);
    await closed;
    await prefilled;
    assert.is((await verified).tokens.length, rows.length);
    await rejects(() => lane.prefill(prompt, 0), Error);
    await rejects(() => lane.verify([rows[0]!], 0), Error);
    if (saves) await rejects(() => lane.save(1), Error);
    await lane.drain();
    await lane.close();
  });

  test.run();
}
