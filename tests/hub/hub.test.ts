import { test } from "uvu";
import * as assert from "uvu/assert";
import { fetchDataset, fetchModel, type HubOptions } from "../../src/hub/hub.ts";
import { COMMIT, type Fault, type HubServer, serveHub } from "./hub-server.ts";

const text = (content: string) => new TextEncoder().encode(content);
const WEIGHTS = Uint8Array.from({ length: 3000 }, (_, i) => i * 7);
const ONE = { "README.md": text("# one"), "model-q8.gguf": WEIGHTS };
const OPTIONS: HubOptions = { timeoutMs: 2000 };

for (const name of ["HF_TOKEN", "HF_HOME", "HUGGINGFACE_HUB_CACHE"]) Deno.env.delete(name);

/** Runs with a hub and an empty cache. */
async function withHub(
  files: Record<string, Uint8Array>,
  body: (hub: HubServer, cache: string) => Promise<void>,
): Promise<void> {
  const cache = await Deno.makeTempDir();
  await using hub = serveHub(files);
  Deno.env.set("HF_ENDPOINT", hub.url + "/");
  Deno.env.set("HF_HUB_CACHE", cache);
  try {
    await body(hub, cache);
  } finally {
    Deno.env.delete("HF_TOKEN");
    await Deno.remove(cache, { recursive: true });
  }
}

async function failure(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(() => null, (error) => error);
  assert.instance(error, Error);
  assert.not.match(error.message, "\n");
  return error.message;
}

test("a local path wins over a name", async () => {
  await withHub(ONE, async (hub) => {
    assert.is(await fetchModel("src/hub", OPTIONS), "src/hub");
    assert.is(await fetchModel("no/such.gguf", OPTIONS), "no/such.gguf");
    assert.equal(await fetchDataset("no/such/file.jsonl", OPTIONS), ["no/such/file.jsonl"]);
    assert.equal(hub.seen, []);
  });
});

test("the only GGUF is fetched into the cache that Python's huggingface_hub shares", async () => {
  await withHub(ONE, async (hub, cache) => {
    const shown: unknown[] = [];
    const file = await fetchModel("owner/name", { ...OPTIONS, onProgress: (...all) => shown.push(all) });
    const folder = `${cache}/models--owner--name`;
    assert.is(file, `${folder}/snapshots/${COMMIT}/model-q8.gguf`);
    assert.equal(await Deno.readFile(file), WEIGHTS);
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", WEIGHTS)).toHex();
    assert.is(await Deno.readLink(file), `../../blobs/${hash}`);
    assert.is(await Deno.readTextFile(`${folder}/refs/main`), COMMIT);
    assert.equal((await Array.fromAsync(Deno.readDir(`${folder}/blobs`))).map(({ name }) => name), [hash]);
    assert.equal(shown.at(-1), ["model-q8.gguf", 3000, 3000]);

    hub.seen.length = 0;
    const { ino } = await Deno.lstat(file);
    assert.is(await fetchModel("owner/name", OPTIONS), file);
    assert.is((await Deno.lstat(file)).ino, ino, "the link stays as it is");
    assert.equal(hub.seen.map(({ path }) => path.split("/")[5]), ["revision", "tree"]);
    hub.seen.length = 0;
    assert.is(await fetchModel("owner/name", { offline: true }), file);
    assert.is(await fetchModel(`owner/name:model-q8.gguf@${COMMIT}`, { offline: true }), file);
    assert.equal(hub.seen, []);
  });
});

test("offline, what the cache doesn't hold is told", async () => {
  await withHub(ONE, async (hub) => {
    const offline = { offline: true };
    assert.match(
      await failure(fetchModel("owner/name", offline)),
      /^Cannot fetch model "owner\/name": it is not in the cache; /,
    );
    await fetchModel("owner/name", OPTIONS);
    hub.seen.length = 0;
    assert.match(await failure(fetchModel("owner/name@v1", offline)), /: it is not in the cache; /);
    assert.match(
      await failure(fetchModel("owner/name:b.gguf", offline)),
      /: "b.gguf" is not in the cache; run once without/,
    );
    assert.equal(hub.seen, []);
  });
});

