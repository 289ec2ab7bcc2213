import type { Lease } from "./binding.js";
import type { Outcome, RequestOptions } from "./envelope.js";
import { AbortError, outcomeError, tooLarge, unknownOutcome } from "./errors.js";
import { Exchange } from "./exchange.js";
import { RESULT_BYTES_MAX } from "./limits.js";
import { type GroupResult, type QueryResult, ResultReader } from "./result.js";
import { type Group, encodeGroups } from "./statement.js";
import type { TypeOverrides } from "./types.js";

/** Everything that a call needs besides its statements. */
export interface Call {
  readonly target: Lease;
  readonly options: RequestOptions;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly types: TypeOverrides | undefined;
}

/** Results of all groups as they are, with how it ended. */
export interface Ran {
  readonly groups: readonly GroupResult[];
  readonly outcome: Outcome;
  readonly aborted: boolean;
  /** As in ReadyForQuery: `I`, `T` or `E`. */
  readonly transaction: string;
}

/** Runs groups in one exchange and reads all of the answer. */
export async function run(call: Call, groups: readonly Group[]): Promise<Ran> {
  const exchange = await Exchange.start(
    call.target, encodeGroups(groups), call.options, call.timeoutMs, call.signal,
  );
  try {
    const reader = new ResultReader(groups, call.types, false);
    for (;;) {
      const record = await exchange.next();
      if ("data" in record) {
        reader.push(record.data);
        continue;
      }
      const { outcome } = record;
      const { groups, transaction } = reader;
      if (reader.isTooLarge && outcome.status === "completed") throw tooLarge(RESULT_BYTES_MAX);
      return { groups, outcome, aborted: exchange.aborted, transaction };
    }
  } finally {
    exchange.close();
  }
}

/** The results of one group's statements that are not hidden, or the reason why there are none. */
export function resultsOf(ran: Ran, plan: readonly Group[], index: number): QueryResult<any>[] {
  const group = ran.groups[index]!;
  const statements = plan[index]!;
  if (group.error !== undefined) {
    const before = statements.slice(0, group.error.statement).filter((s) => !s.hidden).length;
    throw checked(ran, group.error.reported, before);
  }
  // With others in its exchange, a group that ended without an error did so whatever befell these.
  if (!group.ended || (ran.outcome.status !== "completed" && plan.length === 1)) throw checked(ran, undefined, 0);
  return group.results.filter((_, i) => !statements[i]!.hidden);
}

function checked(ran: Ran, reported: Parameters<typeof outcomeError>[1], statement: number): Error {
  const { outcome } = ran;
  if (ran.aborted && outcome.sqlstate === "57014") return abortedBy(outcome);
  if (outcome.status === "completed") return unknownOutcome("the answer lacks an end", "pierhead");
  return outcomeError(outcome, reported, statement);
}

function abortedBy(outcome: Outcome): AbortError {
  const refused = outcome.status === "refused";
  const text = refused ? "before anything was executed" : "while it ran; it was cancelled";
  const status = refused ? "refused" : outcome.status === "error" ? "rolledBack" : "outcomeUnknown";
  return new AbortError(`the call was aborted ${text}`, status, outcome.message);
}

/** The rows of the last statement of a group as they arrive. Left before its end, it is aborted. */
export async function* streamRows(
  call: Call,
  group: Group,
  ended?: (transaction: string) => void,
): AsyncGenerator<any, void, void> {
  const exchange = await Exchange.start(
    call.target, encodeGroups([group]), call.options, call.timeoutMs, call.signal,
  );
  try {
    const reader = new ResultReader([group], call.types, true);
    for (;;) {
      const record = await exchange.next();
      if ("data" in record) {
        reader.push(record.data);
        yield* reader.takeRows();
        continue;
      }
      const { groups, transaction } = reader;
      ended?.(transaction);
      resultsOf({ groups, outcome: record.outcome, aborted: exchange.aborted, transaction }, [group], 0);
      return;
    }
  } finally {
    exchange.close();
  }
}
