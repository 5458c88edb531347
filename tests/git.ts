const root = new URL("../", import.meta.url);

/** Runs git in this tree and returns its exit code and its output. Without git the code is 127, as in a shell. */
export async function git(...args: string[]): Promise<{ code: number; stdout: string }> {
  try {
    const { code, stdout } = await new Deno.Command("git", { args, cwd: root }).output();
    return { code, stdout: new TextDecoder().decode(stdout) };
  } catch {
    return { code: 127, stdout: "" };
  }
}

/** Whether this tree is a repository: a copy without its history is not, and neither is any tree without git. */
export const isRepository: boolean = (await git("rev-parse", "--git-dir")).code === 0;
