// Packs the GPU kit, for a machine with a GPU and without network: `deno task gpu:pack [FOLDER]`, on Linux on x64, with
// npm. It writes into FOLDER (default: results/gpu-kit)
//
// - amusd-gpu-kit.tar, at most 60 MB: Deno, a Vulkan loader, this project with Dawn and the other packages that it
//   needs, and llama.cpp's Vulkan build;
// - amusd-gpu-models-N.tar, at most 60 MB each: the embedded pair in pieces.
//
// README.md beside this file says how they are used.

import { cp, mkdir, open, readdir, rm, stat, symlink } from "node:fs/promises";
import path from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { provideSwiftShader } from "../../src/gpu/drivers/swiftshader.ts";
import { installPeer, PEER_FOLDER } from "../peer.ts";

const root = new URL("../../", import.meta.url).pathname;
/** The largest archive, in bytes: what a machine takes in one transfer. */
const MOST_BYTES = 60e6;
/** The project's parts that measuring needs. */
const PROJECT = ["cli.ts", "mod.ts", "deno.json", "deno.lock", "package.json", "src", "bench", "tests"];
/** Packages that nothing in the kit loads: they draw pictures, reach a hub or a server, read datasets, or are types. */
const NEEDLESS = /^(vega|d3-|topojson|@fontsource|@resvg|@types|@huggingface\+(tasks|hub|blake3)|hyparquet|openai)/;
/** llama.cpp's libraries that this machine or an older one may load, out of one for each generation of CPUs. */
const LLAMA_CPP = /^(llama-addon\.node|lib(llama|ggml)(?!-cpu).*|libggml-cpu-(x64|haswell|skylakex)\.so|_.*\.json)$/;

async function run(command: string, ...args: string[]): Promise<void> {
  const { success } = await new Deno.Command(command, { args, stdin: "null" }).spawn().status;
  if (!success) throw new Error(`Cannot pack: ${command} failed, see above`);
}

/** Copies a folder but for what `skips` names by its path in there. */
async function copy(from: string, to: string, skips: (name: string) => boolean = () => false): Promise<void> {
  await cp(from, to, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !skips(path.relative(from, source)),
  });
}

async function packProject(kit: string): Promise<void> {
  const project = path.join(kit, "amusd");
  await mkdir(project, { recursive: true });
  for (const name of PROJECT) {
    await copy(path.join(root, name), path.join(project, name), (file) => /(^|\/)node_modules$/.test(file));
  }
  // All packages are there: Deno shall look for none of those that were left out.
  const config = JSON.parse(await Deno.readTextFile(path.join(project, "deno.json")));
  await Deno.writeTextFile(
    path.join(project, "deno.json"),
    JSON.stringify({ ...config, nodeModulesDir: "manual", lock: false }),
  );
  await copy(path.join(root, "node_modules"), path.join(project, "node_modules"), (file) => {
    const [, name] = /^\.deno\/([^/]+)/.exec(file) ?? [];
    return (name !== undefined && NEEDLESS.test(name)) ||
      /\/webgpu\/dist\/(?!linux-x64)[^/]+$/.test(file) || /\.(d\.[cm]?ts|map)$/.test(file);
  });
}

async function packPeer(kit: string): Promise<void> {
  await installPeer();
  const folder = path.join(kit, "amusd/bench/llama-cpp/node_modules");
  await copy(path.join(PEER_FOLDER, "node_modules"), folder, (file) =>
    // Sources, templates and the builds for other processors and for the CPU alone are 40 MB.
    /^node-llama-cpp\/(llama|templates)(\/|$)/.test(file) && !/^node-llama-cpp\/llama(\/[^/]*\.json)?$/.test(file) ||
    /^@node-llama-cpp\/linux-x64(\/|$)/.test(file) ||
    /^@node-llama-cpp\/[^/]+\/bins\/[^/]+\//.test(file) && !LLAMA_CPP.test(path.basename(file)) ||
    /\.(d\.[cm]?ts|map|md)$/.test(file));
}

async function packLoader(kit: string): Promise<void> {
  // SwiftShader's package has a Vulkan loader that needs nothing but the C library.
  const { environment } = await provideSwiftShader();
  const loader = path.join(path.dirname(environment.VK_DRIVER_FILES!), "libvulkan.so.1");
  await mkdir(path.join(kit, "lib"));
  await cp(loader, path.join(kit, "lib/libvulkan.so.1"));
}

/**
 * Makes the one archive. A bare machine has tar and gzip, and not always xz: so Deno is packed by gzip, and all else,
 * which would be too large so, by Brotli, for Deno to unpack.
 */
async function packKit(kit: string, archive: string): Promise<void> {
  const rest = `${kit}.tar`;
  await run("tar", "-C", kit, "-cf", rest, "amusd", "lib");
  await rm(kit, { recursive: true });
  await mkdir(kit);
  const bytes = await Deno.readFile(rest);
  await rm(rest);
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  await Deno.writeFile(path.join(kit, "kit.tar.br"), brotliCompressSync(bytes, { params }));
  await cp(Deno.execPath(), path.join(kit, "deno"));
  await run("gzip", "-9", path.join(kit, "deno"));
  await cp(path.join(root, "bench/gpu/run.sh"), path.join(kit, "run.sh"));
  await run("tar", "-C", path.dirname(kit), "-cf", archive, path.basename(kit));
  await rm(kit, { recursive: true });
}

/** Cuts the models into pieces that fit an archive each; run.sh puts them together again. */
async function packModels(folder: string): Promise<string[]> {
  const archives: string[] = [];
  const piece = path.join(folder, "models");
  const pieceBytes = MOST_BYTES - 1e6;
  for (const name of (await readdir(path.join(root, "models"))).filter((name) => name.endsWith(".gguf"))) {
    const file = await open(path.join(root, "models", name));
    const { size } = await file.stat();
    for (let at = 0, i = 0; at < size; at += pieceBytes, i++) {
      await rm(piece, { recursive: true, force: true });
      await mkdir(piece);
      const bytes = new Uint8Array(Math.min(pieceBytes, size - at));
      await file.read(bytes, 0, bytes.length, at);
      await Deno.writeFile(path.join(piece, `${name}.${i}`), bytes);
      archives.push(path.join(folder, `amusd-gpu-models-${archives.length + 1}.tar`));
      await run("tar", "-C", folder, "-cf", archives.at(-1)!, "models");
    }
    await file.close();
  }
  await rm(piece, { recursive: true, force: true });
  return archives;
}

if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
  throw new Error("Cannot pack the GPU kit: it is for Linux on x64, and packed there");
}
const folder = path.resolve(Deno.args[0] ?? path.join(root, "results/gpu-kit"));
const kit = path.join(folder, "amusd-gpu-kit");
await rm(kit, { recursive: true, force: true });
await mkdir(kit, { recursive: true });
await packProject(kit);
await packPeer(kit);
await packLoader(kit);
await symlink("../../models", path.join(kit, "amusd/models"));
console.error("packing (some minutes)");
const archive = path.join(folder, "amusd-gpu-kit.tar");
await packKit(kit, archive);
for (const file of [archive, ...await packModels(folder)]) {
  const { size } = await stat(file);
  if (size > MOST_BYTES) throw new Error(`Cannot ship ${file}: it has ${size} bytes, at most ${MOST_BYTES} are wanted`);
  console.log(`${(size / 1e6).toFixed(1)} MB  ${file}`);
}
