import { test } from "uvu";
import * as assert from "uvu/assert";
import { fetchDataset, fetchModel, type HubOptions } from "../../src/hub/hub.ts";
import { inTempFolder } from "../temp-folder.ts";
import { COMMIT, type Fault, type HubServer, serveHub } from "./hub-server.ts";

const text = (content: string) => new TextEncoder().encode(content);
const WEIGHTS = Uint8Array.from({ length: 3000 }, (_, i) => i * 7);
const ONE = { "README.md": text("# one"), "model-q8.gguf": WEIGHTS };
const OPTIONS: HubOptions = { timeoutMs: 2000 };

for (const name of ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE"]) {
  Deno.env.delete(name);
}
// No token of whoever runs the tests is there.
Deno.env.set("HF_HOME", await Deno.makeTempDir());

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
      /: the cache lacks it \(there is no file "b.gguf" in it; it holds model-q8.gguf\); run once without/,
    );
    assert.equal(hub.seen, []);
  });
});

const indexOf = (...names: string[]) =>
  text(JSON.stringify({ weight_map: Object.fromEntries(names.map((name, i) => [`t${i}`, name])) }));

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
  const files: Record<string, Uint8Array> = Object.fromEntries(
    [...wanted, ...others].map((path) => [path, text(path)]),
  );
  files["model.safetensors.index.json"] = indexOf(
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
  );
  await withHub(files, async () => {
    const folder = await fetchModel("owner/name", OPTIONS);
    assert.equal([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), wanted);
    assert.is(await fetchModel("owner/name", { offline: true }), folder);
    await Deno.remove(`${folder}/${wanted[3]}`);
    assert.match(
      await failure(fetchModel("owner/name", { offline: true })),
      /the cache lacks it \(its index names "model-00002-of-00002\.safetensors", which is not there\)/,
    );
  });
});

test("a split GGUF takes all its parts", async () => {
  const files = {
    "a.gguf": text("a"),
    "q/b-00001-of-00002.gguf": text("b1"),
    "q/b-00002-of-00002.gguf": text("b2"),
  };
  await withHub(files, async (_, cache) => {
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
    assert.match(
      await failure(fetchModel("owner/name", OPTIONS)),
      /it holds no GGUF file, nor config\.json with model\.safetensors; choose another repository$/,
    );
  });
});

