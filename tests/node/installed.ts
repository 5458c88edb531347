// The npm package as its users have it: packed, and installed without what is for its developers alone.

const root = new URL("../../", import.meta.url);

/** Runs a command to its end and returns its stdout; throws an Error with all that it printed where it fails. */
export async function run(cwd: string | URL, command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args, cwd, stdin: "null" }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (!success) throw new Error(`${command} ${args.join(" ")} failed:\n${out}${err}`);
  return out!;
}

/** Packs the package into an empty folder, where the tarball stays, and installs it there. Throws where that fails. */
export async function installPackage(folder: string): Promise<void> {
  await run(root, "npm", "pack", "--pack-destination", folder);
  await Deno.writeTextFile(`${folder}/package.json`, "{}");
  await run(folder, "npm", "install", "--omit=dev", "--prefer-offline", `./${await tarballIn(folder)}`);
}

/** The name of the tarball in a folder. */
export async function tarballIn(folder: string): Promise<string> {
  for await (const { name } of Deno.readDir(folder)) if (name.endsWith(".tgz")) return name;
  throw new Error(`npm left no tarball in ${folder}`);
}

/** Whether npm and Node are installed: Deno needs neither. */
export async function hasNpm(): Promise<boolean> {
  try {
    return (await new Deno.Command("npm", { args: ["--version"] }).output()).success;
  } catch {
    return false;
  }
}

/**
 * The folder in which the package is installed, or null without npm. The test runner installs one for all files; a file
 * that is run by itself makes its own, which goes when it ends.
 */
export async function installedPackage(): Promise<string | null> {
  const given = Deno.env.get("AMUSD_TEST_PACKAGE");
  if (given !== undefined) return given;
  if (!await hasNpm()) return null;
  const folder = await Deno.makeTempDir();
  addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
  await installPackage(folder);
  return folder;
}
