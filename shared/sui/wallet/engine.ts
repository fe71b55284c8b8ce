/**
 * Carries stored operations to the chain, each once, whatever dies in between.
 *
 * One transaction is open at a time, so no two transactions are ever signed over the same version of a coin; what
 * waits meanwhile goes into the next one together. The steps, and what a death right after each leaves behind:
 *
 *   operation stored as waiting      -> built again by the next drive
 *   transaction built and simulated  -> nothing; simulation refuses the bad before it costs anything
 *   "wallet.before-sign"
 *   signed bytes + signature stored  -> the same bytes are sent by the next drive
 *   "wallet.after-persist"
 *   sent                             -> the same bytes are sent again: one transaction, however often
 *   "wallet.after-send"
 *   effects and objects read back    -> looked up again
 *   "wallet.after-effects"
 *   outcome stored, callers told     -> the stored outcome answers every later call
 *
 * A transaction without known effects stays open. "Not found" does not mean "not executed". It is dropped, and its
 * operations wait for a new one, only when it is proven that it cannot execute: another transaction used up a version
 * it needs; or its last epoch is over and its inputs are unused (whatever uses them next excludes it for good), or an
 * endpoint whose history spans the time does not know it.
 */
import type { Clock, RandomBytes } from "../../base/clock.ts";
import { backoffMs } from "../../base/deadline.ts";
import { FloeError } from "../../base/errors.ts";
import type { FailPoint } from "../../base/fail-point.ts";
import type { ObjectId } from "../../protocol/ids.ts";
import { type ExecutionFailure, failureVerdict, MoveAbortError } from "../client/move-abort.ts";
import { SuiError } from "../client/sui-error.ts";
import type { ChainSnapshot } from "../walrus/chain-snapshot.ts";
import { chooseBatch, type PlannedBatch, planBatch } from "./batch.ts";
import { WALLET_LIMITS } from "./limits.ts";
import { toPortableError } from "./portable-error.ts";
import { sameRequest } from "./requests.ts";
import { registrationGone, settleSuccess } from "./results.ts";
import type { SpendingCaps } from "./spending.ts";
import type { OpenTransaction, OperationOf, StoredOperation, SubmitterStore } from "./store.ts";
import { SubmissionError } from "./submissions.ts";
import { type ExecutedTransaction, SimulatedFailure, type WalletChain } from "./wallet-chain.ts";

export interface Signer {
  readonly address: ObjectId;
  /** Serialised signature (base64 of flag, signature, public key) over a transaction's bytes. */
  sign(bytes: Uint8Array): Promise<string>;
}

export interface SubmitterOptions {
  readonly signer: Signer;
  readonly chain: WalletChain;
  /** A snapshot read no earlier than `minReadAtMs`. */
  readonly snapshot: (minReadAtMs: number) => Promise<ChainSnapshot>;
  readonly store: SubmitterStore;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  readonly failPoint: FailPoint;
  readonly caps?: SpendingCaps;
  /** Pay gas and WAL from address balances when they suffice. Default true. */
  readonly useAddressBalance?: boolean;
}

/** Told of what happens to operations; called after it is stored. */
export interface EngineListener {
  settled(operation: StoredOperation): void;
  /** Nothing has moved for `WALLET_LIMITS.walletFailedRounds` rounds; the engine stops until the next drive. */
  stuck(cause: FloeError): void;
  /** The engine met a bug or its own death; the store knows what the next drive has to do. */
  died(error: unknown): void;
}

/** Waiting operations looked at for one batch. */
const WAITING_WINDOW = 500;
const BACKOFF_MIN_MS = 200;
const BACKOFF_MAX_MS = 5_000;
/** Sendings of the same bytes before proof of death is looked for. */
const SENDINGS_BEFORE_PROOF = 2;

export class SubmissionEngine {
  readonly #options: SubmitterOptions;
  readonly #listener: EngineListener;
  #running: Promise<void> | undefined;
  /** Snapshots older than this are known to be out of date. */
  #minSnapshotMs = 0;
  /** Narrower batches for operations whose last batch failed without a culprit. Lost on restart: then found again. */
  readonly #batchLimits = new Map<string, number>();
  /** Off for good once an endpoint has refused such a transaction. */
  #useAddressBalance: boolean;
  /** Sendings of the open transaction by this instance. */
  #sendings = 0;
  #lastError: FloeError | undefined;
  /** How often operations of this round have waited for something that passes: the longer, the longer the pause. */
  #waits = 0;

