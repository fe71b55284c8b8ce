/**
 * Sends the auditor's transactions, signed with its key, and tells what became of each. Nothing is stored: see
 * `sui-audit-chain.ts` for why the contract needs no journal.
 */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import type { Transaction } from "@mysten/sui/transactions";
import type { Clock } from "../../shared/base/clock.ts";
import type { Log } from "../../shared/base/log.ts";
import { type ObjectId, parseObjectId } from "../../shared/protocol/ids.ts";
import { ConfigError } from "../../shared/protocol/settings.ts";
import { abortName, type ExecutionFailure } from "../../shared/sui/client/move-abort.ts";
import { SuiError } from "../../shared/sui/client/sui-error.ts";
import { SUI_COIN_TYPE } from "../../shared/sui/client/type-names.ts";
import {
  createWalletChain,
  SimulatedFailure,
  type WalletChain,
} from "../../shared/sui/wallet/wallet-chain.ts";
import { RefusalLog, type WriteCall } from "./refusal-log.ts";

/** What became of a transaction. */
export type Sent =
  | { readonly kind: "done"; readonly digest: string }
  /** By the contract, with the name of its reason; or for something else, such as missing gas. */
  | { readonly kind: "refused"; readonly abort: string | undefined }
  /** The outcome cannot be learned: read what stands on chain. */
  | { readonly kind: "unknown" };

export class TransactionSender {
  readonly auditor: ObjectId;
  readonly #key: Ed25519Keypair;
  readonly #wallet: WalletChain;
  readonly #refusals: RefusalLog;

  /** @throws ConfigError for a text that is no key */
  constructor(client: SuiGrpcClient, secretKey: string, log: Log, clock: Clock) {
    this.#key = keyOf(secretKey);
    this.auditor = parseObjectId(this.#key.toSuiAddress());
    this.#wallet = createWalletChain(client, [client]);
    this.#refusals = new RefusalLog({ log, clock, balanceMist: () => this.#balanceMist() });
  }

  /** @throws SuiError when the endpoint cannot be asked */
  async send(call: WriteCall, transaction: Transaction): Promise<Sent> {
    transaction.setSender(this.auditor);
    try {
      const built = await this.#wallet.build(transaction);
      const { signature } = await this.#key.signTransaction(built.bytes);
      const { failure, digest } = await this.#wallet.execute(built, signature);
      if (failure !== undefined) return await this.#refused(call, failure);
      this.#refusals.wentThrough(call);
      return { kind: "done", digest };
    } catch (error) {
      if (error instanceof SimulatedFailure) return this.#refused(call, error.failure);
      if (!(error instanceof SuiError)) throw error;
      switch (error.code) {
        case "SUI_OUTCOME_UNKNOWN":
          this.#refusals.unknown(call, error);
          return { kind: "unknown" };
        case "SUI_REJECTED":
          // Nothing was signed: whatever is sent comes back as an unknown outcome.
          await this.#refusals.rejected(call, error);
          return { kind: "refused", abort: undefined };
        default:
          throw error;
      }
    }
  }

  async isSent(call: WriteCall, transaction: Transaction): Promise<boolean> {
    return (await this.send(call, transaction)).kind === "done";
  }

  async #refused(call: WriteCall, failure: ExecutionFailure): Promise<Sent> {
    await this.#refusals.failed(call, failure);
    const abort = failure.kind === "move-abort" ? abortName(failure.module, failure.abortCode) : undefined;
    return { kind: "refused", abort };
  }

  async #balanceMist(): Promise<bigint> {
    const { coinBalance, addressBalance } = await this.#wallet.funds(this.auditor, SUI_COIN_TYPE);
    return coinBalance + addressBalance;
  }
}

/** The SDK's own error might repeat the text, so it is not passed on. */
function keyOf(secretKey: string): Ed25519Keypair {
  try {
    return Ed25519Keypair.fromSecretKey(secretKey);
  } catch {
    throw new ConfigError("INVALID_SETTING", "AUDITOR_SECRET_KEY must be an Ed25519 key, suiprivkey1...");
  }
}
