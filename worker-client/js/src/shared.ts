import { SHARED_MAX, SHARING_TURNS } from "./limits.js";
import type { QueryResult } from "./result.js";
import { type Ran, resultsOf } from "./run.js";
import { type Group, encodeGroups } from "./statement.js";

interface Waiting {
  group: Group;
  resolve: (results: QueryResult<any>[]) => void;
  reject: (reason: unknown) => void;
}

/**
 * Collects what is asked for in one tick and sends it in one call.
 *
 * The list is emptied by microtasks of the tick that began it, so it never holds anything of
 * another invocation, as it would with a timer.
 */
export class SharedCalls {
  readonly #send: (groups: readonly Group[]) => Promise<Ran>;
  #waiting: Waiting[] = [];

  constructor(send: (groups: readonly Group[]) => Promise<Ran>) {
    this.#send = send;
  }

  add(group: Group): Promise<QueryResult<any>[]> {
    // What cannot be sent fails alone.
    encodeGroups([group]);
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) void this.#flushSoon();
      this.#waiting.push({ group, resolve, reject });
      if (this.#waiting.length >= SHARED_MAX) this.#flush();
    });
  }

  async #flushSoon(): Promise<void> {
    for (let turn = 0; turn < SHARING_TURNS; turn++) await null;
    this.#flush();
  }

  #flush(): void {
    const waiting = this.#waiting.splice(0);
    if (waiting.length === 0) return;
    const plan = waiting.map(({ group }) => group);
    this.#send(plan).then(
      (ran) => waiting.forEach((one, index) => settle(one, () => resultsOf(ran, plan, index))),
      (error) => waiting.forEach(({ reject }) => reject(error)),
    );
  }
}

function settle(one: Waiting, results: () => QueryResult<any>[]): void {
  try {
    one.resolve(results());
  } catch (error) {
    one.reject(error);
  }
}
