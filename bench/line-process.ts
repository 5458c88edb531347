/** A child process that says a line of JSON when it is ready, then answers each line of its stdin with one. */
export class LineProcess<Request, Answer> {
  readonly #name: string;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #output: AsyncIterator<string>;

  constructor(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#name = [command.split("/").at(-1), ...args].join(" ");
    this.#child = new Deno.Command(command, { args: [...args], env, stdin: "piped", stdout: "piped" }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#output = lines(this.#child.stdout);
  }

  /** The next line of its stdout, as JSON. Throws an Error if the process ended instead. */
  async read<T = Answer>(): Promise<T> {
    const { value, done } = await this.#output.next();
    if (done) {
      const { code, signal } = await this.#child.status;
      throw new Error(`Cannot go on with "${this.#name}": it ended with ${signal ?? `exit code ${code}`}, see above`);
    }
    return JSON.parse(value);
  }

  /** Sends a line and waits for the answer to it. Throws an Error if the process ended instead. */
  async ask(request: Request): Promise<Answer> {
    // If the process has ended, read() says so.
    await this.#input.write(new TextEncoder().encode(JSON.stringify(request) + "\n")).catch(() => {});
    return await this.read();
  }

  /** Ends the process, whatever it does. */
  async close(): Promise<void> {
    try {
      this.#child.kill();
    } catch {
      // The process has ended already.
    }
    await this.#child.status;
    await this.#input.abort().catch(() => {});
  }
}

/** The whole lines of a stream of bytes. */
export async function* lines(bytes: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string, void> {
  let rest = "";
  for await (const text of bytes.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}
