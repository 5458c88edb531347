import { brotliCompressSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { adapterNames, requestAdapter } from "../../src/gpu/dawn.ts";
import { preloadLibrary, readFile, runCommand, system } from "../../src/gpu/platform.ts";
import { provideSoftwareAdapter } from "../../src/gpu/software-adapter.ts";

const CONFIG = new URL("../../deno.json", import.meta.url).pathname;
const FILES = ["libvk_swiftshader.so", "libvulkan.so.1", "vk_swiftshader_icd.json"];

const ONE_LINE = /^Cannot put a software adapter into "[^"\n]+": [^\n]+; install a Vulkan driver [^\n]+$/;

function tar(files: Record<string, Uint8Array>): Uint8Array {
  const blocks = Object.entries(files).flatMap(([name, bytes]) => {
    const header = new Uint8Array(512);
    new TextEncoder().encodeInto(name, header);
    new TextEncoder().encodeInto(bytes.length.toString(8).padStart(11, "0"), header.subarray(124));
    header[156] = 48;
    return [header, bytes, new Uint8Array((512 - bytes.length % 512) % 512)];
  });
  return new Uint8Array(Buffer.concat([...blocks, new Uint8Array(1024)]));
}

function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

/** Runs `run` with a cache folder of its own and gives the lines it wrote to stderr. */
async function withCache(run: (cache: string) => Promise<void>): Promise<string[]> {
  const cache = await Deno.makeTempDir();
  const lines: string[] = [];
  const original = console.error;
  console.error = (line) => lines.push(line);
  try {
    await run(cache);
  } finally {
    console.error = original;
    await Deno.remove(cache, { recursive: true });
  }
  return lines;
}

// The real one, by way of the registry: once, into a cache of its own.
const real = await Deno.makeTempDir();
const provided = system === "linux-x64" ? await provideSoftwareAdapter({ cache: real }).catch((error) => error) : null;
if (provided instanceof Error) console.log(`skipped, there is no registry: ${provided.message}`);
const ready = provided !== null && !(provided instanceof Error);
const withReal = ready ? test : test.skip;
const folder = `${real}/swiftshader-147.0.0`;
const archive = ready
  ? brotliCompressSync(
    tar(Object.fromEntries(
      await Promise.all(FILES.map(async (name) => [name, await readFile(`${folder}/${name}`)])),
    )),
    { params: { 1: 1 } },
  )
  : new Uint8Array();

withReal("SwiftShader comes from the registry and Dawn takes it", async () => {
  assert.equal(names(real), ["swiftshader-147.0.0"], "nothing else is left behind");
  assert.equal(names(folder), FILES);
  const { environment } = provided;
  const [only, ...others] = await adapterNames("high-performance", environment);
  assert.match(only!.name, "SwiftShader");
  assert.equal(others, []);
  const gpu = await (await requestAdapter({ environment }))!.requestDevice();
  gpu.destroy();
});

withReal("what is in the cache is not fetched again", async () => {
  const again = await provideSoftwareAdapter({ cache: real, fetchArchive: () => Promise.reject(new Error("fetched")) });
  assert.equal(again, provided);
});

withReal("several at once put it in place, each with a line on stderr", async () => {
  const lines = await withCache(async (cache) => {
    const one = () => provideSoftwareAdapter({ cache, fetchArchive: () => Promise.resolve(archive) });
    const [first, ...others] = await Promise.all([one(), one(), one()]);
    for (const other of others) assert.equal(other, first);
    assert.equal(names(cache), ["swiftshader-147.0.0"]);
    assert.equal(names(`${cache}/swiftshader-147.0.0`), FILES);
  });
  assert.is(lines.length, 3);
  for (const line of lines) assert.match(line, /^No Vulkan driver .* SwiftShader [^\n]+$/);
});

withReal("what another process has put in place meanwhile is left alone", async () => {
  await withCache(async (cache) => {
    let before: number | null = null;
    const fetchArchive = async () => {
      await provideSoftwareAdapter({ cache, fetchArchive: () => Promise.resolve(archive) });
      before = Deno.statSync(`${cache}/swiftshader-147.0.0`).ino;
      return archive;
    };
    await provideSoftwareAdapter({ cache, fetchArchive });
    assert.is(Deno.statSync(`${cache}/swiftshader-147.0.0`).ino, before);
  });
});

