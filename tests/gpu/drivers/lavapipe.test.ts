import { test } from "uvu";
import * as assert from "uvu/assert";
import { backportsSource, provideLavapipe } from "../../../src/gpu/drivers/lavapipe.ts";
import { type CommandResult, type runCommand, system } from "../../../src/platform/platform.ts";
import { elfLibrary } from "./elf-builder.ts";
import { listedIn, names, withCache } from "./driver-cache.ts";

const isLinux = Deno.build.os === "linux";
const onLinux = isLinux ? test : test.skip;
if (!isLinux) console.log("skipped: lavapipe is put in place on Linux alone");

const LIB = "usr/lib/any";
/** The files of each package. The library `b` needs `a`, which the driver names after `b`. */
const PACKAGES: Readonly<Record<string, Readonly<Record<string, Uint8Array>>>> = {
  "libc6_2.41_amd64.deb": { [`${LIB}/libc.so.6`]: elfLibrary("libc.so.6") },
  "libthings_1%3a2_amd64.deb": {
    [`${LIB}/liba.so.1`]: elfLibrary("liba.so.1", ["libc.so.6"]),
    [`${LIB}/libb.so.1`]: elfLibrary("libb.so.1", ["liba.so.1", "libc.so.6"]),
    [`${LIB}/libunused.so.1`]: elfLibrary("libunused.so.1"),
  },
  "libvulkan1_1.4_amd64.deb": { [`${LIB}/libvulkan.so.1`]: elfLibrary("libvulkan.so.1", ["libc.so.6"]) },
  "mesa-vulkan-drivers_25.0.7-2_amd64.deb": {
    [`${LIB}/libvulkan_lvp.so`]: elfLibrary("libvulkan_lvp.so", ["libb.so.1", "liba.so.1", "libc.so.6"]),
    [`${LIB}/libvulkan_radeon.so`]: elfLibrary("libvulkan_radeon.so", ["libunused.so.1"]),
    "usr/share/vulkan/icd.d/lvp_icd.x86_64.json": new TextEncoder().encode(
      JSON.stringify({
        file_format_version: "1.0.1",
        ICD: { api_version: "1.4.305", library_path: "libvulkan_lvp.so" },
      }),
    ),
  },
};
const FILES = ["hashes.json", "liba.so.1", "libb.so.1", "libvulkan.so.1", "libvulkan_lvp.so", "lvp_icd.json"];

const ok = (stdout = "", stderr = ""): CommandResult => ({ status: 0, stdout, stderr });
const broken = (stderr: string, status: number | string = 100): CommandResult => ({ status, stdout: "", stderr });

/** The commands of a machine with APT, whose archive has PACKAGES. `answers` replaces the answers of some commands. */
function machine(answers: Readonly<Record<string, () => CommandResult>> = {}, packages = PACKAGES) {
  const commands: string[] = [];
  const configs: string[] = [];
  const run: typeof runCommand = async (argv, env = {}) => {
    const command = argv.includes("update")
      ? "update"
      : argv.includes("--print-uris")
      ? "list"
      : argv.includes("--download-only")
      ? "fetch"
      : argv[0]!;
    commands.push(command);
    if (answers[command]) return answers[command]();
    if (command === "apt-config") {
      return ok(
        'Dir "/";\nDir::Etc "etc/apt";\nDir::Etc::sourcelist "none";\nDir::Etc::sourceparts "none.d";\n' +
          'Dir::Cache "var/cache/apt";\nAcquire::http::Proxy "http://proxy.test";\n' +
          'APT::Update::Post-Invoke:: "rm -f /var/cache/apt/archives/*.deb";\nDir::Etc::main "apt.conf";\n',
      );
    }
    if (command === "dpkg-deb") {
      for (const [path, bytes] of Object.entries(packages[argv[2]!.split("/").at(-1)!]!)) {
        const file = `${argv[3]}/${path}`;
        await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), { recursive: true });
        await Deno.writeFile(file, bytes);
      }
      return ok();
    }
    configs.push(await Deno.readTextFile(env.APT_CONFIG!));
    if (command === "list") {
      return ok(
        Object.keys(packages).map((name) => `'http://archive.test/${name}' ${name} 1500000 SHA256:00\n`).join(""),
      );
    }
    if (command === "fetch") {
      const archives = /^Dir::Cache "(.*)";$/m.exec(configs.at(-1)!)![1];
      for (const name of Object.keys(packages)) await Deno.writeTextFile(`${archives}/archives/${name}`, "");
    }
    return ok();
  };
  return { commands, configs, run };
}