test("safetensors come with what describes them, all their parts, and nothing else", async () => {
  const wanted = [
    "config.json",
    "generation_config.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
  ];
  const others = ["README.md", "a.gguf", "consolidated.safetensors", "onnx/model.onnx", "pytorch_model.bin"];
  const files = Object.fromEntries([...wanted, ...others].map((path) => [path, text(path)]));
  await withHub(files, async () => {
    const folder = await fetchModel("owner/name", OPTIONS);
    assert.equal([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), wanted);
    assert.is(await fetchModel("owner/name", { offline: true }), folder);
    await Deno.remove(`${folder}/${wanted[3]}`);
    assert.match(
      await failure(fetchModel("owner/name", { offline: true })),
      /"model-00002-of-00002\.safetensors" is not in the cache/,
    );
  });
});

test("of several GGUFs one is to be named; a split one takes all its parts", async () => {
  const files = {
    "a.gguf": text("a"),
    "q/b-00001-of-00002.gguf": text("b1"),
    "q/b-00002-of-00002.gguf": text("b2"),
  };
  await withHub(files, async (_, cache) => {
    assert.is(
      await failure(fetchModel("owner/name", OPTIONS)),
      'Cannot fetch model "owner/name": it holds several files: a.gguf, q/b-00001-of-00002.gguf; ' +
        "name one, as owner/name:a.gguf",
    );
    const file = await fetchModel("owner/name:q/b-00002-of-00002.gguf@v1", OPTIONS);
    const folder = `${cache}/models--owner--name/snapshots/${COMMIT}/q`;
    assert.is(file, `${folder}/b-00001-of-00002.gguf`);
    assert.is(await Deno.readTextFile(`${folder}/b-00002-of-00002.gguf`), "b2");
    assert.match(
      await failure(fetchModel("owner/name:c.gguf", OPTIONS)),
      /there is no file "c.gguf" in it; it holds a.gguf, /,
    );
  });
  await withHub({ "README.md": text("") }, async () => {
    assert.match(await failure(fetchModel("owner/name", OPTIONS)), /it holds no GGUF file or safetensors; /);
  });
});

test("the token goes to the hub, and not to where it sends on", async () => {
  await withHub(ONE, async (hub) => {
    Deno.env.set("HF_TOKEN", "hf_secret");
    await fetchModel("owner/name", OPTIONS);
    assert.is(hub.seen.length, 4);
    for (const { host, token } of hub.seen) assert.is(token, host === "hub" ? "Bearer hf_secret" : null);
    Deno.env.set("HF_TOKEN", "secret");
    assert.match(await failure(fetchModel("owner/name", OPTIONS)), /HF_TOKEN is no token, which begins with "hf_"; /);
  });
});

for (const fault of ["cut", "stall"] as const) {
  test(`after a ${fault} body a rerun goes on where it stopped`, async () => {
    await withHub(ONE, async (hub, cache) => {
      hub.fault = ({ host }) => host === "storage" ? fault : null;
      const options = { timeoutMs: 300 };
      assert.is(
        await failure(fetchModel("owner/name", options)),
        'Cannot fetch model "owner/name": the download broke off after 1500 of 3000 bytes; ' +
          "run again to go on from there",
      );
      assert.match(await failure(fetchModel("owner/name", { offline: true })), /not in the cache/);
      hub.fault = () => null;
      const file = await fetchModel("owner/name", options);
      assert.is(hub.seen.at(-1)!.range, "bytes=1500-");
      assert.equal(await Deno.readFile(file), WEIGHTS);
      assert.is([...Deno.readDirSync(`${cache}/models--owner--name/blobs`)].length, 1);
    });
  });
}

const answers = (status: number, headers: HeadersInit = {}): Fault => () => new Response("{}", { status, headers });

test("a mistake of the program's own is not told as the hub's", async () => {
  await withHub(ONE, async () => {
    const mistaken = (): never => {
      throw new TypeError("x is not a function");
    };
    const fetch = async () => Object.defineProperty(new Response("{}"), "headers", { get: mistaken });
    assert.is(
      await failure(fetchModel("owner/name", { ...OPTIONS, fetch })),
      'Cannot fetch model "owner/name": x is not a function',
    );
  });
});

