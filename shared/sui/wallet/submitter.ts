/**
 * The wallet's front: takes registrations, certifications and deletions, each named by an intent, and answers every
 * call with an intent's one outcome. How they get to the chain is `submission-engine.ts`.
 */

import { withTimer } from "../../base/deadline.ts";
import { SubmissionEngine, type SubmitterOptions } from "./engine.ts";
import { WALLET_LIMITS } from "./limits.ts";
import { fromPortableError } from "./portable-error.ts";
import { checkCertifyRequest, checkRegisterRequest, isSameIntent, sameRequest } from "./requests.ts";
import type { OperationKind, OperationShapes, StoredOperation } from "./store.ts";
import {
  type CertifiedBlob,
  type CertifyRequest,
  type DeletedBlob,
  type DeleteRequest,
  type RegisteredBlob,
  type RegisterRequest,
  SubmissionError,
} from "./submissions.ts";

interface Waiter {
  resolve(operation: StoredOperation): void;
  reject(error: unknown): void;
}

export class Submitter {
  readonly #options: SubmitterOptions;
  readonly #engine: SubmissionEngine;
  /** Callers by intent; written by `#waitFor` and by the engine's news. */
  readonly #waiters = new Map<string, Set<Waiter>>();

  constructor(options: SubmitterOptions) {
    this.#options = options;
    this.#engine = new SubmissionEngine(options, {
      settled: (operation) => this.#tell(operation.intentId, (waiter) => waiter.resolve(operation)),
      stuck: (cause) => {
        for (const intentId of [...this.#waiters.keys()]) {
          // What is not signed fails for its callers; what is signed is theirs to ask for again.
          const operation = options.store.operation(intentId);
          if (operation?.state.name === "waiting") this.#engine.fail(operation, cause);
          else this.#tell(intentId, (waiter) => waiter.reject(pending(intentId)));
        }
      },
      died: (error) => {
        for (const intentId of [...this.#waiters.keys()]) {
          this.#tell(intentId, (waiter) => waiter.reject(error));
        }
      },
    });
  }

  /**
   * Reserves space for a blob and registers it.
   *
   * @throws SubmissionError, PriceError, MoveAbortError or SuiError: nothing was paid but gas, asking again tries
   *   again; except `SUBMISSION_PENDING`: the outcome is open, asking again joins
   */
  async register(request: RegisterRequest): Promise<RegisteredBlob> {
    checkRegisterRequest(request);
    return this.#ask("register", request);
  }

  /** Certifies a registered blob, in the same transaction handing it over if asked. Errors as `register`. */
  async certify(request: CertifyRequest): Promise<CertifiedBlob> {
    checkCertifyRequest(request);
    return this.#ask("certify", request);
  }

  /** Deletes a deletable blob; its storage stays with the wallet. Errors as `register`. */
  async delete(request: DeleteRequest): Promise<DeletedBlob> {
    return this.#ask("delete", request);
  }

  /** True while anything is waiting or signed: then somebody must call `drive` sooner or later. */
  get hasWork(): boolean {
    return this.#engine.hasWork;
  }

  /** Works until nothing is left or nothing moves. May be called at any time; calls join. */
  drive(): Promise<void> {
    return this.#engine.drive();
  }

  /**
   * Takes care of registrations paid at least `olderThanMs` ago and never certified: deletable ones are deleted,
   * which frees their storage for the wallet; permanent ones wait for the next registration alike.
   */
  async sweep(olderThanMs: number): Promise<void> {
    const { store, clock } = this.#options;
    const abandoned = store.ledgerRows(
      "registered",
      clock.nowMs() - olderThanMs,
      WALLET_LIMITS.batchOperations,
    );
    const deletions: Promise<unknown>[] = [];
    for (const row of abandoned) {
      if (!row.registered.deletable) store.apply({ ledger: [{ ...row, state: "reusable" }] });
      else deletions.push(this.delete({ intentId: `sweep:${row.objectId}`, objectId: row.objectId }));
    }
    // Each outcome is stored with its operation; one that failed is found again by the next sweep.
    await Promise.allSettled(deletions);
  }

  async #ask<Kind extends OperationKind>(
    kind: Kind,
    request: OperationShapes[Kind]["request"],
  ): Promise<OperationShapes[Kind]["result"]> {
    const admitted = this.#admit(kind, request);
    const { state } = admitted.state.name === "done" ? admitted : await this.#waitFor(request.intentId);
    // `#admit` refuses an intent of another kind, so the result is of this kind.
    if (state.name === "done") return state.result as OperationShapes[Kind]["result"];
    throw state.name === "failed" ? fromPortableError(state.error) : pending(request.intentId);
  }

  /** Stores the request as waiting unless it is known; synchronous, so equal calls cannot interleave. */
  #admit<Kind extends OperationKind>(kind: Kind, request: OperationShapes[Kind]["request"]): StoredOperation {
    const { store, clock } = this.#options;
    const known = store.operation(request.intentId);
    if (known !== undefined) {
      if (known.kind !== kind || !isSameIntent(known.request, request)) {
        throw new SubmissionError(
          "INTENT_CONFLICT",
          `intent ${request.intentId} stands for another request`,
          {
            details: { intentId: request.intentId, kind: known.kind },
          },
        );
      }
      const isUnderWay = known.state.name === "done" || known.state.name === "signed";
      if (isUnderWay || (known.state.name === "waiting" && sameRequest(known.request, request))) return known;
    } else if (store.waitingCount() >= WALLET_LIMITS.walletWaiting) {
      throw new SubmissionError("WALLET_BUSY", `${WALLET_LIMITS.walletWaiting} submissions wait already`, {
        retryable: true,
        details: { waiting: WALLET_LIMITS.walletWaiting },
      });
    }
    // `kind` and `request` come from one row of OperationShapes.
    const operation = {
      kind,
      intentId: request.intentId,
      request,
      state: { name: "waiting" },
      attempts: 0,
      createdAtMs: known?.createdAtMs ?? clock.nowMs(),
      charge: null,
    } as unknown as StoredOperation;
    store.apply({ operations: [operation] });
    return operation;
  }

  async #waitFor(intentId: string): Promise<StoredOperation> {
    const waiters = this.#waiters.get(intentId) ?? new Set<Waiter>();
    this.#waiters.set(intentId, waiters);
    const settled = Promise.withResolvers<StoredOperation>();
    const waiter: Waiter = settled;
    waiters.add(waiter);
    const giveUp = (): void => {
      waiters.delete(waiter);
      settled.reject(pending(intentId));
    };
    try {
      return await withTimer(this.#options.clock, WALLET_LIMITS.walletCallTimeoutMs, giveUp, () => {
        // Whatever ends the work early reaches the callers through the engine's news.
        this.drive().catch(() => {});
        return settled.promise;
      });
    } finally {
      if (waiters.size === 0 && this.#waiters.get(intentId) === waiters) this.#waiters.delete(intentId);
    }
  }

  #tell(intentId: string, tell: (waiter: Waiter) => void): void {
    const waiters = this.#waiters.get(intentId);
    this.#waiters.delete(intentId);
    if (waiters !== undefined) for (const waiter of waiters) tell(waiter);
  }
}

const pending = (intentId: string): SubmissionError =>
  new SubmissionError("SUBMISSION_PENDING", `intent ${intentId} is not decided yet; ask again`, {
    retryable: true,
    details: { intentId },
  });