onLinux("the driver comes with what it needs, in the order in which it is loaded, and nothing else", async () => {
  const { commands, configs, run } = machine();
  const lines = await withCache(async (cache) => {
    const { environment, libraries } = await provideLavapipe({ cache, run });
    const [folder] = names(cache);
    assert.match(folder!, new RegExp(`^lavapipe-[\\w.-]+-${system}$`));
    assert.equal(names(cache), [folder], "nothing else is left behind");
    assert.equal(names(`${cache}/${folder}`), FILES);
    assert.equal(
      libraries,
      ["liba.so.1", "libb.so.1", "libvulkan_lvp.so", "libvulkan.so.1"].map((name) => `${cache}/${folder}/${name}`),
    );
    const manifest = `${cache}/${folder}/lvp_icd.json`;
    assert.equal(environment, { VK_DRIVER_FILES: manifest, VK_ICD_FILENAMES: manifest });
    assert.is(JSON.parse(Deno.readTextFileSync(manifest)).ICD.library_path, "./libvulkan_lvp.so");
    const again = machine();
    assert.equal(await provideLavapipe({ cache, run: again.run }), { environment, libraries });
    assert.equal(again.commands, [], "what is there is not fetched again");
  });
  const unpacked = Object.keys(PACKAGES).length - 1;
  assert.equal(commands, ["apt-config", "update", "list", "fetch", ...Array(unpacked).fill("dpkg-deb")]);
  assert.is(lines.length, 1);
  assert.match(lines[0]!, /^Getting lavapipe, a Vulkan driver for the CPU \(6 MB, once\), by APT into \/[^\n]+$/);
  for (const config of configs) {
    assert.match(config, 'Acquire::http::Proxy "http://proxy.test";');
    assert.not.match(config, /Post-Invoke|var\/cache|"apt\.conf"/);
    // The program's own settings come last, so they count.
    const own = config.slice(config.indexOf('Dir::Etc::main "/dev/null"'));
    for (const key of ["Dir::State", "Dir::Cache", "Dir::Log"]) assert.match(own, new RegExp(`^${key} "/.*/tmp-`, "m"));
  }
});

onLinux("several at once put it in place", async () => {
  await withCache(async (cache) => {
    const one = () => provideLavapipe({ cache, run: machine().run });
    const [first, ...others] = await Promise.all([one(), one(), one()]);
    for (const other of others) assert.equal(other, first);
    assert.is(names(cache).length, 1);
  });
});

onLinux("a broken folder is fetched again: a driver that is cut short, a wrong or a missing library", async () => {
  const breaks: [string, (file: string) => void][] = [
    ["libvulkan_lvp.so", (file) => Deno.truncateSync(file, 100)],
    ["liba.so.1", (file) => Deno.writeFileSync(file, elfLibrary("libz.so.1", ["libc.so.6"]))],
    ["libb.so.1", (file) => Deno.removeSync(file)],
    ["hashes.json", (file) => Deno.truncateSync(file, 10)],
    ["hashes.json", (file) => Deno.writeTextFileSync(file, "null")],
    ["hashes.json", (file) => Deno.writeTextFileSync(file, '{"../../../etc/passwd": "00"}')],
  ];
  for (const [name, damage] of breaks) {
    await withCache(async (cache) => {
      const options = { cache, run: machine().run };
      const before = await provideLavapipe(options);
      const file = `${cache}/${names(cache)[0]}/${name}`;
      const bytes = Deno.readFileSync(file);
      damage(file);
      const offline = machine({ update: () => broken("E: no network"), list: () => broken("E: Unable to locate") });
      const error = await provideLavapipe({ cache, run: offline.run }).catch((error) => error);
      assert.is(error.message, "apt-get update: E: no network", name);
      assert.equal(await provideLavapipe(options), before);
      assert.equal(Deno.readFileSync(file), bytes, name);
      assert.is(names(cache).length, 1);
    });
  }
});

