// What a newcomer sees: the README's commands on a bare Debian that has Node and nothing else, as an ordinary user.
//
//     sudo npx -y deno run -A tests/bare/run.ts [SUITE ...] [--tests] [--root FOLDER]
//
// It builds a root of each suite (default: bookworm trixie) by debootstrap, puts this machine's Node and what is
// committed of this checkout into it, and runs the first command there: cold, warm, offline; with --tests also
// `deno task test`, online, offline and on a terminal, and on SwiftShader alone. Prints a table, in Markdown; exit code
// 1 where a command failed. Needs root, debootstrap, iproute2, Node, git and the package registries.

const FIRST = "npx -y deno run -A cli.ts --strategy amusd";
const TESTS = "npx -y deno task test";
const USER = 1000;
const HOME = "/var/lib/newcomer";

interface Case {
  readonly name: string;
  readonly command: string;
  readonly offline?: boolean;
  readonly terminal?: boolean;
  readonly variables?: Readonly<Record<string, string>>;
  /** What has to stand in the output; default: the command succeeds. */
  readonly fails?: RegExp;
  /** Paths below the home folder that are taken away before. */
  readonly without?: readonly string[];
  /** What is added to the list of installed packages before. */
  readonly installed?: string;
}

const CACHE = ".cache/amusd";
/** With such a package APT's solver refuses to install any other. */
const BROKEN = "Package: broken\nStatus: install ok installed\nArchitecture: all\nVersion: 1\nMaintainer: nobody\n" +
  "Depends: what-there-is-not\nDescription: broken\n\n";
const FIRST_CASES: readonly Case[] = [
  { name: "first command, cold", command: FIRST },
  { name: "warm", command: FIRST },
  { name: "warm, offline", command: FIRST, offline: true },
  { name: "warm, on a terminal", command: FIRST, terminal: true },
  {
    name: "offline, without a driver in the cache",
    command: FIRST,
    offline: true,
    without: [CACHE],
    fails: /^Cannot put a software adapter into "[^\n]*$/m,
  },
  { name: "lavapipe anew, with packages in a broken state", command: FIRST, without: [CACHE], installed: BROKEN },
  {
    name: "SwiftShader",
    command: `${FIRST} --max-tokens 32`,
    variables: { AMUSD_VULKAN_DRIVER: "swiftshader" },
  },
  {
    name: "SwiftShader, warm",
    command: `${FIRST} --max-tokens 32`,
    variables: { AMUSD_VULKAN_DRIVER: "swiftshader" },
  },
];
const TEST_CASES: readonly Case[] = [
  { name: "tests", command: TESTS },
  { name: "tests, offline", command: TESTS, offline: true },
  { name: "tests, on a terminal", command: TESTS, terminal: true },
  { name: "tests, SwiftShader alone", command: TESTS, variables: { AMUSD_VULKAN_DRIVER: "swiftshader" } },
];

/** The environment variables of this machine that say which certificates its network trusts. */
const CERTIFICATES = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "DENO_CERT", "DENO_TLS_CA_STORE"];

async function sh(command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args, stdin: "null" }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (!success) throw new Error(`${command} ${args.join(" ")} failed:\n${out}${err}`);
  return out!.trim();
}

async function makeRoot(suite: string, root: string): Promise<void> {
  await sh("debootstrap", "--variant=minbase", suite, root);
  for (const folder of ["proc", "dev"]) await sh("mount", "--rbind", `/${folder}`, `${root}/${folder}`);
  await Deno.copyFile("/etc/resolv.conf", `${root}/etc/resolv.conf`);
  for (const name of CERTIFICATES) {
    const file = Deno.env.get(name);
    if (!file?.startsWith("/")) continue;
    await Deno.mkdir(`${root}${file.slice(0, file.lastIndexOf("/"))}`, { recursive: true });
    await Deno.copyFile(file, `${root}${file}`);
  }
  const npm = (await sh("readlink", "-f", await sh("sh", "-c", "command -v npm"))).replace(/\/bin\/npm-cli\.js$/, "");
  await Deno.mkdir(`${root}/usr/local/lib/node_modules`, { recursive: true });
  await sh("cp", "-a", npm, `${root}/usr/local/lib/node_modules/npm`);
  await sh("cp", "-L", await sh("sh", "-c", "command -v node"), `${root}/usr/local/bin/node`);
  for (const name of ["npm", "npx"]) {
    await Deno.symlink(`../lib/node_modules/npm/bin/${name}-cli.js`, `${root}/usr/local/bin/${name}`);
  }
  await Deno.mkdir(`${root}${HOME}/amusd`, { recursive: true });
  await sh("sh", "-c", `git archive HEAD | tar -x -C ${root}${HOME}/amusd`);
  await sh("chown", "-R", `${USER}:${USER}`, `${root}${HOME}`);
}

