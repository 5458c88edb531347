import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ApiError } from "../../src/serve/api-error.ts";
import { Turns } from "../../src/serve/turns.ts";

/** What a client of the queue does: comes, leaves, or ends its turn. */
type Step = { readonly kind: "come" } | { readonly kind: "leave" | "end"; readonly who: number };

const steps = fc.array(
  fc.oneof(
    fc.constant<Step>({ kind: "come" }),
    fc.record({ kind: fc.constantFrom("leave" as const, "end" as const), who: fc.nat(30) }),
  ),
  { maxLength: 60 },
);

test("whoever comes, leaves and ends: one has the turn, all others in their order, no more wait than may", async () => {
  await fc.assert(fc.asyncProperty(steps, fc.integer({ min: 0, max: 4 }), async (steps, limit) => {
    const turns = new Turns(limit, (ahead) => ahead);
    const clients: { leave: AbortController; end?: () => void; left: boolean; ended: boolean }[] = [];
    /** The clients that wait or run, the oldest first: what the queue has to agree with. */
    const line: number[] = [];
    for (const step of steps) {
      if (step.kind === "come") {
        const who = clients.length;
        const client = { leave: new AbortController(), left: false, ended: false } as typeof clients[number];
        try {
          turns.take(client.leave.signal).then((end) => client.end = end, () => client.left = true);
          assert.ok(line.length <= limit, "more wait than may");
          line.push(who);
          clients.push(client);
        } catch (error) {
          assert.ok(error instanceof ApiError && error.status === 429);
          assert.is(error.headers["retry-after"], `${line.length}`);
          assert.is(line.length, limit + 1);
        }
      } else if (step.kind === "leave" && clients[step.who]) {
        clients[step.who]!.leave.abort(new Error("left"));
        // Who has the turn ends it in its own time.
        if (line.indexOf(step.who) > 0) line.splice(line.indexOf(step.who), 1);
      } else if (step.kind === "end") {
        clients[step.who]?.end?.();
        if (line[0] === step.who) line.shift();
      }
      await Promise.resolve();
      await Promise.resolve();
      assert.is(turns.running, line.length > 0 ? 1 : 0);
      assert.is(turns.waiting, Math.max(0, line.length - 1));
      if (line.length > 0) assert.ok(clients[line[0]!]!.end, "the first has the turn");
      for (const who of line.slice(1)) assert.not(clients[who]!.end, "another has a turn too");
    }
  }));
});

test.run();
