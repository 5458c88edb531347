import { type Environment, environmentOf, type SoftwareAdapter } from "./driver-folder.ts";
import { firstLine } from "../../util/text.ts";
import { provideLavapipe } from "./lavapipe.ts";
import { cacheFolder, findCommand, getEnv, preloadLibrary, system } from "../../platform/platform.ts";
import { provideSwiftShader } from "./swiftshader.ts";
import { assertManifest } from "./vulkan-loader.ts";

/**
 * This environment variable picks the Vulkan driver on Linux: "lavapipe", "swiftshader", the path of a driver's
 * manifest, or "off" for the machine's own.
 */
export const DRIVER_VARIABLE = "AMUSD_VULKAN_DRIVER";

/** The commands that install a fast driver, by package manager. Errors show the first one that the machine has. */
const INSTALL: Readonly<Record<string, string>> = {
  "apt-get": "sudo apt install mesa-vulkan-drivers",
  dnf: "sudo dnf install mesa-vulkan-drivers",
  pacman: "sudo pacman -S vulkan-swrast",
  zypper: "sudo zypper install libvulkan_lvp",
  apk: "sudo apk add mesa-vulkan-swrast",
};

/** Each function puts one driver in place. `provideSoftwareAdapter` calls them; tests give it others. */
export interface Providers {
  readonly lavapipe: () => Promise<SoftwareAdapter>;
  readonly swiftshader: (why?: string) => Promise<SoftwareAdapter>;
}

const PROVIDERS: Providers = {
  lavapipe: () => provideLavapipe(),
  swiftshader: (why) => provideSwiftShader({ why }),
};

/**
 * Puts a Vulkan driver for the CPU in place, loads its libraries, and returns the result of `use` with the driver's
 * environment. The driver is lavapipe, or SwiftShader where lavapipe can't be had or `use` gives `null` for it. Where
 * the variable DRIVER_VARIABLE names a driver, no other is tried. Rejects with an Error of one line where no driver can
 * be used.
 */
export async function provideSoftwareAdapter<T>(
  use: (environment: Environment) => Promise<T | null>,
  providers: Providers = PROVIDERS,
): Promise<T> {
  const choice = getEnv(DRIVER_VARIABLE) || undefined;
  const attempt = async (adapter: SoftwareAdapter) => {
    for (const library of adapter.libraries) preloadLibrary(library);
    const used = await use(adapter.environment);
    if (used === null) throw new Error("Dawn does not take it");
    return used;
  };
  if (choice !== undefined && choice !== "lavapipe" && choice !== "swiftshader") {
    await assertManifest(choice);
    return await attempt({ environment: environmentOf(choice), libraries: [] }).catch((error) => {
      throw new Error(`Cannot use the Vulkan driver "${choice}" (${DRIVER_VARIABLE}): ${firstLine(error.message)}`);
    });
  }
  const reasons: string[] = [];
  const failed = (name: string) => (error: Error) => {
    reasons.push(`${name}: ${firstLine(error.message)}`);
    return null;
  };
  if (choice !== "swiftshader") {
    const used = await providers.lavapipe().then(attempt).catch(failed("lavapipe"));
    if (used !== null) return used;
  }
  if (choice !== "lavapipe") {
    const why = choice
      ? undefined
      : `slow, for want of a better one (${reasons[0]}); for one that is fast: ${remedy()}`;
    const swiftShader = system === "linux-x64"
      ? providers.swiftshader(why).then(attempt)
      : Promise.reject(new Error(`there is none for ${system}`));
    const used = await swiftShader.catch(failed("SwiftShader"));
    if (used !== null) return used;
  }
  throw new Error(
    `Cannot put a software adapter into "${cacheFolder()}": ${reasons.join("; ")}; go online once, or install a ` +
      `Vulkan driver (${remedy()}), or name another folder by XDG_CACHE_HOME`,
  );
}

function remedy(): string {
  const command = Object.keys(INSTALL).find(findCommand);
  return command ? INSTALL[command]! : "install Mesa's lavapipe, 23 or later";
}
