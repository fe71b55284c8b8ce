/**
 * The ledger: orders transactions into checkpoints, one each, and serves reads from a state that may lag.
 *
 * Execution always sees the tip. Reads see the tip too, unless a lag is set: then they trail by that many checkpoints,
 * like a full node that indexes behind the validators. Written first, then applied, then told.
 */
import { bcs } from "@mysten/sui/bcs";
import { assert } from "../../../shared/base/errors.ts";
import { CLOCK_OBJECT_ID } from "../../../shared/sui/client/type-names.ts";
import { type StoredObject, sealObject, typedDigest } from "../move/objects.ts";
import { ClockLayout } from "../move/types.ts";
import type { Execution } from "./execution.ts";
import type { LedgerLog } from "./log.ts";
import { type Checkpoint, type Commit, type ExecutedTransaction, LedgerState } from "./state.ts";

const SummaryLayout = bcs.struct("CheckpointSummary", {
  epoch: bcs.u64(),
  sequenceNumber: bcs.u64(),
  totalTransactions: bcs.u64(),
  contentDigest: bcs.ObjectDigest,
  previousDigest: bcs.option(bcs.ObjectDigest),
  timestampMs: bcs.u64(),
});

export interface Sequenced {
  readonly execution: Execution;
  readonly bytes: Uint8Array;
  readonly signatures: readonly Uint8Array[];
}

export class Ledger {
  readonly tip = new LedgerState();
  readonly reads = new LedgerState();
  readonly #log: LedgerLog | undefined;
  readonly #nowMs: () => number;
  /** Commits that reads do not see yet, oldest first. */
  readonly #held: Commit[] = [];
  #lag = 0;
  #listeners = new Set<() => void>();

  constructor(nowMs: () => number, log?: LedgerLog) {
    this.#nowMs = nowMs;
    this.#log = log;
    for (const commit of log?.replay() ?? []) {
      this.tip.apply(commit);
      this.reads.apply(commit);
    }
  }

  /** Epoch of Sui. */
  get epoch(): bigint {
    return this.tip.checkpoints.at(-1)?.epoch ?? 0n;
  }

  epochStartMs(state: LedgerState): number {
    const epoch = state.checkpoints.at(-1)?.epoch;
    return state.checkpoints.find((each) => each.epoch === epoch)?.timestampMs ?? 0;
  }

  /** How many checkpoints reads trail behind; lowering it lets them catch up at once. */
  setLag(checkpoints: number): void {
    this.#lag = checkpoints;
    this.#release();
  }

  get isHoldingBack(): boolean {
    return this.#held.length > 0;
  }

  /** Appends a transaction, or an empty checkpoint, which shows followers that time passes. */
  append(sequenced: Sequenced | null, epoch: bigint = this.epoch): Checkpoint {
    const previous = this.tip.checkpoints.at(-1);
    const timestampMs = Math.max(this.#nowMs(), previous?.timestampMs ?? 0);
    const sequenceNumber = this.tip.height + 1n;
    const transaction = sequenced === null ? null : executed(sequenced, sequenceNumber, timestampMs);
    const contentDigest = typedDigest(
      "CheckpointContents",
      new TextEncoder().encode(`${transaction?.digest ?? ""} ${transaction?.effectsDigest ?? ""}`),
    );
    const summary = {
      epoch,
      sequenceNumber,
      totalTransactions: (previous?.totalTransactions ?? 0n) + (transaction === null ? 0n : 1n),
      contentDigest,
      previousDigest: previous?.digest ?? null,
      timestampMs,
    };
    const digest = typedDigest("CheckpointSummary", SummaryLayout.serialize(summary).toBytes());
    const checkpoint: Checkpoint = { ...summary, digest, transaction };
    const clock = this.#clockAt(timestampMs);
    const commit: Commit = {
      checkpoint,
      written: [...(sequenced?.execution.written ?? []), ...(clock === undefined ? [] : [clock])],
      removed: sequenced?.execution.removed ?? [],
      balances: sequenced?.execution.balances ?? [],
    };
    this.#log?.append(commit);
    this.tip.apply(commit);
    this.#held.push(commit);
    this.#release();
    return checkpoint;
  }

  /** Checkpoints as reads come to see them, from `from` on, until the signal aborts. */
  async *follow(from: bigint, signal: AbortSignal): AsyncGenerator<Checkpoint> {
    for (let next = Number(from); !signal.aborted; next++) {
      while (this.reads.checkpoints.length <= next) {
        await this.#nextChange(signal);
        if (signal.aborted) return;
      }
      const checkpoint = this.reads.checkpoints[next];
      assert(checkpoint !== undefined, "checkpoints have no gaps");
      yield checkpoint;
    }
  }

  /** Resolves when reads have advanced or the signal aborts. */
  #nextChange(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#listeners.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#listeners.add(done);
      signal.addEventListener("abort", done);
    });
  }

  close(): void {
    this.#log?.close();
  }

  #release(): void {
    let released = false;
    while (this.#held.length > this.#lag) {
      const commit = this.#held.shift();
      assert(commit !== undefined, "commits are held");
      this.reads.apply(commit);
      released = true;
    }
    if (released) for (const listener of [...this.#listeners]) listener();
  }

  /** The Clock object as the checkpoint leaves it; nothing before genesis has made one. */
  #clockAt(timestampMs: number): StoredObject | undefined {
    const clock = this.tip.object(CLOCK_OBJECT_ID);
    if (clock === undefined) return undefined;
    const contents = ClockLayout.serialize({ id: CLOCK_OBJECT_ID, timestamp_ms: timestampMs }).toBytes();
    return sealObject({ ...clock, version: clock.version + 1n, contents });
  }
}

function executed(
  { execution, bytes, signatures }: Sequenced,
  checkpoint: bigint,
  timestampMs: number,
): ExecutedTransaction {
  return {
    digest: execution.effects.transactionDigest,
    bytes,
    signatures,
    effects: execution.effects,
    effectsBytes: execution.effectsBytes,
    effectsDigest: execution.effectsDigest,
    events: execution.events,
    eventsBytes: execution.eventsBytes,
    balanceChanges: execution.balanceChanges,
    timestampMs,
    checkpoint,
  };
}