  constructor(options: SubmitterOptions, listener: EngineListener) {
    this.#options = options;
    this.#listener = listener;
    this.#useAddressBalance = options.useAddressBalance ?? true;
  }

  /** True while anything is waiting or signed: then somebody must call `drive` sooner or later. */
  get hasWork(): boolean {
    const { store } = this.#options;
    return store.openTransactions().length > 0 || store.waitingCount() > 0;
  }

  /** Works until nothing is left or nothing moves. May be called at any time; calls join. */
  drive(): Promise<void> {
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Ends an operation without effect; it must not be signed. */
  fail(operation: StoredOperation, error: FloeError): void {
    const failed = {
      ...operation,
      state: { name: "failed" as const, error: toPortableError(error) },
      charge: null,
    };
    this.#options.store.apply({ operations: [failed] });
    this.#settled(operation.intentId);
  }

  async #work(): Promise<void> {
    let failedRounds = 0;
    try {
      while (this.hasWork) {
        this.#waits = 0;
        const didMove = await this.#round();
        failedRounds = didMove ? 0 : failedRounds + 1;
        if (failedRounds >= WALLET_LIMITS.walletFailedRounds) {
          const cause = new SuiError("SUI_UNREACHABLE", "the chain does not answer", { retryable: true });
          return this.#listener.stuck(this.#lastError ?? cause);
        }
        const pauses = Math.max(failedRounds, this.#waits);
        if (pauses > 0) await this.#pause(pauses);
      }
    } catch (error) {
      this.#listener.died(error);
      throw error;
    }
  }

  /** One transaction further. @returns false when nothing moved */
  async #round(): Promise<boolean> {
    const [open] = this.#options.store.openTransactions();
    try {
      return open === undefined ? await this.#submitNext() : await this.#settle(open);
    } catch (error) {
      if (!(error instanceof FloeError)) throw error;
      if (error.code === "SUI_STALE") this.#minSnapshotMs = this.#options.clock.nowMs();
      this.#lastError = error;
      return false;
    }
  }

