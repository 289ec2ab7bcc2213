import { AnswerError, AnswerReader, type AnswerRecord, type RequestOptions, encodeRequest } from "./envelope.js";
import { AbortError, platformError, unknownOutcome } from "./errors.js";
import { type Lease, dispose } from "./binding.js";
import { ABORT_MS, GRACE_MS, READ_BYTES, TIMEOUT_MAX_MS, WATCH_MS } from "./limits.js";

/** How a call is made. */
export interface CallOptions {
  /** Milliseconds of the call: waiting for a session, running and reading the answer together. */
  readonly timeoutMs?: number | undefined;
  /** Ends the call early, at the database too. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * One request and its answer, with a deadline that holds also when the coordinator never answers.
 * {@link close} ends it, whatever state it is in.
 */
export class Exchange {
  readonly #target: Lease;
  readonly #id = crypto.getRandomValues(new Uint8Array(16));
  readonly #answer = new AnswerReader();
  /** First of the callback, then of the deadline. */
  #timer: ReturnType<typeof setTimeout>;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.#stop(ABORT_MS, () => this.#abortError());
  /** Ends the wait that is under way. */
  #reject: ((error: Error) => void) | undefined;
  /** Why waiting on is pointless. */
  #cut: Error | undefined;
  #cutTimer: ReturnType<typeof setTimeout> | undefined;
  #stream: ReadableStream | undefined;
  #reader: ReadableStreamBYOBReader | undefined;
  /** Lent to each read of a stream. */
  #view: ArrayBuffer | undefined;
  /** Nothing is left that an abort could end. */
  #over = false;
  #stopped = false;

  private constructor(target: Lease, timeoutMs: number, signal: AbortSignal | undefined) {
    this.#target = target;
    this.#signal = signal;
    const after = Math.min(timeoutMs + GRACE_MS, TIMEOUT_MAX_MS);
    this.#timer = setTimeout(() => this.#watch(after), WATCH_MS);
    signal?.addEventListener("abort", this.#onAbort);
  }

  /** Sends a request and waits for the answer's beginning. */
  static async start(
    target: Lease,
    protocol: readonly Uint8Array[],
    options: RequestOptions,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Exchange> {
    if (signal?.aborted) throw new AbortError("the call was aborted before it was sent", "refused", signal.reason);
    const exchange = new Exchange(target, timeoutMs, signal);
    try {
      await exchange.#send(encodeRequest(Math.max(Math.trunc(timeoutMs), 1), exchange.#id, options, protocol));
      return exchange;
    } catch (error) {
      exchange.close();
      throw error;
    }
  }

  /** The next record; the last one is the outcome. */
  async next(): Promise<AnswerRecord> {
    for (;;) {
      const record = this.#record();
      if (record !== undefined) {
        if ("outcome" in record) await this.#drain();
        return record;
      }
      const bytes = await this.#read();
      if (bytes === undefined) throw broken(new AnswerError("the answer ended without an outcome"));
      this.#answer.push(bytes);
    }
  }

  /** Whether its signal has asked for its end. */
  get aborted(): boolean {
    return this.#signal?.aborted ?? false;
  }

  /** Lets go of everything; what still runs is aborted. */
  close(): void {
    if (!this.#over) this.#stop(0, undefined);
    this.#over = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#cutTimer);
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#reader?.cancel().catch(() => {});
    this.#reader = undefined;
    dispose(this.#stream);
  }

  async #send(request: Uint8Array): Promise<void> {
    const answer = await this.#within(this.#target.exchange(request));
    if (answer instanceof Uint8Array) {
      this.#over = true;
      this.#answer.push(answer);
    } else if (answer instanceof ReadableStream) {
      this.#stream = answer;
      this.#reader = answer.getReader({ mode: "byob" });
    } else throw broken(new AnswerError("the answer is neither bytes nor a stream"));
  }

  /** Reads to the end behind the outcome, so that nothing is left open; it cannot change the outcome. */
  async #drain(): Promise<void> {
    const rest = await this.#read().catch(() => undefined);
    if (rest !== undefined) throw broken(new AnswerError("bytes follow the answer's outcome"));
  }

  #record(): AnswerRecord | undefined {
    try {
      const record = this.#answer.next();
      if (record !== undefined && "outcome" in record) {
        this.#over = true;
        this.#answer.finish();
      }
      return record;
    } catch (error) {
      throw broken(error);
    }
  }

  async #read(): Promise<Uint8Array | undefined> {
    if (this.#reader === undefined) return undefined;
    this.#view ??= new ArrayBuffer(READ_BYTES);
    const { value } = await this.#within(this.#reader.read(new Uint8Array(this.#view)));
    if (value === undefined || value.length === 0) return undefined;
    // The buffer comes back and is lent to the next read, so what is kept is a copy.
    const bytes = value.slice();
    this.#view = value.buffer as ArrayBuffer;
    return bytes;
  }

  /** Waits, but no longer than there is reason to. */
  #within<T>(work: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      if (this.#cut !== undefined) reject(this.#cut);
      work.then(resolve, (thrown: unknown) => {
        this.#over = true;
        reject(this.aborted ? this.#abortError(thrown) : platformError(thrown));
      });
    });
  }

  /** The answer takes its time: the coordinator may ask from now on whether this caller lives. */
  #watch(after: number): void {
    const late = () => unknownOutcome(`no answer after ${after} ms`, "caller");
    this.#timer = setTimeout(() => this.#stop(ABORT_MS / 4, late), after - WATCH_MS);
    // Whether it arrives makes no difference here.
    if (!this.#over) (async () => this.#target.watch(this.#id, () => {}))().catch(() => {});
  }

  /** Asks the coordinator to end the request, and waits `patience` milliseconds for its answer. */
  #stop(patience: number, error: (() => Error) | undefined): void {
    if (this.#over || this.#stopped) return;
    this.#stopped = true;
    // Whether it arrives makes no difference here.
    Promise.resolve(this.#target.abort(this.#id)).catch(() => {});
    if (error === undefined) return;
    this.#cutTimer = setTimeout(() => {
      this.#cut = error();
      this.#reject?.(this.#cut);
    }, patience);
  }

  #abortError(cause: unknown = this.#signal?.reason): AbortError {
    return new AbortError("the call was aborted; the outcome is unknown", "outcomeUnknown", cause);
  }
}

function broken(error: unknown): Error {
  return error instanceof AnswerError ? unknownOutcome(error.message, "pierhead", error) : (error as Error);
}
