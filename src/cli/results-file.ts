import { open, stat } from "node:fs/promises";
import { appendedText, type BenchmarkRun, type Results, resultsText } from "../benchmark/results.ts";
import { oneLine } from "./errors.ts";
import { writeWhole } from "./output.ts";

/**
 * Results on their way to a file. Each run is appended: the time to write the whole file anew for each run would grow
 * with the square of their number. Whatever ends the process, no more than the run in flight is lost:
 * `parseInterrupted` reads what is there. A pipe gets everything at the end.
 */
export class ResultsFile {
  readonly #file: string;
  readonly #results: Results;
  /** The file's size in bytes, once its beginning is written. */
  #size: number | null = null;

  /** Writes nothing yet. The caller adds each run to `results` before it is appended. */
  constructor(file: string, results: Results) {
    this.#file = file;
    this.#results = results;
  }

  /** Writes the results so far in place of the file's content. */
  async writeAll(): Promise<void> {
    const content = resultsText(this.#results);
    await writeWhole(this.#file, content);
    this.#size = new TextEncoder().encode(content).length;
  }

  /** Writes a run that has just been added to the results. Throws an Error of one line where that fails. */
  async append(run: BenchmarkRun): Promise<void> {
    if (await this.#isSpecial()) return;
    if (this.#size === null) return await this.writeAll();
    const { replaces, text } = appendedText(run);
    const bytes = new TextEncoder().encode(text);
    const start = this.#size - replaces;
    try {
      const handle = await open(this.#file, "r+");
      try {
        for (let done = 0; done < bytes.length;) {
          done += (await handle.write(bytes, done, bytes.length - done, start + done)).bytesWritten;
        }
      } finally {
        await handle.close();
      }
    } catch (error) {
      throw new Error(`Cannot write "${this.#file}": ${oneLine(error)}; go on by --resume where there is room`);
    }
    this.#size = start + bytes.length;
  }

  /** Writes everything to a pipe or a device, which could not be appended to. */
  async finish(): Promise<void> {
    if (await this.#isSpecial()) await this.writeAll();
  }

  async #isSpecial(): Promise<boolean> {
    const found = await stat(this.#file).catch(() => null);
    return found !== null && !found.isFile();
  }
}
