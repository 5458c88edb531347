// A process's environment settles which drivers it sees, so each case has a process of its own.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { runScript } from "./driver-cache.ts";

const isLinux = Deno.build.os === "linux";
if (!isLinux) console.log("skipped: the Vulkan loader's search is Linux's");
const onLinux = isLinux ? test : test.skip;

const folder = await Deno.makeTempDir();
const NOTHING = {
  HOME: `${folder}/home`,
  XDG_CONFIG_HOME: "",
  XDG_CONFIG_DIRS: `${folder}/none`,
  XDG_DATA_HOME: "",
  XDG_DATA_DIRS: `${folder}/none`,
  VK_DRIVER_FILES: "",
  VK_ICD_FILENAMES: "",
  VK_ADD_DRIVER_FILES: "",
};

/** Whether a process with these environment variables sees a driver. With `loader`, some library stands in for one. */
async function hasDriver(variables: Record<string, string>, loader = true): Promise<boolean> {
  const script = `
    import { hasVulkanDriver } from ${JSON.stringify(import.meta.resolve("../../../src/gpu/drivers/vulkan-loader.ts"))};
    console.log(await hasVulkanDriver());`;
  Deno.mkdirSync(`${folder}/lib`, { recursive: true });
  const file = `${folder}/lib/libvulkan.so.1`;
  if (loader) Deno.copyFileSync(/\S+\/libm\.so\.6$/m.exec(Deno.readTextFileSync("/proc/self/maps"))![0], file);
  else Deno.writeTextFileSync(file, "no library");
  const { stdout } = await runScript(script, { ...NOTHING, LD_LIBRARY_PATH: `${folder}/lib`, ...variables });
  return stdout.trim() === "true";
}

function manifestIn(path: string): void {
  Deno.mkdirSync(`${folder}/${path}/vulkan/icd.d`, { recursive: true });
  Deno.writeTextFileSync(`${folder}/${path}/vulkan/icd.d/driver.json`, "{}");
}

const systemHasOne = ["/etc", "/usr/local/etc"].some((path) => {
  try {
    return [...Deno.readDirSync(`${path}/vulkan/icd.d`)].length > 0;
  } catch {
    return false;
  }
});
if (isLinux && systemHasOne) console.log("skipped: this machine's /etc names a Vulkan driver, which all cases see");

(isLinux && !systemHasOne ? test : test.skip)("a manifest is looked for where the loader does", async () => {
  assert.is(await hasDriver({}), false);
  for (const path of ["home/.config", "home/.local/share", "config", "data"]) {
    manifestIn(path);
    const variables = { XDG_CONFIG_DIRS: `${folder}/x:${folder}/config`, XDG_DATA_DIRS: `${folder}/data:${folder}/x` };
    assert.is(await hasDriver(variables), true, path);
    assert.is(
      await hasDriver({ ...variables, HOME: `${folder}/x`, XDG_CONFIG_DIRS: "/x", XDG_DATA_DIRS: "/x" }),
      false,
    );
    Deno.removeSync(`${folder}/${path}`, { recursive: true });
  }
});

onLinux("a driver that a variable names counts, none without a loader", async () => {
  for (const name of ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES"]) {
    assert.is(await hasDriver({ [name]: "/a/driver.json" }), true);
    assert.is(await hasDriver({ [name]: "/a/driver.json" }, false), false);
  }
});

test("the temporary folder is taken away", () => Deno.remove(folder, { recursive: true }));

test.run();
