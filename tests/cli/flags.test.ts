import { test } from "uvu";
import * as assert from "uvu/assert";
import { joinLists, ownNames } from "../../src/cli/flags.ts";

test("a list of arguments is one argument", () => {
  const join = (line: string) => joinLists(line.split(" "), "--strategies").join(" ");
  assert.is(join("benchmark --strategies greedy sd amusd --seed 2"), "benchmark --strategies greedy,sd,amusd --seed 2");
  assert.is(join("benchmark --strategies sd,amusd"), "benchmark --strategies sd,amusd");
  assert.is(join("--prompt a b --strategies --json"), "--prompt a b --strategies --json");
});

test("a flag is known by the name that peers have for it", () => {
  const own = (line: string) => ownNames(line.split(" ")).join(" ");
  assert.is(own("benchmark --max-new-tokens 5 --json"), "benchmark --max-tokens 5 --json");
  assert.is(own("--max-new-tokens=5"), "--max-tokens=5");
  assert.is(own("--prompt max-new-tokens --max-tokens 5"), "--prompt max-new-tokens --max-tokens 5");
});

test.run();
