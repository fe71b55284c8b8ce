/** What the services answer from. Reads come from `ledger.reads`, which may lag; execution is one function. */
import type { ObjectId } from "../../../shared/protocol/ids.ts";
import { parseObjectId } from "../../../shared/protocol/ids.ts";
import { GrpcError, invalidArgument } from "../base/grpc-error.ts";
import type { Packages } from "../contracts/functions.ts";
import type { NetworkIds } from "../contracts/genesis.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { ExecutedTransaction } from "../ledger/state.ts";
import type { MoveTypes } from "../move/types.ts";
import type { ExecutionContext } from "../vm/executor.ts";
import type { LedgerTime } from "../vm/transaction-checks.ts";

export interface RpcContext {
  readonly ledger: Ledger;
  readonly types: MoveTypes;
  readonly packages: Packages;
  readonly ids: NetworkIds;
  /** Of Sui's epochs. */
  readonly epochDurationMs: number;
  readonly nowMs: () => number;
  readonly nonce: () => number;
  /** The oldest checkpoint that reads know of: a full node forgets. */
  readonly firstKept: () => number;
  /** Aborts when the network closes, which ends all streams. */
  readonly closing: AbortSignal;
  /** Verifies, executes and sequences; returns the stored result for bytes executed before. */
  readonly execute: (bytes: Uint8Array, signatures: readonly Uint8Array[]) => Promise<ExecutedTransaction>;
}

/** How reads (and simulations) see the ledger. */
export const readContext = ({ ledger, types, packages, nowMs }: RpcContext): ExecutionContext => ({
  state: ledger.reads,
  types,
  packages,
  epoch: ledger.epoch,
  nowMs: nowMs(),
});

export const ledgerTime = ({ ledger, ids, nowMs }: RpcContext): LedgerTime => ({
  epoch: ledger.epoch,
  nowMs: nowMs(),
  chainId: ids.chainId,
});

/** @throws GrpcError `INVALID_ARGUMENT` naming the field */
export function requiredId(text: string | undefined, field: string): ObjectId {
  if (text === undefined) throw invalidArgument(`${field} is missing`);
  try {
    return parseObjectId(text);
  } catch (cause) {
    throw invalidArgument(`${field} is no address or object ID`, cause);
  }
}

export function required<T>(value: T | undefined, field: string): T {
  if (value === undefined) throw invalidArgument(`${field} is missing`);
  return value;
}

/** @throws GrpcError `RESOURCE_EXHAUSTED` */
export function checkBatch(count: number, limit: number): void {
  if (count > limit) throw new GrpcError("RESOURCE_EXHAUSTED", `${count} items in a batch; at most ${limit}`);
}

/** The 32 bytes of an ID as page token: the last item of the page before. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: Uint8Array | undefined;
}

const DEFAULT_PAGE = 50;
const MAX_PAGE = 1000;

/** One page of `all`, which is sorted by `key`. */
export function page<T>(
  all: readonly T[],
  key: (item: T) => string,
  pageSize: number | undefined,
  token: Uint8Array | undefined,
): Page<T> {
  const after = token === undefined ? "" : new TextDecoder().decode(token);
  const size = Math.min(pageSize === undefined || pageSize === 0 ? DEFAULT_PAGE : pageSize, MAX_PAGE);
  const rest = all.filter((item) => key(item) > after);
  const items = rest.slice(0, size);
  const last = items.at(-1);
  const hasMore = rest.length > items.length && last !== undefined;
  return { items, next: hasMore ? new TextEncoder().encode(key(last)) : undefined };
}
