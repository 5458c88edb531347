import { test } from "uvu";
import * as assert from "uvu/assert";
import type { SoftwareAdapter } from "../../../src/gpu/drivers/driver-folder.ts";
import { setEnv, system } from "../../../src/platform/platform.ts";
import { DRIVER_VARIABLE, type Providers, provideSoftwareAdapter } from "../../../src/gpu/drivers/software-adapter.ts";

const adapter = (name: string): SoftwareAdapter => ({ environment: { VK_DRIVER_FILES: name }, libraries: [] });

interface Outcome {
  /** The driver that was used, or the error's message. */
  readonly result: string;
  /** The drivers that were asked for, SwiftShader with the reason why. */
  readonly asked: readonly string[];
}

/** Provides a driver where the variable has the value `choice`, some providers fail, and Dawn refuses some drivers. */
async function outcome(
  choice: string | undefined,
  { failing = [], refused = [] }: { failing?: readonly string[]; refused?: readonly string[] } = {},
): Promise<Outcome> {
  const asked: string[] = [];
  const provide = (name: string) => (why?: string) => {
    asked.push(why === undefined ? name : `${name}: ${why}`);
    return failing.includes(name) ? Promise.reject(new Error(`${name} is gone\nmore`)) : Promise.resolve(adapter(name));
  };
  const providers: Providers = { lavapipe: provide("lavapipe"), swiftshader: provide("swiftshader") };
  setEnv(DRIVER_VARIABLE, choice);
  try {
    const result = await provideSoftwareAdapter(
      (environment) => Promise.resolve(refused.includes(environment.VK_DRIVER_FILES!) ? null : environment),
      providers,
    ).then(({ VK_DRIVER_FILES }) => VK_DRIVER_FILES!, (error: Error) => error.message);
    return { result, asked };
  } finally {
    setEnv(DRIVER_VARIABLE, undefined);
  }
}

const hasSwiftShader = system === "linux-x64";
if (!hasSwiftShader) console.log(`skipped: there is no SwiftShader for ${system}`);
const onX64 = hasSwiftShader ? test : test.skip;

test("lavapipe comes first, and nothing else is then asked for", async () => {
  assert.equal(await outcome(undefined), { result: "lavapipe", asked: ["lavapipe"] });
});

onX64("SwiftShader stands in, and says what is slow, why, and what to do", async () => {
  for (
    const [trouble, why] of [[{ failing: ["lavapipe"] }, "lavapipe is gone"], [
      { refused: ["lavapipe"] },
      "Dawn ",
    ]] as const
  ) {
    const { result, asked } = await outcome(undefined, trouble);
    assert.is(result, "swiftshader");
    assert.match(asked[1]!, new RegExp(`^swiftshader: slow, [^\\n]*\\(lavapipe: ${why}[^\\n]*\\); [^\\n]*: [^\\n]+$`));
  }
});

onX64("the variable's choice is the only one", async () => {
  assert.equal(await outcome("swiftshader"), { result: "swiftshader", asked: ["swiftshader"] });
  assert.equal(await outcome("lavapipe"), { result: "lavapipe", asked: ["lavapipe"] });
  assert.equal((await outcome("lavapipe", { failing: ["lavapipe"] })).asked, ["lavapipe"]);
  assert.equal((await outcome("swiftshader", { failing: ["swiftshader"] })).asked, ["swiftshader"]);
});

test("where none can be had, one line says where, why, and the remedy", async () => {
  const { result } = await outcome(undefined, { failing: ["lavapipe", "swiftshader"] });
  assert.match(
    result,
    /^Cannot put a software adapter into "[^"\n]+": lavapipe: lavapipe is gone; SwiftShader: [^\n]+$/,
  );
  assert.match(
    result,
    /go online once, or install a Vulkan driver \([^\n]+\), or name another folder by XDG_CACHE_HOME$/,
  );
});

test("a manifest that cannot be used is one line", async () => {
  const folder = await Deno.makeTempDir();
  const write = (name: string, content: unknown) => {
    Deno.writeTextFileSync(`${folder}/${name}`, typeof content === "string" ? content : JSON.stringify(content));
    return `${folder}/${name}`;
  };
  const cases: [string, RegExp][] = [
    [`${folder}/missing.json`, /: ENOENT; give the path of its manifest/],
    [folder, /: EISDIR; /],
    [write("text.json", "not JSON"), /: it has no ICD\.library_path; /],
    [write("other.json", { layer: {} }), /: it has no ICD\.library_path; /],
    [
      write("gone.json", { ICD: { library_path: "./libgone.so" } }),
      /: it names the library "[^"\n]+\/libgone\.so", which is not there; /,
    ],
  ];
  for (const [file, message] of cases) {
    const { result, asked } = await outcome(file);
    assert.match(result, `Cannot use the Vulkan driver "${file}"`);
    assert.match(result, message);
    assert.not.match(result, "\n");
    assert.equal(asked, []);
  }
  await Deno.remove(folder, { recursive: true });
});

test.run();