test("the token goes to the hub, and not to where it sends on", async () => {
  await withHub(ONE, async (hub) => {
    Deno.env.set("HF_TOKEN", "eyJ.a.b");
    await fetchModel("owner/name", OPTIONS);
    assert.is(hub.seen.length, 4);
    for (const { host, token } of hub.seen) assert.is(token, host === "hub" ? "Bearer eyJ.a.b" : null);
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
    assert.match(await failure(fetchModel("owner/name@v1", OPTIONS)), /answers 429/);
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
  for (const end of [".parquet", ".jsonl", ".jsonl.gz", ".json", "-b42a775f407cee45.parquet"]) {
    const parts = [`data/train-00000-of-00002${end}`, `data/train-00001-of-00002${end}`];
    assert.equal(await fetched(parts), parts);
    assert.equal(await fetched(parts, `owner/name:${parts[1]}`), parts.slice(1));
  }
  assert.equal(await fetched(["x/test/0.jsonl", "y/test.jsonl"], "owner/name:x"), ["x/test/0.jsonl"]);
  assert.match(await failure(fetched(["t-0-of-2.jsonl"])), /: of the 2 parts of "t-0-of-2\.jsonl" only 0 are there$/);
  assert.match(await failure(fetched(["a.jsonl", "b.jsonl"])), /it holds several files: a.jsonl, b.jsonl; name one, /);
});

/** The file that a name is fetched as, from a hub with empty files of these paths. */
async function fetchedOf(paths: readonly string[], name: string): Promise<string> {
  let found = "";
  await withHub(Object.fromEntries(paths.map((path) => [path, text(path)])), async (hub, cache) => {
    const folder = `${cache}/models--owner--name/snapshots/${COMMIT}`;
    found = (await fetchModel(name.replace("HUB", hub.url), OPTIONS)).replace(folder, "").slice(1);
  });
  return found;
}

test("a quantisation is found by its name, in a file or in a folder", async () => {
  const quants = [
    "README.md",
    "BF16/m-BF16-00001-of-00002.gguf",
    "BF16/m-BF16-00002-of-00002.gguf",
    "imatrix-Q4_K_M.gguf",
    "mmproj-m-Q4_K_M.gguf",
    "m-IQ4_XS.gguf",
    "m-Q4_K_L.gguf",
    "m-Q4_K_M.gguf",
    "m-Q6_K.gguf",
    "Q8_0/m-00001-of-00001.gguf",
    "m-f16.gguf",
  ];
  for (
    const [name, file] of [
      ["owner/name", "m-Q4_K_M.gguf"],
      ["owner/name:latest", "m-Q4_K_M.gguf"],
      ["owner/name:Q4_K_M", "m-Q4_K_M.gguf"],
      ["hf.co/owner/name:q6_k", "m-Q6_K.gguf"],
      ["owner/name:IQ4_XS@v1", "m-IQ4_XS.gguf"],
      ["owner/name:F16", "m-f16.gguf"],
      ["owner/name:BF16", "BF16/m-BF16-00001-of-00002.gguf"],
      ["owner/name:Q8_0", "Q8_0/m-00001-of-00001.gguf"],
      ["owner/name:q8_0", "Q8_0/m-00001-of-00001.gguf"],
      ["owner/name:mmproj-m-Q4_K_M.gguf", "mmproj-m-Q4_K_M.gguf"],
      ["HUB/owner/name/resolve/main/m-f16.gguf?download=true", "m-f16.gguf"],
      ["https://huggingface.co/owner/name/tree/v1/BF16", "BF16/m-BF16-00001-of-00002.gguf"],
    ] as const
  ) {
    assert.is(await fetchedOf(quants, name), file, name);
  }
  assert.match(await failure(fetchedOf(quants, "owner/name:Q4_K")), /: there is no file "Q4_K" in it; it holds README/);
  assert.is(await fetchedOf(["a-Q2_K.gguf", "a-Q8_0.gguf"], "owner/name"), "a-Q8_0.gguf");
  assert.is(await fetchedOf(["mmproj-a.gguf", "b.gguf", "c.gguf"], "owner/name"), "b.gguf");
  assert.match(
    await failure(fetchedOf(["pytorch_model.bin"], "owner/name")),
    /model\.safetensors, but "pytorch_model\.bin"; /,
  );
});

test("an index names the files of safetensors, whatever they are called", async () => {
  const files = {
    "config.json": text("{}"),
    "model.safetensors.index.json": indexOf("model-00001-of-000002.safetensors", "weights/last.safetensors"),
    "model-00001-of-000002.safetensors": text("1"),
    "weights/last.safetensors": text("2"),
    "model-00002-of-000002.safetensors": text("not named"),
  };
  await withHub(files, async () => {
    const folder = await fetchModel("owner/name", OPTIONS);
    assert.is(await Deno.readTextFile(`${folder}/weights/last.safetensors`), "2");
    assert.equal([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [
      "config.json",
      "model-00001-of-000002.safetensors",
      "model.safetensors.index.json",
      "weights",
    ]);
    // A file of the model means the model.
    assert.is(await fetchModel("owner/name:model-00001-of-000002.safetensors", OPTIONS), folder);
    assert.is(await fetchModel("owner/name", { offline: true }), folder);
  });
  for (const index of ["{", "[]", "{}", '{"weight_map": {"a": 1}}', '{"weight_map": {"a": "../x"}}']) {
    await withHub({ ...files, "model.safetensors.index.json": text(index) }, async () => {
      assert.match(
        await failure(fetchModel("owner/name", OPTIONS)),
        /is no index of safetensors|its index names "\.\.\/x"/,
      );
    });
  }
});

test("HF_HUB_OFFLINE is a promise: no request is made", async () => {
  await withHub(ONE, async (hub) => {
    const file = await fetchModel("owner/name", OPTIONS);
    hub.seen.length = 0;
    Deno.env.set("HF_HUB_OFFLINE", "yes");
    try {
      assert.is(await fetchModel("owner/name", OPTIONS), file);
      assert.match(await failure(fetchModel("owner/other", OPTIONS)), /: it is not in the cache; .* HF_HUB_OFFLINE$/);
      assert.match(await failure(fetchModel(`${hub.url}/x.gguf`, OPTIONS)), /: it is not in the cache; /);
    } finally {
      Deno.env.delete("HF_HUB_OFFLINE");
    }
    assert.equal(hub.seen, []);
  });
});

/** The lines that are written to stderr while `body` runs. */
async function notesOf(body: () => Promise<void>): Promise<string[]> {
  const lines: string[] = [];
  const { error } = console;
  console.error = (line: string) => lines.push(line);
  try {
    await body();
  } finally {
    console.error = error;
  }
  return lines;
}

test("where the hub is down the cache serves, with one line", async () => {
  await withHub(ONE, async (hub) => {
    const file = await fetchModel("owner/name", OPTIONS);
    const served = async () => {
      const notes = await notesOf(async () => assert.is(await fetchModel("owner/name", { timeoutMs: 200 }), file));
      assert.is(notes.length, 1);
      return notes[0]!;
    };
    for (const status of [500, 503, 429]) {
      hub.fault = answers(status);
      assert.match(await served(), /^Taking model "owner\/name" from the cache: the hub at .* answers \d+/);
    }
    hub.fault = () => new Response("<html>");
    assert.match(await served(), /: the hub at .* sends an answer in a form that is not the hub's$/);
    let release = () => {};
    const end = new Promise<Response>((resolve) => release = () => resolve(new Response()));
    hub.fault = () => end;
    assert.match(await served(), /: the hub at .* does not answer within 0\.2 s$/);
    release();
    // A refusal is an answer, and an abort is the user's.
    hub.fault = answers(404);
    assert.match(await failure(fetchModel("owner/name", OPTIONS)), /no such repository/);
    const abort = AbortSignal.abort(new Error("enough"));
    assert.is(await failure(fetchModel("owner/name", { ...OPTIONS, signal: abort })), "enough");
    await hub[Symbol.asyncDispose]();
    assert.match(await served(), /: the hub at .* can't be reached \(.+\)$/);
    Deno.env.set("HF_ENDPOINT", "http://no-such-host.invalid");
    assert.match(await served(), /: the hub at http:\/\/no-such-host\.invalid can't be reached \(.+\)$/);
  });
});

test("a cache that huggingface_hub wrote is read", async () => {
  await withHub({}, async (_, cache) => {
    // What its hf_hub_download leaves (file_download.py): blobs by ETag, links to them, refs, and what wasn't there.
    const folder = `${cache}/models--owner--name`;
    for (const sub of ["blobs", "refs", `snapshots/${COMMIT}/q`, `.no_exist/${COMMIT}`]) {
      await Deno.mkdir(`${folder}/${sub}`, { recursive: true });
    }
    await Deno.writeTextFile(`${folder}/refs/main`, COMMIT);
    await Deno.writeTextFile(`${folder}/.no_exist/${COMMIT}/adapter_config.json`, "");
    await Deno.writeTextFile(`${folder}/blobs/aaaa`, "weights");
    await Deno.writeTextFile(`${folder}/blobs/bbbb.1234.incomplete`, "half");
    const link = `${folder}/snapshots/${COMMIT}/q/m-Q4_K_M.gguf`;
    await Deno.symlink("../../../blobs/aaaa", link).catch(() => Deno.writeTextFile(link, "weights"));
    assert.is(await fetchModel("owner/name", { offline: true }), link);
    assert.is(await fetchModel(`owner/name:q4_k_m@${COMMIT}`, { offline: true }), link);
    assert.is(await Deno.readTextFile(link), "weights");
  });
});

test("file:// addresses are paths; other schemes are refused", async () => {
  assert.is(await fetchModel("file:///no/such%20file.gguf"), "/no/such file.gguf");
  assert.equal(await fetchDataset("file:///no/such.jsonl"), ["/no/such.jsonl"]);
  assert.match(
    await failure(fetchModel("s3://bucket/x.gguf")),
    /: it is no address that can be fetched; give one of https/,
  );
  assert.match(await failure(fetchModel("hf://datasets/a/b")), /: it is a dataset's, wanted a model's$/);
});

/** Serves files at plain addresses, with ETags and from any byte on; `seen` has the requests. */
function serveFiles(files: Record<string, Uint8Array<ArrayBuffer>>) {
  const seen: { path: string; range: string | null; token: string | null }[] = [];
  const state = { cutAt: Infinity, status: 0, etag: '"1"' };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url, headers }) => {
    const { pathname } = new URL(url);
    const range = headers.get("Range");
    seen.push({ path: pathname, range, token: headers.get("Authorization") });
    const bytes = files[pathname];
    if (state.status !== 0 || !bytes) return new Response(null, { status: state.status || 404 });
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "") ?? [];
    const isValid = from !== undefined && [null, state.etag].includes(headers.get("If-Range"));
    const [start, end] = isValid ? [Number(from), to ? Number(to) + 1 : bytes.length] : [0, bytes.length];
    const init = new Headers({ ETag: state.etag });
    if (isValid) init.set("Content-Range", `bytes ${start}-${end - 1}/${bytes.length}`);
    const part = bytes.slice(start, end);
    if (part.length <= state.cutAt) return new Response(part, { status: isValid ? 206 : 200, headers: init });
    const body = new ReadableStream({
      async start(controller) {
        controller.enqueue(part.slice(0, state.cutAt));
        await new Promise((resolve) => setTimeout(resolve, 50));
        controller.error(new Error("cut"));
      },
    });
    return new Response(body, { status: isValid ? 206 : 200, headers: init });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    seen,
    state,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

test("a file at a plain address is fetched, resumed, and asked for anew when it changed", () =>
  inTempFolder(async (cache) => {
    const before = Deno.env.get("XDG_CACHE_HOME");
    Deno.env.set("XDG_CACHE_HOME", cache);
    Deno.env.set("LOCALAPPDATA", cache);
    Deno.env.set("HF_TOKEN", "secret");
    const files = { "/m/x%20y.gguf": WEIGHTS, "/m/p-1-of-2.gguf": text("one"), "/m/p-2-of-2.gguf": text("two") };
    await using server = serveFiles(files as Record<string, Uint8Array<ArrayBuffer>>);
    try {
      const name = `${server.url}/m/x%20y.gguf?download=true`;
      server.state.cutAt = 1200;
      assert.match(await failure(fetchModel(name, OPTIONS)), /broke off after 1200 of 3000 bytes; run again /);
      server.state.cutAt = Infinity;
      const file = await fetchModel(name, OPTIONS);
      assert.equal(server.seen.map(({ range }) => range), ["bytes=0-0", null, "bytes=0-0", "bytes=1200-"]);
      assert.equal(server.seen.map(({ token }) => token), [null, null, null, null]);
      assert.match(file, /x y\.gguf$/);
      assert.equal(await Deno.readFile(file), WEIGHTS);
      server.seen.length = 0;
      assert.is(await fetchModel(name, OPTIONS), file);
      assert.is(server.seen.length, 1);
      assert.is(await fetchModel(name, { offline: true }), file);
      server.state.status = 503;
      assert.is((await notesOf(async () => assert.is(await fetchModel(name, OPTIONS), file))).length, 1);
      server.state.status = 403;
      assert.match(await failure(fetchModel(name, OPTIONS)), /answers 403; check the address$/);
      server.state.status = 0;
      server.state.etag = '"2"';
      files["/m/x%20y.gguf"] = text("other");
      assert.is(await Deno.readTextFile(await fetchModel(name, OPTIONS)), "other");
      const first = await fetchModel(`${server.url}/m/p-2-of-2.gguf`, OPTIONS);
      assert.is(await Deno.readTextFile(first), "one");
      assert.is(await Deno.readTextFile(first.replace("p-1", "p-2")), "two");
    } finally {
      Deno.env.delete("HF_TOKEN");
      before === undefined ? Deno.env.delete("XDG_CACHE_HOME") : Deno.env.set("XDG_CACHE_HOME", before);
    }
  }));

test.run();