  async #pause(pauses: number): Promise<void> {
    const { clock, randomBytes } = this.#options;
    await clock.sleep(backoffMs(pauses, BACKOFF_MIN_MS, BACKOFF_MAX_MS, randomBytes));
  }

  async #submitNext(): Promise<boolean> {
    const { store, signer, chain, clock, randomBytes, caps, snapshot } = this.#options;
    const candidates = chooseBatch(
      store.waiting(WAITING_WINDOW),
      (operation) => this.#batchLimits.get(operation.intentId) ?? WALLET_LIMITS.batchOperations,
    );
    const current = await snapshot(this.#minSnapshotMs);
    const operations = this.#answerFromLedger(candidates, current);
    if (operations.length === 0) return true;
    const context = { owner: signer.address, chain, store, caps: caps ?? {}, randomBytes };
    const plan = await planBatch(
      { ...context, nowMs: clock.nowMs(), useAddressBalance: this.#useAddressBalance },
      current,
      operations,
    );
    for (const { operation, error } of plan.refused) this.fail(operation, error);
    this.#retry(plan.postponed);
    if (plan.batch !== undefined) await this.#buildAndSign(plan.batch);
    return true;
  }

  async #buildAndSign(batch: PlannedBatch): Promise<void> {
    const { store, signer, chain, clock, failPoint } = this.#options;
    const { operations, itemOfCommand } = batch;
    let built: Awaited<ReturnType<WalletChain["build"]>>;
    try {
      built = await chain.build(batch.transaction);
    } catch (error) {
      if (error instanceof SimulatedFailure) {
        this.#afterFailure(operations, itemOfCommand, error.failure);
        return;
      }
      if (!(error instanceof SuiError) || error.code !== "SUI_REJECTED") throw error;
      if (batch.usesAddressBalance) {
        this.#useAddressBalance = false;
        this.#retry(operations);
        return;
      }
      const failure = { kind: "other", message: error.message, command: undefined } as const;
      this.#afterFailure(operations, itemOfCommand, failure);
      return;
    }
    if (built.gasBudgetMist > batch.gasMist) {
      // Simulation does not look at it, but validators would refuse the signed transaction until its epoch ends.
      this.#narrowOrFail(operations, batch.gasShortage(built.gasBudgetMist));
      return;
    }
    await failPoint("wallet.before-sign");
    const signature = await signer.sign(built.bytes);
    const nowMs = clock.nowMs();
    store.apply({
      open: {
        digest: built.digest,
        kind: operations[0]?.kind ?? "register",
        intentIds: operations.map((each) => each.intentId),
        itemOfCommand: itemOfCommand.map((item) => item ?? null),
        bytes: built.bytes,
        signature,
        inputs: batch.inputs,
        successorSharesInput: batch.successorSharesInput,
        signedInEpoch: batch.epoch,
        lastEpoch: batch.lastEpoch,
        signedAtMs: nowMs,
      },
      operations: operations.map((operation, index) => ({
        ...operation,
        state: { name: "signed" as const, digest: built.digest },
        charge:
          operation.kind === "register"
            ? { principal: operation.request.principal, frost: batch.costs[index] ?? 0n, atMs: nowMs }
            : null,
      })),
    });
    this.#sendings = 0;
    await failPoint("wallet.after-persist");
  }

  /** Sends the open transaction, again if need be, and settles it. @returns false while its outcome is open */
  async #settle(open: OpenTransaction): Promise<boolean> {
    const { store, chain, clock, failPoint } = this.#options;
    const executed = await this.#execute(open);
    if (executed === undefined) {
      if (this.#sendings < SENDINGS_BEFORE_PROOF || !(await this.#isProvenDead(open))) return false;
      this.#putBack(open);
      return true;
    }
    if (executed.failure !== undefined) {
      await failPoint("wallet.after-effects");
      const itemOfCommand = open.itemOfCommand.map((item) => item ?? undefined);
      this.#putBack(open);
      this.#afterFailure(this.#operationsOf(open), itemOfCommand, executed.failure);
      return true;
    }
    const operations = this.#operationsOf(open);
    const change = await settleSuccess(chain, store, executed, operations, clock.nowMs());
    await failPoint("wallet.after-effects");
    store.apply(change);
    for (const { intentId } of operations) this.#settled(intentId);
    return true;
  }

  async #execute(open: OpenTransaction): Promise<ExecutedTransaction | undefined> {
    const { chain, failPoint } = this.#options;
    this.#sendings++;
    let executed: ExecutedTransaction | undefined;
    try {
      executed = await chain.execute(open, open.signature);
    } catch (error) {
      if (!(error instanceof SuiError)) throw error;
      this.#lastError = error;
    }
    await failPoint("wallet.after-send");
    return executed ?? chain.lookUp(open.digest);
  }

  async #isProvenDead(open: OpenTransaction): Promise<boolean> {
    const { chain } = this.#options;
    const { epoch } = await chain.suiEpoch();
    const fates = await Promise.all(open.inputs.map((input) => chain.fateOf(input)));
    if (fates.some((fate) => fate.kind === "consumed" && fate.byDigest !== open.digest)) return true;
    if (epoch <= open.lastEpoch) return false;
    const areUnused = fates.length > 0 && fates.every((fate) => fate.kind === "current");
    if (areUnused && open.successorSharesInput) return true;
    return chain.isProvenAbsent(open.digest, open.signedInEpoch, open.lastEpoch);
  }

  #operationsOf(open: OpenTransaction): readonly StoredOperation[] {
    return open.intentIds.flatMap((intentId) => this.#options.store.operation(intentId) ?? []);
  }

  /** The transaction is over without effect: its operations wait again, and the money is free. */
  #putBack(open: OpenTransaction): void {
    const operations = this.#operationsOf(open).map((operation) => ({
      ...operation,
      state: { name: "waiting" as const },
      charge: null,
    }));
    this.#options.store.apply({ close: open.digest, operations });
  }

  /** Decides over the (waiting) operations of a batch that failed in simulation or on chain. */
  #afterFailure(
    operations: readonly StoredOperation[],
    itemOfCommand: readonly (number | undefined)[],
    failure: ExecutionFailure,
  ): void {
    const verdict = failureVerdict(failure);
    if (verdict === "refresh") this.#minSnapshotMs = this.#options.clock.nowMs();
    if (verdict !== "refuse") {
      this.#lastError = failureError(failure);
      this.#retry(operations);
      return;
    }
    const command = failure.kind === "congestion" ? undefined : failure.command;
    const item = command === undefined ? undefined : itemOfCommand[command];
    const culprit = item === undefined ? undefined : operations[item];
    if (culprit !== undefined) this.fail(culprit, failureError(failure));
    else this.#narrowOrFail(operations, failureError(failure));
  }

  /** Nobody is named for a failure: halves find out who it is. */
  #narrowOrFail(operations: readonly StoredOperation[], error: FloeError): void {
    const [first] = operations;
    if (operations.length === 1 && first !== undefined) {
      this.fail(first, error);
      return;
    }
    const half = Math.ceil(operations.length / 2);
    for (const { intentId } of operations) this.#batchLimits.set(intentId, half);
  }

  /** Counts another attempt; gives up on operations that had too many. */
  #retry(operations: readonly StoredOperation[]): void {
    for (const operation of operations) {
      const attempts = operation.attempts + 1;
      this.#waits = Math.max(this.#waits, attempts);
      if (attempts < WALLET_LIMITS.submitAttempts) {
        const again = { ...operation, state: { name: "waiting" as const }, attempts };
        this.#options.store.apply({ operations: [again] });
        continue;
      }
      const last = this.#lastError === undefined ? "" : `; last: ${this.#lastError.message}`;
      const error = new SubmissionError("SUBMISSION_GAVE_UP", `gave up after ${attempts} tries${last}`, {
        retryable: true,
        details: { attempts, last: this.#lastError?.code ?? null },
      });
      this.fail(operation, error);
    }
  }

  /** Answers what the ledger answers, without a transaction; returns the other operations. */
  #answerFromLedger(
    operations: readonly StoredOperation[],
    snapshot: ChainSnapshot,
  ): readonly StoredOperation[] {
    return operations.filter((operation) => {
      switch (operation.kind) {
        case "register":
          return !this.#reuse(operation, snapshot);
        case "certify":
          return !this.#isCertified(operation);
        case "delete":
          return true;
        default:
          return operation satisfies never;
      }
    });
  }

  /** Another intent has certified this very object; a change of owner it cannot stand for. */
  #isCertified(operation: OperationOf<"certify">): boolean {
    const { store } = this.#options;
    const { objectId, share, sendObjectTo } = operation.request;
    const result = store.ledgerRow(objectId)?.certified ?? null;
    if (result === null || share === true || sendObjectTo !== undefined) return false;
    store.apply({ operations: [{ ...operation, state: { name: "done", result } }] });
    this.#settled(operation.intentId);
    return true;
  }

  /** A swept registration fits: it passes to this intent, and the one it was bought for would have to buy anew. */
  #reuse(operation: OperationOf<"register">, snapshot: ChainSnapshot): boolean {
    const { store } = this.#options;
    const { request, intentId } = operation;
    for (const row of store.reusable(request.principal, request.blobId)) {
      const before = store.operation(row.intentId);
      if (before?.kind !== "register" || row.endEpoch !== snapshot.epoch + request.epochs) continue;
      if (!sameRequest({ ...before.request, intentId, epochs: request.epochs }, request)) continue;
      store.apply({
        operations: [
          ...(before.intentId === intentId ? [] : [registrationGone(before)]),
          { ...operation, state: { name: "done", result: row.registered } },
        ],
        ledger: [{ ...row, state: "registered", intentId }],
      });
      this.#settled(intentId);
      return true;
    }
    return false;
  }

  #settled(intentId: string): void {
    this.#batchLimits.delete(intentId);
    const operation = this.#options.store.operation(intentId);
    if (operation !== undefined) this.#listener.settled(operation);
  }
}

const failureError = (failure: ExecutionFailure): FloeError =>
  failure.kind === "move-abort"
    ? new MoveAbortError(failure)
    : new SubmissionError(
        "EXECUTION_FAILED",
        `the transaction fails: ${failure.kind === "other" ? failure.message : failure.kind}`,
      );
