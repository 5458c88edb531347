// load() as a program calls it: names on a hub, adapters, an abort, and options that are wrong. engine.test.ts has the
// files that can't be loaded.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Engine, listAdapters, load, type LoadOptions, type LoadProgress } from "../../mod.ts";
import { serveHub } from "../hub/hub-server.ts";
import { randomModel } from "../random-models.ts";
import "../untuned.ts";

const folder = await Deno.makeTempDir();
const verify = `${folder}/verify.gguf`;
const draft = `${folder}/draft.gguf`;
Deno.writeFileSync(verify, randomModel());
Deno.writeFileSync(draft, randomModel({ ropeBase: 2000 }));

async function errorOf(promise: Promise<unknown>): Promise<Error> {
  const error: unknown = await promise.then(() => null, (error) => error);
  assert.instance(error, Error);
  return error as Error;
}

async function textOf(engine: Engine): Promise<string> {
  return (await engine.generate("The", { raw: true, maxTokens: 8 })).text;
}

test("a name on a hub is fetched into the cache, once, with progress, and writes what the file writes", async () => {
  const bytes = Deno.readFileSync(verify);
  await using hub = serveHub({ "model.gguf": bytes });
  Deno.env.set("HF_ENDPOINT", hub.url);
  Deno.env.set("HF_HUB_CACHE", `${folder}/cache`);
  await using local = await load({ verify, context: 64 });
  const wanted = await textOf(local);
  const steps: LoadProgress[] = [];
  {
    await using engine = await load({ verify: "owner/name", context: 64, onProgress: (step) => steps.push(step) });
    assert.is(await textOf(engine), wanted);
  }
  const fetched = steps.filter(({ step }) => step === "fetch");
  assert.equal(fetched.at(-1), { step: "fetch", file: "model.gguf", done: bytes.length, total: bytes.length });
  assert.equal(steps.slice(fetched.length).map(({ step }) => step), steps.slice(fetched.length).map(() => "load"));
  const asked = hub.seen.length;
  await using again = await load({ verify: "owner/name:model.gguf", context: 64, offline: true });
  assert.is(await textOf(again), wanted);
  assert.is(hub.seen.length, asked, "no request");
});

test("an abort ends a download, and the loading of weights, with the signal's reason", async () => {
  await using hub = serveHub({ "model.gguf": Deno.readFileSync(verify) });
  Deno.env.set("HF_ENDPOINT", hub.url);
  Deno.env.set("HF_HUB_CACHE", `${folder}/empty`);
  hub.fault = ({ host }) => host === "storage" ? "stall" : null;
  const reason = new Error("enough");
  const cases: LoadOptions[] = [{ verify: "owner/name" }, { verify, draft }];
  for (const options of cases) {
    const abort = new AbortController();
    const loading = load({ ...options, signal: abort.signal, onProgress: () => abort.abort(reason) });
    assert.is(await errorOf(loading), reason);
  }
  const { name } = await errorOf(load({ verify, signal: AbortSignal.abort() }));
  assert.is(name, "AbortError");
});

test("a device is meant by its index, a part of its name, or as listAdapters() gave it", async () => {
  const adapters = await listAdapters();
  const { index, name } = adapters[0]!;
  const shown = JSON.parse(JSON.stringify(adapters[0]));
  for (const device of [index, `${index}`, name.slice(0, 5).toLowerCase(), adapters[0]!, shown]) {
    await using engine = await load({ verify, verifyDevice: device, context: 64 });
    assert.is(engine.devices.verify, name);
    assert.equal(engine.adapters.verify, adapters[0]);
  }
  const gone = { ...adapters[0]!, name: "gone" };
  const cases = [[9, /^Cannot use device "9": no adapter/], [gone, /^Cannot use device "gone": no adapter/]] as const;
  for (const [verifyDevice, message] of cases) {
    const error = await errorOf(load({ verify, verifyDevice }));
    assert.instance(error, RangeError);
    assert.match(error.message, message);
  }
});

test("the context may follow from the prompt, once the model's file is open", async () => {
  await using engine = await load({ verify, context: (codec) => codec.encode("The end", { raw: true }).length + 10 });
  assert.is(engine.context, engine.codec.encode("The end", { raw: true }).length + 10);
  assert.is((await engine.generate("The end", { raw: true })).finishReason, "context");
});

test("options out of range are refused before anything is opened", async () => {
  const cases: [Partial<LoadOptions>, ErrorConstructor, RegExp][] = [
    [
      { drafter: "other" as "ngram" },
      RangeError,
      /^Cannot use "other" as drafter: there are model, ngram, model\+ngram/,
    ],
    [{ kvCache: "q8" as "f16" }, RangeError, /^Cannot use "q8" as KV cache: there are f16, f32$/],
    [{ drafter: "model" }, TypeError, /^Cannot draft by a model: there is none; give one as draft, or another drafter/],
    [{ draftVocabulary: 0 }, RangeError, /^Cannot draft with a vocabulary of 0: a whole number of 1 or more/],
  ];
  for (const [options, type, message] of cases) {
    const error = await errorOf(load({ verify: "never opened", ...options }));
    assert.instance(error, type);
    assert.match(error.message, message);
  }
});

test("with another drafter a draft model is not even opened", async () => {
  await using engine = await load({ verify, draft: "never opened", drafter: "none", context: 64 });
  assert.not(engine.drafts);
  assert.equal(engine.models, { verify });
});

test.after(async () => await Deno.remove(folder, { recursive: true }));

test.run();