onLinux("each failure is one line and leaves nothing behind", async () => {
  const noDriver = { ...PACKAGES, "mesa-vulkan-drivers_25.0.7-2_amd64.deb": {} };
  const cases: [RegExp, ReturnType<typeof machine>][] = [
    [/^this machine has no APT$/, machine({ "apt-config": () => broken("", "ENOENT") })],
    [/^apt-config dump: E: bad line$/, machine({ "apt-config": () => broken("E: bad line\nmore") })],
    [
      /^apt-get update: W: Failed to fetch$/,
      machine({ update: () => ok("", "W: Failed to fetch\nW: more"), list: () => broken("E: Unable to locate") }),
    ],
    [
      /^apt-get install --download-only: E: You don't have enough free space/,
      machine({ fetch: () => broken("W: something\nE: You don't have enough free space in /x/.\n") }),
    ],
    [
      /^dpkg-deb -x \S+: dpkg-deb: error: .*No space left/,
      machine({ "dpkg-deb": () => broken("dpkg-deb: error: copying: No space left on device\n", 2) }),
    ],
    [/^dpkg-deb -x \S+: it ended with killed$/, machine({ "dpkg-deb": () => broken("", "killed") })],
    [/^the packages have no libvulkan_lvp\.so$/, machine({}, noDriver)],
  ];
  for (const [message, { run }] of cases) {
    await withCache(async (cache) => {
      const error = await provideLavapipe({ cache, run }).catch((error) => error);
      assert.match(error.message, message);
      assert.not.match(error.message, "\n");
      assert.equal(names(cache), []);
    });
  }
});

onLinux("where APT has no Mesa that Dawn takes, it is not asked again within a day", async () => {
  const old = { "mesa-vulkan-drivers_1%3a20.3.5-1_amd64.deb": {} };
  const cases: [RegExp, ReturnType<typeof machine>][] = [
    [/^this machine's APT has Mesa 20, and Dawn takes 23 or later$/, machine({}, old)],
    [
      /^this machine's APT has no mesa-vulkan-drivers: E: Unable to locate$/,
      machine({ list: () => broken("E: Unable to locate") }),
    ],
  ];
  for (const [message, { run, commands }] of cases) {
    await withCache(async (cache) => {
      const refused = async () => {
        const error = await provideLavapipe({ cache, run }).catch((error) => error);
        assert.match(error.message, message);
      };
      await refused();
      const asked = commands.length;
      await refused();
      assert.is(commands.length, asked);
      const longAgo = new Date(Date.now() - 25 * 3600 * 1000);
      Deno.utimeSync(`${cache}/${names(cache)[0]}`, longAgo, longAgo);
      await refused();
      assert.is(commands.length, 2 * asked);
    });
  }
});

onLinux("a cache folder that is a file is one line", async () => {
  await withCache(async (cache) => {
    Deno.writeTextFileSync(`${cache}/file`, "");
    const error = await provideLavapipe({ cache: `${cache}/file`, run: machine().run }).catch((error) => error);
    assert.match(error.message, /^[^\n]*EEXIST[^\n]*$/);
  });
});

test("the backports are where the release's packages come from, in either format of sources", () => {
  const source = (text: string) => backportsSource(text, "bookworm", "bookworm-backports");
  assert.equal(
    source(
      "# a comment\ndeb http://old.test/debian bullseye main\n" +
        "deb [arch=amd64 signed-by=/k.gpg] http://a.test/debian bookworm main contrib\n",
    ),
    { format: "list", text: "deb [arch=amd64 signed-by=/k.gpg] http://a.test/debian bookworm-backports main\n" },
  );
  assert.equal(source("deb http://a.test/debian bookworm main"), {
    format: "list",
    text: "deb http://a.test/debian bookworm-backports main\n",
  });
  assert.equal(
    source(
      "Types: deb\nURIs: http://s.test/security\nSuites: bookworm-security\n\n" +
        "Types: deb deb-src\nURIs: http://a.test/debian\nSuites: bookworm bookworm-updates\n" +
        "Components: main\nSigned-By: /k.gpg\n",
    ),
    {
      format: "sources",
      text: "Types: deb deb-src\nURIs: http://a.test/debian\nSuites: bookworm-backports\n" +
        "Components: main\nSigned-By: /k.gpg\n\n",
    },
  );
  for (const other of ["", "deb http://a.test/debian trixie main", "deb-src http://a.test/debian bookworm main"]) {
    assert.is(source(other), null);
  }
});

// This is the real lavapipe. It is put into this user's cache folder if it isn't there yet.
const real = isLinux ? await provideLavapipe().catch((error: Error) => error) : null;
if (real instanceof Error) console.log(`skipped, APT gives no lavapipe here: ${real.message}`);
const withReal = real === null || real instanceof Error ? test.skip : test;

withReal("APT's lavapipe is listed and opened, without a word of Dawn's", async () => {
  const { list, stderr } = await listedIn({ AMUSD_VULKAN_DRIVER: "lavapipe" });
  assert.match(list, /^llvmpipe \([^()]*\)$/);
  assert.is(stderr, "");
});

test.run();
