/**
 * What can go wrong between a client and Sui, on command.
 *
 * | kind       | does                                                                                          |
 * |------------|-----------------------------------------------------------------------------------------------|
 * | error      | answers `UNAVAILABLE` (or another code) instead of running; `method` and `count` narrow it    |
 * | lose-reply | runs the method and breaks the connection instead of answering; ExecuteTransaction by default |
 * | lag        | reads trail the tip by `checkpoints`                                                          |
 * | congestion | cancels transactions that use shared objects mutably, as a congested network does             |
 * | prune      | forgets the transactions, events and checkpoints before checkpoint `before`, as full nodes do |
 * | none       | ends every fault                                                                              |
 *
 * `count` faults happen, then the fault is over; without it, until `none`. A later fault of another kind does not end
 * an earlier one.
 */
import { FloeError } from "../../shared/base/errors.ts";
import type { GrpcCode } from "./base/grpc-error.ts";

export type SuiFault =
  | { readonly kind: "none" }
  | { readonly kind: "error"; readonly method?: string; readonly count?: number; readonly code?: GrpcCode }
  | { readonly kind: "lose-reply"; readonly method?: string; readonly count?: number }
  | { readonly kind: "lag"; readonly checkpoints?: number }
  | { readonly kind: "congestion"; readonly count?: number }
  | { readonly kind: "prune"; readonly before: number };

export class SuiFaultError extends FloeError<"INVALID_FAULT"> {}

interface Active {
  readonly method: string | undefined;
  left: number;
}

const DEFAULT_LAG = 1;
const MAX_LAG = 10_000;

/** The faults of one stand-in; only `set` and the counted-down faults themselves change it. */
export class SuiFaults {
  #error: (Active & { readonly code: GrpcCode }) | undefined;
  #loseReply: Active | undefined;
  #congestion: Active | undefined;
  #lag = 0;
  #firstKept = 0;

  get lag(): number {
    return this.#lag;
  }

  /** The oldest checkpoint that reads know of; the state of objects is not affected. */
  get firstKept(): number {
    return this.#firstKept;
  }

  /** @throws SuiFaultError `INVALID_FAULT` for counts that make no sense */
  set(fault: SuiFault): void {
    switch (fault.kind) {
      case "none":
        this.#error = this.#loseReply = this.#congestion = undefined;
        this.#lag = this.#firstKept = 0;
        return;
      case "prune":
        if (!Number.isInteger(fault.before) || fault.before < 0) {
          throw new SuiFaultError("INVALID_FAULT", `pruned before checkpoint ${fault.before}`);
        }
        this.#firstKept = fault.before;
        return;
      case "error":
        this.#error = { method: fault.method, left: times(fault.count), code: fault.code ?? "UNAVAILABLE" };
        return;
      case "lose-reply":
        this.#loseReply = { method: fault.method ?? "ExecuteTransaction", left: times(fault.count) };
        return;
      case "congestion":
        this.#congestion = { method: undefined, left: times(fault.count) };
        return;
      case "lag": {
        const checkpoints = fault.checkpoints ?? DEFAULT_LAG;
        if (!Number.isInteger(checkpoints) || checkpoints < 0 || checkpoints > MAX_LAG) {
          throw new SuiFaultError("INVALID_FAULT", `a lag of ${checkpoints} checkpoints; 0 to ${MAX_LAG}`);
        }
        this.#lag = checkpoints;
        return;
      }
      default:
        fault satisfies never;
    }
  }

  /** The status to answer instead of running this method, if any; counts as one fault. */
  takeError(method: string): GrpcCode | undefined {
    const fault = this.#error;
    return fault !== undefined && take(fault, method) ? fault.code : undefined;
  }

  takeLostReply(method: string): boolean {
    return this.#loseReply !== undefined && take(this.#loseReply, method);
  }

  takeCongestion(): boolean {
    return this.#congestion !== undefined && take(this.#congestion, "");
  }
}

function times(count: number | undefined): number {
  if (count === undefined) return Number.POSITIVE_INFINITY;
  if (!Number.isInteger(count) || count < 1) {
    throw new SuiFaultError("INVALID_FAULT", `a fault that happens ${count} times`);
  }
  return count;
}

/** @param method full name `<package>.<Service>/<Method>`; faults name any tail of it */
function take(fault: Active, method: string): boolean {
  const isMeant =
    fault.method === undefined ||
    method === fault.method ||
    method.endsWith(`/${fault.method}`) ||
    method.endsWith(`.${fault.method}`);
  if (!isMeant || fault.left === 0) return false;
  fault.left--;
  return true;
}