withReal("a broken cache is mended", async () => {
  for (const [name, content] of [["libvk_swiftshader.so", "cut short"], ["libvulkan.so.1", ""]] as const) {
    await withCache(async (cache) => {
      const options = { cache, fetchArchive: () => Promise.resolve(archive) };
      await provideSoftwareAdapter(options);
      const file = `${cache}/swiftshader-147.0.0/${name}`;
      Deno.writeTextFileSync(file, content);
      await provideSoftwareAdapter(options);
      assert.equal(Deno.readFileSync(file), Deno.readFileSync(`${folder}/${name}`));
    });
  }
});

test("an archive that is not the pinned one leaves nothing behind and is one line", async () => {
  const good = Object.fromEntries(FILES.map((name) => [name, new Uint8Array(600)]));
  const [missing, ...rest] = FILES;
  const wrong: [string, () => Promise<Uint8Array>][] = [
    ["SHA-256", () => Promise.resolve(brotliCompressSync(tar(good)))],
    [`no ${missing}`, () => Promise.resolve(brotliCompressSync(tar({ [rest[0]!]: new Uint8Array(1) })))],
    ["cut short", () => Promise.resolve(brotliCompressSync(tar(good).subarray(0, 1100)))],
    ["", () => Promise.resolve(new Uint8Array([1, 2, 3]))],
    ["registry.test is gone", () => Promise.reject(new Error("registry.test is gone\nmore lines"))],
  ];
  for (const [reason, fetchArchive] of wrong) {
    await withCache(async (cache) => {
      const error = await provideSoftwareAdapter({ cache, fetchArchive }).catch((e) => e);
      assert.instance(error, Error);
      assert.match(error.message, ONE_LINE);
      assert.match(error.message, reason);
      assert.equal(names(cache), []);
    });
  }
});

test("a cache folder that cannot be made is one line", async () => {
  await withCache(async (cache) => {
    Deno.writeTextFileSync(`${cache}/file`, "");
    const error = await provideSoftwareAdapter({ cache: `${cache}/file/x` }).catch((e) => e);
    assert.match(error.message, ONE_LINE);
  });
});

/** Lists and opens adapters in a process of its own. */
async function list(env: Record<string, string>): Promise<string> {
  const script = `
    import { listAdapters, openDevice } from ${JSON.stringify(import.meta.resolve("../../src/gpu/adapters.ts"))};
    const adapters = await listAdapters();
    const { gpu } = await openDevice({ adapter: adapters[0], label: "verify" });
    console.log(adapters.map(({ name }) => name).join());
    gpu.destroy();`;
  const { status, stdout, stderr } = await runCommand([
    Deno.execPath(),
    "eval",
    "--no-lock",
    "--config",
    CONFIG,
    script,
  ], env);
  assert.is(status, 0, stderr);
  return stdout.trim();
}

const NO_DRIVER = { VK_DRIVER_FILES: "nothing.json", VK_ICD_FILENAMES: "nothing.json" };

withReal("without a Vulkan driver or a loader adapters are listed and opened on SwiftShader", async () => {
  const home = await Deno.makeTempDir();
  // Deno's own cache does not move with XDG_CACHE_HOME.
  const { denoDir } = JSON.parse((await runCommand([Deno.execPath(), "info", "--json"])).stdout);
  const env = { XDG_CACHE_HOME: home, DENO_DIR: denoDir };
  Deno.mkdirSync(`${home}/amusd`);
  Deno.renameSync(folder, `${home}/amusd/swiftshader-147.0.0`);
  try {
    assert.match(await list({ ...env, ...NO_DRIVER }), /^SwiftShader[^,]*$/);
    // A file that is no library stands before the machine's Vulkan loader.
    const loaders = `${home}/no-loader`;
    Deno.mkdirSync(loaders);
    Deno.writeTextFileSync(`${loaders}/libvulkan.so.1`, "");
    assert.match(await list({ ...env, LD_LIBRARY_PATH: loaders }), /^SwiftShader[^,]*$/);
  } finally {
    Deno.renameSync(`${home}/amusd/swiftshader-147.0.0`, folder);
    Deno.removeSync(home, { recursive: true });
  }
});

withReal("a library that is none is told", () => {
  assert.throws(() => preloadLibrary(`${folder}/vk_swiftshader_icd.json`));
  preloadLibrary(provided.loader);
});

test("the temporary cache is taken away", () => Deno.remove(real, { recursive: true }));

test.run();
