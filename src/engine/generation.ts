import type { Held } from "./cached-texts.ts";
import type { FinishReason, GenerationRecord, GenerationRun, Piece } from "./generation-run.ts";

/** What a generation came to. */
export interface GenerationResult {
  /** The answer. */
  readonly text: string;
  /** The answer's tokens, its end-of-text token included. */
  readonly tokens: readonly number[];
  /** Why the answer ended. */
  readonly finishReason: FinishReason;
  /** Everything that is known of the run: its models, times, acceptance and trace. */
  readonly record: GenerationRecord;
}

/** The engine's part in a run. */
export interface RunHost {
  /**
   * The run begins; tells how many of the prompt's first tokens each lane's cache holds. Throws an Error where it can't
   * begin now.
   */
  begin(): Promise<Held>;
  /** The run has ended, with an error or without. */
  end(run: GenerationRun, failed: boolean): void;
}

/**
 * One text, which is not begun before somebody asks for it: `await` it for the whole answer, or iterate over it, once,
 * for the pieces as they come. Both may be done at the same time. A loop that is left ends the run.
 */
export class Generation implements AsyncIterable<Piece>, PromiseLike<GenerationResult> {
  readonly #pieces: AsyncGenerator<Piece, void, undefined>;
  /** Pieces that came while somebody waited for the whole answer, and that no loop has taken yet. */
  readonly #unread: Piece[] = [];
  readonly #record: Promise<GenerationRecord>;
  #failure: { readonly error: unknown } | undefined;
  #isIterated = false;
  #isAwaited = false;
  #pulling: Promise<boolean> | undefined;

  /** @internal */
  constructor(run: GenerationRun, host: RunHost) {
    let settle!: [resolve: (record: GenerationRecord) => void, reject: (error: unknown) => void];
    this.#record = new Promise((...functions) => settle = functions);
    this.#pieces = this.#run(run, host, ...settle);
    // Whoever asks for the record gets its error; nobody has to.
    this.#record.catch(() => {});
  }

  async *#run(
    run: GenerationRun,
    host: RunHost,
    resolve: (record: GenerationRecord) => void,
    reject: (error: unknown) => void,
  ): AsyncGenerator<Piece, void, undefined> {
    let cached;
    try {
      cached = await host.begin();
    } catch (error) {
      this.#failure = { error };
      reject(error);
      throw error;
    }
    try {
      yield* run.pieces(cached);
    } catch (error) {
      this.#failure = { error };
      throw error;
    } finally {
      host.end(run, this.#failure !== undefined);
      resolve(run.record);
    }
  }

  /** The whole text. Asking for it starts the run; rejects with the run's error. */
  get text(): Promise<string> {
    return this.then(({ text }) => text);
  }

  /** All tokens of the answer. Asking for them starts the run; rejects with the run's error. */
  get tokens(): Promise<readonly number[]> {
    return this.then(({ tokens }) => tokens);
  }

  /** Why the text ended, "error" included. Asking for it starts the run; rejects only where that can't begin. */
  get finishReason(): Promise<FinishReason> {
    return this.record.then(({ finishReason }) => finishReason);
  }

  /**
   * Everything that is known of the run once it has ended, by an error too. Asking for it starts the run; rejects only
   * where that can't begin.
   */
  get record(): Promise<GenerationRecord> {
    if (!this.#isAwaited) {
      this.#isAwaited = true;
      this.#pullAll();
    }
    return this.#record;
  }

  /** Starts the run, and gives what it came to: `await` calls this. Rejects with the run's error. */
  then<A = GenerationResult, B = never>(
    onFulfilled?: ((result: GenerationResult) => A | PromiseLike<A>) | null,
    onRejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.record.then((record): GenerationResult => {
      if (this.#failure) throw this.#failure.error;
      const { text, tokens, finishReason } = record;
      return { text, tokens, finishReason, record };
    }).then(onFulfilled, onRejected);
  }

  /**
   * The pieces as they come. Throws an Error if iterated over before, and the run's error after all text: a lost verify
   * device is a LaneLostError.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Piece, void, undefined> {
    if (this.#isIterated) throw new Error("Cannot iterate over a generation twice: generate anew");
    this.#isIterated = true;
    try {
      for (let ended = false; !ended;) {
        while (this.#unread.length > 0) yield this.#unread.shift()!;
        ended = await this.#pull();
      }
      yield* this.#unread.splice(0);
      if (this.#failure) throw this.#failure.error;
    } finally {
      await this.#pieces.return();
    }
  }

  /** Takes one more piece in, and tells whether there are no more: who asks at the same time shares it. */
  #pull(): Promise<boolean> {
    this.#pulling ??= this.#pieces.next().then(({ done, value }) => {
      if (value) this.#unread.push(value);
      return done === true;
    }, () => true).finally(() => this.#pulling = undefined);
    return this.#pulling;
  }

  async #pullAll(): Promise<void> {
    while (!(await this.#pull()));
  }
}
