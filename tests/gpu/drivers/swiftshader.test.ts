import { brotliCompressSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { adapterNames, requestAdapter } from "../../../src/gpu/dawn.ts";
import { preloadLibrary, readFile, system } from "../../../src/platform/platform.ts";
import { provideSwiftShader } from "../../../src/gpu/drivers/swiftshader.ts";
import { listedIn, names, withCache } from "./driver-cache.ts";

const FILES = ["libvk_swiftshader.so", "libvulkan.so.1", "vk_swiftshader_icd.json"];

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

// This is the real SwiftShader, which is fetched from the registry once, into a cache folder of these tests' own.
const real = await Deno.makeTempDir();
const provided = system === "linux-x64" ? await provideSwiftShader({ cache: real }).catch((error) => error) : null;
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
  const { environment, libraries } = provided;
  libraries.forEach(preloadLibrary);
  const [only, ...others] = await adapterNames("high-performance", environment);
  assert.match(only!.name, "SwiftShader");
  assert.equal(others, []);
  const gpu = await (await requestAdapter({ environment }))!.requestDevice();
  gpu.destroy();
});

withReal("what is in the cache is not fetched again", async () => {
  const again = await provideSwiftShader({ cache: real, fetchArchive: () => Promise.reject(new Error("fetched")) });
  assert.equal(again, provided);
});

withReal("several at once put it in place, each with a line on stderr", async () => {
  const lines = await withCache(async (cache) => {
    const one = () => provideSwiftShader({ cache, fetchArchive: () => Promise.resolve(archive) });
    const [first, ...others] = await Promise.all([one(), one(), one()]);
    for (const other of others) assert.equal(other, first);
    assert.equal(names(cache), ["swiftshader-147.0.0"]);
    assert.equal(names(`${cache}/swiftshader-147.0.0`), FILES);
  });
  assert.is(lines.length, 3);
  for (const line of lines) assert.match(line, /^Getting SwiftShader, [^\n]+$/);
});

withReal("a broken cache is mended", async () => {
  for (const [name, content] of [["libvk_swiftshader.so", "cut short"], ["libvulkan.so.1", ""]] as const) {
    await withCache(async (cache) => {
      const options = { cache, fetchArchive: () => Promise.resolve(archive) };
      await provideSwiftShader(options);
      const file = `${cache}/swiftshader-147.0.0/${name}`;
      Deno.writeTextFileSync(file, content);
      await provideSwiftShader(options);
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
      const error = await provideSwiftShader({ cache, fetchArchive }).catch((e) => e);
      assert.instance(error, Error);
      assert.match(error.message, reason);
      assert.equal(names(cache), []);
    });
  }
});

test("a cache folder that cannot be made is one line", async () => {
  await withCache(async (cache) => {
    Deno.writeTextFileSync(`${cache}/file`, "");
    const error = await provideSwiftShader({ cache: `${cache}/file/x` }).catch((e) => e);
    assert.match(error.message, /^[^\n]*ENOTDIR[^\n]*$/);
  });
});

withReal("SwiftShader is listed and opened, with a loader of this machine's or without", async () => {
  const home = await Deno.makeTempDir();
  const variables = { XDG_CACHE_HOME: home, AMUSD_VULKAN_DRIVER: "swiftshader" };
  Deno.mkdirSync(`${home}/amusd`);
  Deno.renameSync(folder, `${home}/amusd/swiftshader-147.0.0`);
  try {
    // A file that is no library stands before the machine's Vulkan loader.
    const loaders = `${home}/no-loader`;
    Deno.mkdirSync(loaders);
    Deno.writeTextFileSync(`${loaders}/libvulkan.so.1`, "");
    for (const loader of [{}, { LD_LIBRARY_PATH: loaders }] as Record<string, string>[]) {
      const { list, stderr } = await listedIn({ ...variables, ...loader });
      assert.match(list, /^SwiftShader[^,]*$/);
      assert.is(stderr, "");
    }
  } finally {
    Deno.renameSync(`${home}/amusd/swiftshader-147.0.0`, folder);
    Deno.removeSync(home, { recursive: true });
  }
});

test("the temporary cache is taken away", () => Deno.remove(real, { recursive: true }));

test.run();
