// Each architecture as folder and as GGUF, against transformers (tests/goldens/architectures.json).

import { test } from "uvu";
import * as assert from "uvu/assert";
import { type LlamaConfig, llamaConfig } from "../../src/checkpoint/config.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openModelFile } from "../../src/engine/model-pair.ts";
import { ReferenceLlama } from "../llama/reference-llama.ts";
import { openBytes } from "./gguf-builder.ts";
import { CHECKPOINTS, randomFolder, randomGguf, VOCABULARY } from "./random-checkpoint.ts";
import { writeFolder } from "./safetensors-builder.ts";

interface Golden {
  readonly tokens: readonly number[];
  /** Every ninth logit, by the position. */
  readonly logits: Readonly<Record<string, readonly number[]>>;
  readonly answer: readonly number[];
  readonly margins: readonly number[];
}

const path = new URL("../goldens/architectures.json", import.meta.url);
const { cases } = JSON.parse(await Deno.readTextFile(path)) as { cases: Record<string, Golden> };
/** transformers computes in float32, with frequencies of RoPE in float32; logits are of the order of 5. */
const TOLERANCE = 2e-4;

const temp = await Deno.makeTempDir();

/** All bytes of each tensor. */
async function bytesOf({ tensors }: Checkpoint): Promise<Map<string, Uint8Array>> {
  const entries = [...tensors].map(async ([name, { source, offset, bytes }]) =>
    [name, await source.read(offset, bytes)] as const
  );
  return new Map((await Promise.all(entries)).sort());
}

/** A config without the name, which a folder and a file have from elsewhere. */
const nameless = (config: LlamaConfig) => ({ ...config, name: "" });

assert.equal(Object.keys(cases), CHECKPOINTS.map(({ name }) => name).sort());
for (const model of CHECKPOINTS) {
  const { tokens, logits, answer, margins } = cases[model.name]!;

  test(`${model.name}: the folder's logits and tokens are those of transformers`, async () => {
    const { checkpoint, config } = await openModelFile(await writeFolder(`${temp}/${model.name}`, randomFolder(model)));
    const all = (await ReferenceLlama.load(checkpoint)).logits([...tokens, ...answer.slice(0, -1)]);
    for (const [position, wanted] of Object.entries(logits)) {
      wanted.forEach((value, i) => {
        const got = all[Number(position)]![i * 9]!;
        assert.ok(Math.abs(got - value) < TOLERANCE, `logit ${i * 9} at ${position}: got ${got}, wanted ${value}`);
      });
    }
    answer.forEach((token, i) => {
      const row = all[tokens.length - 1 + i]!;
      if (margins[i]! > 0.01) assert.is(row.indexOf(Math.max(...row)), token, `token ${i}`);
    });
    assert.is(config.vocabulary, VOCABULARY);

    const gguf = randomGguf(model);
    if (gguf) {
      const other = await openBytes(gguf);
      assert.equal(nameless(await llamaConfig(other)), nameless(config), "the GGUF's config");
      assert.equal(await bytesOf(other), await bytesOf(checkpoint), "the GGUF's tensors");
    }
    await checkpoint.close();
  });
}

test.after(() => Deno.removeSync(temp, { recursive: true }));

test.run();
