import { test } from "uvu";
import * as assert from "uvu/assert";
import * as platform from "../../src/platform/platform.ts";
import { inTempFolder } from "../temp-folder.ts";

const onLinux = Deno.build.os === "linux" ? test : test.skip;
if (Deno.build.os !== "linux") console.log("skipped: noise of native code is kept from stderr on Linux alone");
const onUnix = Deno.build.os === "windows" ? test.skip : test;
if (Deno.build.os === "windows") console.log("skipped: Windows has no right to run a file");

const bytes = (text: string) => new TextEncoder().encode(text);

test("a file is replaced whole or not at all, and nothing else is left", () =>
  inTempFolder(async (folder) => {
    const file = platform.joinPath(folder, "a", "b", "c.json");
    await platform.replaceFile(file, bytes("one"));
    const link = platform.joinPath(folder, "link");
    await Deno.link(file, link);
    await platform.replaceFile(file, bytes("two"));
    assert.is(await Deno.readTextFile(file), "two");
    assert.is(await Deno.readTextFile(link), "one", "the old file was not written to");
    assert.equal(await platform.listFolder(platform.folderOf(file)), ["c.json"]);
    const taken = platform.joinPath(folder, "taken");
    await platform.writeFile(platform.joinPath(taken, "x"), bytes(""));
    const error = await platform.replaceFile(taken, bytes("a folder is in the way")).catch((error) => error);
    assert.instance(error, Error);
    assert.equal((await platform.listFolder(folder))!.sort(), ["a", "link", "taken"]);
  }));

test("files below a folder are listed and measured; what is not there counts as nothing", () =>
  inTempFolder(async (folder) => {
    const files = ["a", "b/c", "b/d/e"].map((name) => platform.joinPath(folder, ...name.split("/")));
    for (const file of files) await platform.writeFile(file, bytes("1234"));
    assert.equal((await platform.listFiles(folder)).sort(), files);
    assert.is(await platform.folderBytes(folder), 12);
    assert.is(await platform.isFile(files[0]!), true);
    assert.is(await platform.isFile(folder), false);
    assert.is(await platform.listFolder(files[0]!), null);
    const gone = platform.joinPath(folder, "gone");
    assert.equal([await platform.folderBytes(gone), await platform.isFile(gone)], [0, false]);
    await platform.removeFolder(gone);
  }));

test("a file's age is told in ms", () =>
  inTempFolder(async (folder) => {
    const hourAgo = new Date(Date.now() - 3600 * 1000);
    Deno.utimeSync(folder, hourAgo, hourAgo);
    const age = await platform.ageMs(folder);
    assert.ok(age >= 3600 * 1000 - 1000 && age < 3660 * 1000, `${age} ms`);
    assert.is(await platform.ageMs(platform.joinPath(folder, "gone")), Infinity);
  }));

test("a command's status, output and environment are its own", async () => {
  const script = 'console.log(Deno.env.get("AMUSD_TEST")); console.error("why"); Deno.exit(3);';
  const argv = [Deno.execPath(), "eval", script];
  const { status, stdout, stderr } = await platform.runCommand(argv, { AMUSD_TEST: "here", NO_COLOR: "1" });
  assert.equal([status, stdout.trim(), stderr.trim()], [3, "here", "why"]);
  assert.is(platform.getEnv("AMUSD_TEST"), undefined);
  assert.is((await platform.runCommand(["amusd-no-such-command"])).status, "ENOENT");
});

onUnix(
  "a command is found where PATH has it and it may be run",
  () =>
    inTempFolder(async (folder) => {
      const before = platform.getEnv("PATH");
      platform.setEnv("PATH", `${folder}/none:${folder}`);
      try {
        await Deno.writeTextFile(`${folder}/tool`, "", { mode: 0o644 });
        assert.is(platform.findCommand("tool"), false);
        await Deno.chmod(`${folder}/tool`, 0o755);
        assert.is(platform.findCommand("tool"), true);
        assert.is(platform.findCommand("other"), false);
      } finally {
        platform.setEnv("PATH", before);
      }
    }),
);

test("a hash is SHA-256 in hexadecimal", () => {
  // The example of FIPS 180-4 for the message "abc".
  const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  assert.is(platform.sha256("abc"), abc);
  assert.is(platform.sha256(bytes("abc")), abc);
});

onLinux("the cache folder follows XDG_CACHE_HOME on Linux", () => {
  const before = platform.getEnv("XDG_CACHE_HOME");
  try {
    platform.setEnv("XDG_CACHE_HOME", "/x");
    assert.is(platform.cacheFolder(), "/x/amusd");
    platform.setEnv("XDG_CACHE_HOME", "");
    assert.match(platform.cacheFolder(), /\/\.cache\/amusd$/);
  } finally {
    platform.setEnv("XDG_CACHE_HOME", before);
  }
});

onLinux("lines of native code that match are kept from stderr, and the result comes", async () => {
  const script = `
    import { withoutNoise } from ${JSON.stringify(import.meta.resolve("../../src/platform/platform.ts"))};
    const libc = Deno.dlopen("libc.so.6", { write: { parameters: ["i32", "buffer", "usize"], result: "isize" } });
    const say = (line) => libc.symbols.write(2, new TextEncoder().encode(line), BigInt(line.length));
    const result = withoutNoise(/^noise.*\\n/gm, () => {
      for (const line of ["noise 1\\n", "an error\\n", "noise 2\\n"]) say(line);
      return 7;
    });
    say("noise after\\n");
    console.log(result);`;
  const { status, stdout, stderr } = await platform.runCommand([Deno.execPath(), "eval", "--quiet", script]);
  assert.equal([status, stdout, stderr], [0, "7\n", "an error\nnoise after\n"]);
});

test("a library that is none is told", () =>
  inTempFolder(async (folder) => {
    await platform.writeFile(platform.joinPath(folder, "lib.so"), bytes("no library"));
    assert.throws(() => platform.preloadLibrary(platform.joinPath(folder, "lib.so")));
  }));

test.run();