for (
  const [what, name, fault, message] of [
    [
      "401",
      "owner/name",
      answers(401),
      /answers 401: .* or it is private or gated; .*, accept the licence at .*\/owner\/name, and set HF_TOKEN /,
    ],
    ["403", "owner/name", answers(403), /answers 403: .* set HF_TOKEN /],
    [
      "404 for the name",
      "owner/other",
      () => null,
      /there is no such repository on .*, nor a local file of that name; check the name$/,
    ],
    ["404 for the revision", "owner/name@v9", () => null, /there is no such revision on /],
    [
      "429",
      "owner/name",
      answers(429, { "Retry-After": "600" }),
      /answers 429, too many requests; wait 600 s and run again/,
    ],
    ["429 and no time", "owner/name", answers(429), /answers 429, too many requests; wait a few minutes and run again/],
    ["500", "owner/name", answers(500), /answers 500; run again later$/],
    [
      "what is no JSON",
      "owner/name",
      () => new Response("<html>"),
      /sends an answer in a form that is not the hub's; check HF_ENDPOINT$/,
    ],
    ["JSON of another form", "owner/name", () => Response.json({ sha: "../x" }), /sends a commit in a form /],
    ["silence", "owner/name", () => new Promise(() => {}), /does not answer within 0\.3 s; check the network, /],
    [
      "a list that leads out of the cache",
      "owner/name",
      ({ path }) =>
        path.includes("/tree/")
          ? Response.json([{ type: "file", path: "../../x.gguf", size: 1, oid: "0".repeat(40) }])
          : null,
      /the hub names a file "\.\.\/\.\.\/x\.gguf"; report it/,
    ],
  ] as [string, string, Fault, RegExp][]
) {
  test(`a hub that answers ${what} is told`, async () => {
    await withHub(ONE, async (hub, cache) => {
      let release = () => {};
      const end = new Promise<Response>((resolve) => release = () => resolve(new Response()));
      hub.fault = (seen) => what === "silence" ? end : fault(seen);
      const told = await failure(fetchModel(name, { timeoutMs: 300 }));
      release();
      assert.match(told, message);
      assert.ok(told.startsWith(`Cannot fetch model "${name}": `));
      assert.equal([...Deno.readDirSync(cache)], []);
    });
  });
}

test("a short Retry-After is waited for, once", async () => {
  await withHub(ONE, async (hub) => {
    let asked = 0;
    hub.fault = () => asked++ === 0 ? new Response(null, { status: 429, headers: { "Retry-After": "0" } }) : null;
    await fetchModel("owner/name", OPTIONS);
    hub.fault = answers(429, { "Retry-After": "0" });
    hub.seen.length = 0;
    assert.match(await failure(fetchModel("owner/name", OPTIONS)), /answers 429/);
    assert.is(hub.seen.length, 2);
  });
});

test("a hub that refuses, or has no such address, is told", async () => {
  await withHub(ONE, async (hub) => {
    await hub[Symbol.asyncDispose]();
    assert.match(
      await failure(fetchModel("owner/name", OPTIONS)),
      /can't be reached \(.+\); check the network, run again, or use --offline$/,
    );
    Deno.env.set("HF_ENDPOINT", "hub");
    assert.match(await failure(fetchModel("owner/name", OPTIONS)), /HF_ENDPOINT is "hub", a URL is wanted; /);
  });
});

test("a dataset's split test is preferred, then train, and parquet", async () => {
  const all = ["README.md", "dataset_infos.json", "a/train-00000.jsonl", "b/test.jsonl", "b/test.parquet"];
  const fetched = async (names: string[], name = "owner/name") => {
    let found: string[] = [];
    await withHub(Object.fromEntries(names.map((path) => [path, text(path)])), async (_, cache) => {
      const folder = `${cache}/datasets--owner--name/snapshots/${COMMIT}/`;
      found = (await fetchDataset(name, OPTIONS)).map((path) => path.replace(folder, ""));
    });
    return found;
  };
  assert.equal(await fetched(all), ["b/test.parquet"]);
  assert.equal(await fetched(all.slice(0, 4)), ["b/test.jsonl"]);
  assert.equal(await fetched(all.slice(0, 3)), ["a/train-00000.jsonl"]);
  assert.equal(await fetched(all, "owner/name:b/test.jsonl"), ["b/test.jsonl"]);
  assert.equal(await fetched(["raw/question.jsonl"]), ["raw/question.jsonl"]);
  // The parts of datasets count from 0, those of models from 1.
  const parts = ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"];
  assert.equal(await fetched(parts), parts);
  assert.match(await failure(fetched(["a.jsonl", "b.jsonl"])), /it holds several files: a.jsonl, b.jsonl; name one, /);
});

test.run();
