// The command line with models and a dataset by a hub's names, run as a process.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { parquetWriteBuffer } from "hyparquet-writer";
import { assertRefused, command, finish } from "./host.ts";
import { randomModel } from "../random-models.ts";
import { COMMIT, serveHub } from "../hub/hub-server.ts";
import "../untuned.ts";

const cache = await Deno.makeTempDir();
const ask = (content: string) => [{ role: "user", content }, { role: "assistant", content: "b" }];
const rows = ["one", "two", "three"].map((text) => [...ask(text), ...ask(`${text}, again`)]);
const hub = serveHub({
  "verify.gguf": randomModel(),
  "draft.gguf": randomModel({ ropeBase: 2000 }),
  "data/train-00000-of-00001.parquet": new Uint8Array(
    parquetWriteBuffer({ columnData: [{ name: "messages", data: rows, type: "JSON" }] }),
  ),
});

const amusd = (...args: string[]) =>
  finish(command(args, { env: { HF_ENDPOINT: hub.url, HF_HOME: cache, HF_HUB_CACHE: cache, HF_TOKEN: "" } }));

const MODELS = ["--verify-model-path", `${hub.url}/owner/name/blob/main/verify.gguf`]
  .concat("--draft-model-path", "hf://owner/name@v1/draft.gguf");
const DATASET = ["--dataset", "owner/name"];

test("generate takes a conversation's first turn by a hub's name, and a second time without the hub", async () => {
  const args = [...DATASET, "--sample-index", "1", ...MODELS, "--strategy", "amusd", "--max-tokens", "3", "--json"];
  const first = await amusd(...args);
  assert.is(first.code, 0, first.stderr);
  const record = JSON.parse(first.stdout);
  assert.is(
    record.models.verify,
    `${cache}/models--owner--name/snapshots/${COMMIT}/verify.gguf`,
  );
  hub.seen.length = 0;
  const second = await amusd(...args, "--offline");
  assert.is(second.code, 0, second.stderr);
  assert.equal(JSON.parse(second.stdout).tokens, record.tokens);
  assert.equal(JSON.parse(second.stdout).promptTokens, record.promptTokens);
  assert.equal(hub.seen, []);
});

test("benchmark replays all turns", async () => {
  const { code, stdout, stderr } = await amusd(
    "benchmark",
    ...DATASET,
    ...MODELS,
    "--max-tokens",
    "3",
    "--num-samples",
    "2",
  );
  assert.is(code, 0, stderr);
  assert.match(stdout, /\namusd +4 +12 .*yes\n$/);
});

test("what fails is told in a line", async () => {
  for (
    const [args, message, wanted] of [
      [["--dataset", "owner/none"], /^Cannot fetch dataset "owner\/none": there is no such repository /, 1],
      [
        ["--verify-model-path", "hf.co/owner/name:Q4_K"],
        /^Cannot fetch model "hf\.co\/.*": there is no file "Q4_K" in it; /,
        1,
      ],
      [[...DATASET, "--sample-index", "3"], /^Cannot take sample 3: the dataset has 3, wanted 0 to 2\n/, 1],
      [[...DATASET, "--column", "text"], /, or messages in "text"; correct --column\n/, 1],
      [["--column", "text"], /^Cannot take --column by itself: give --dataset too\n/, 2],
      [["benchmark", "--column", "text"], /^Cannot take --column by itself: give --dataset too\n/, 2],
    ] as [string[], RegExp, number][]
  ) {
    assertRefused(await amusd(...args), wanted, message);
  }
});

test.after(async () => {
  await hub[Symbol.asyncDispose]();
  await Deno.remove(cache, { recursive: true });
});

test.run();