async function removeRoot(root: string): Promise<void> {
  for (const folder of ["proc", "dev"]) {
    await sh("umount", "-R", "-l", `${root}/${folder}`).catch((error) => console.error(error.message));
  }
  await Deno.remove(root, { recursive: true });
}

/** Bytes that this machine's network interfaces have received, the loopback's left out. */
async function receivedBytes(): Promise<number> {
  const lines = (await Deno.readTextFile("/proc/net/dev")).split("\n").slice(2).map((line) => line.trim());
  return lines.filter((line) => line && !line.startsWith("lo:"))
    .reduce((sum, line) => sum + Number(line.split(/[:\s]+/)[1]), 0);
}

interface Outcome {
  readonly name: string;
  readonly good: boolean;
  readonly wallS: number;
  /** To the first byte on stdout, which is the first token's. */
  readonly firstS: number;
  readonly megabytes: number;
  readonly output: string;
}

async function runCase(root: string, one: Case): Promise<Outcome> {
  for (const path of one.without ?? []) await Deno.remove(`${root}${HOME}/${path}`, { recursive: true });
  if (one.installed) await Deno.writeTextFile(`${root}/var/lib/dpkg/status`, one.installed, { append: true });
  const certificates = Object.fromEntries(CERTIFICATES.flatMap((name) => {
    const value = Deno.env.get(name);
    return value ? [[name, value]] : [];
  }));
  const env = { HOME, PATH: "/usr/local/bin:/usr/bin:/bin", TERM: "xterm", ...certificates, ...one.variables };
  const inside = `cd ${HOME}/amusd && exec ${one.command}`;
  const shell = one.terminal ? ["script", "-qec", inside, "/dev/null"] : ["sh", "-c", inside];
  const args = [
    // Without a network there is still the loopback, which the tests' own servers listen on.
    ...one.offline ? ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"] : [],
    "chroot",
    `--userspec=${USER}:${USER}`,
    root,
    "env",
    "-i",
    ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
    ...shell,
  ];
  const bytesBefore = await receivedBytes();
  const startMs = performance.now();
  const child = new Deno.Command(args[0]!, { args: args.slice(1), stdin: "null", stdout: "piped", stderr: "piped" })
    .spawn();
  let firstMs: number | undefined;
  let output = "";
  const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>, isResult: boolean) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      if (isResult) firstMs ??= performance.now() - startMs;
      output += text;
    }
  };
  const [{ code }] = await Promise.all([child.status, read(child.stdout, true), read(child.stderr, false)]);
  const wallMs = performance.now() - startMs;
  return {
    name: one.name,
    good: one.fails ? code === 1 && one.fails.test(output) : code === 0,
    wallS: wallMs / 1000,
    firstS: (firstMs ?? wallMs) / 1000,
    megabytes: one.offline ? 0 : (await receivedBytes() - bytesBefore) / 1e6,
    output,
  };
}

const args = [...Deno.args];
const rootAt = args.indexOf("--root");
const parent = rootAt < 0 ? await Deno.makeTempDir({ dir: "/var/tmp" }) : args.splice(rootAt, 2)[1]!;
const cases = [...FIRST_CASES, ...args.includes("--tests") ? TEST_CASES : []];
const suites = args.filter((arg) => !arg.startsWith("--"));

let failed = false;
const rows = ["| root | command | wall, s | first output, s | fetched, MB |", "|---|---|---|---|---|"];
for (const suite of suites.length ? suites : ["bookworm", "trixie"]) {
  const root = `${parent}/${suite}`;
  try {
    console.error(`${suite}: building a bare root`);
    await makeRoot(suite, root);
    for (const one of cases) {
      console.error(`${suite}: ${one.name}`);
      const { name, good, wallS, firstS, megabytes, output } = await runCase(root, one);
      failed ||= !good;
      console.error(output.trimEnd());
      const verdict = good ? "" : " **failed**";
      rows.push(
        `| ${suite} | ${name}${verdict} | ${wallS.toFixed(1)} | ${firstS.toFixed(1)} | ${megabytes.toFixed(0)} |`,
      );
    }
  } finally {
    await removeRoot(root);
  }
}
if (rootAt < 0) await Deno.remove(parent, { recursive: true });
console.log(rows.join("\n"));
if (failed) Deno.exit(1);
