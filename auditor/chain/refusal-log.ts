/**
 * Logs why a transaction of the auditor did not go through, which no operator would see otherwise: the rounds go on,
 * and what was refused is tried again every few seconds. So a reason is logged when it is new for its call, and then
 * now and then.
 */
import type { Clock } from "../../shared/base/clock.ts";
import type { Log } from "../../shared/base/log.ts";
import { abortName, type ExecutionFailure } from "../../shared/sui/client/move-abort.ts";
import { SuiError } from "../../shared/sui/client/sui-error.ts";

/** What an auditor writes; the names of the contract. */
export type WriteCall =
  | "open_round"
  | "declare_population"
  | "report"
  | "file_claim"
  | "attest"
  | "bind"
  | "refute"
  | "finalize"
  | "withdraw"
  | "purge_claim"
  | "prune_round"
  | "prune_population";

/** Pause between two lines about the same reason. */
const REPEAT_MS = 10 * 60_000;
const MESSAGE_CHARACTERS = 200;
/** Enough of an ID to tell it from others. */
const ID_CHARACTERS = 10;

export class RefusalLog {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #balanceMist: () => Promise<bigint>;
  /** The reason logged last for each call, until one goes through. */
  readonly #last = new Map<WriteCall, { readonly reason: string; readonly atMs: number }>();

  /** @param parts.balanceMist what the auditor has to pay gas and bonds with */
  constructor(parts: {
    readonly log: Log;
    readonly clock: Clock;
    readonly balanceMist: () => Promise<bigint>;
  }) {
    this.#log = parts.log;
    this.#clock = parts.clock;
    this.#balanceMist = parts.balanceMist;
  }

  wentThrough(call: WriteCall): void {
    this.#last.delete(call);
  }

  /** The contract, or the validator that executes, refuses it; simulated or real. */
  async failed(call: WriteCall, failure: ExecutionFailure): Promise<void> {
    switch (failure.kind) {
      case "move-abort": {
        const reason = abortName(failure.module, failure.abortCode);
        if (this.#isNew(call, reason))
          this.#log("transaction-refused", { call, reason, abortCode: failure.abortCode });
        return;
      }
      case "congestion":
        if (this.#isNew(call, "congestion")) this.#log("transaction-refused", { call, reason: "congestion" });
        return;
      case "other":
        return this.#withBalance(call, "execution-failed", failure.message);
      default:
        return failure satisfies never;
    }
  }

  /** The endpoint does not take it at all, such as for want of gas. */
  rejected(call: WriteCall, error: SuiError): Promise<void> {
    return this.#withBalance(call, error.code, error.message);
  }

  /** It was sent, and its outcome cannot be learned. */
  unknown(call: WriteCall, error: SuiError): void {
    const { reason, digest } = error.details;
    if (this.#isNew(call, error.code))
      this.#log("transaction-unknown", { call, reason: String(reason), digest: String(digest) });
  }

  async #withBalance(call: WriteCall, reason: string, message: string): Promise<void> {
    if (!this.#isNew(call, reason)) return;
    const balance = await this.#balance();
    this.#log("transaction-refused", {
      call,
      reason,
      message: shortened(message),
      balanceMist: balance === undefined ? null : `${balance}`,
    });
  }

  /** undefined when it cannot be read: the refusal is logged all the same. */
  async #balance(): Promise<bigint | undefined> {
    try {
      return await this.#balanceMist();
    } catch (error) {
      if (error instanceof SuiError) return undefined;
      throw error;
    }
  }

  #isNew(call: WriteCall, reason: string): boolean {
    const atMs = this.#clock.nowMs();
    const last = this.#last.get(call);
    if (last?.reason === reason && atMs - last.atMs < REPEAT_MS) return false;
    this.#last.set(call, { reason, atMs });
    return true;
  }
}

/** An endpoint's words, with no more of any address or ID than tells it from others. */
const shortened = (message: string): string =>
  message.replace(/0x[0-9a-f]{9,}/gi, (id) => id.slice(0, ID_CHARACTERS)).slice(0, MESSAGE_CHARACTERS);
