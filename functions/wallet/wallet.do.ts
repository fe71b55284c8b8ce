/**
 * Wallet: one Durable Object per signing key, the one owner of its coins and of everything bought with them.
 *
 * It is the platform shell of `shared/sui/wallet/submitter.ts`; tables are in `wallet-store.ts`, states of operations in
 * `shared/sui/wallet/store.ts`. Nothing else may sign with this key: two writers would use one coin version twice.
 *
 * Eviction: operations, signed transactions and the ledger are in SQLite; only waiting callers and the memo of the
 * chain are in memory. Alarm: set whenever an operation is stored, so that what was begun is finished without the
 * caller; it also sweeps registrations that were never certified. Running it twice is harmless: driving joins or finds
 * nothing left, and a swept row has changed its state.
 */
import { DurableObject } from "cloudflare:workers";
import { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import { failPointsBy } from "../../shared/base/fail-point.ts";
import { parseObjectId } from "../../shared/protocol/ids.ts";
import { ConfigError } from "../../shared/protocol/settings.ts";
import { createSuiClient, type Fetch } from "../../shared/sui/client/sui-client.ts";
import type { Signer } from "../../shared/sui/wallet/engine.ts";
import type {
  CertifiedBlob,
  CertifyRequest,
  DeletedBlob,
  DeleteRequest,
  RegisteredBlob,
  RegisterRequest,
} from "../../shared/sui/wallet/submissions.ts";
import { Submitter } from "../../shared/sui/wallet/submitter.ts";
import { createWalletChain } from "../../shared/sui/wallet/wallet-chain.ts";
import { type Env, parseConfig } from "../base/env.ts";
import { systemClock, systemRandom } from "../base/platform.ts";
import { askChainView } from "../chain/ask-chain-view.ts";
import { ChainMemo } from "../chain/chain-memo.ts";
import { SIGNER_LIMITS } from "./limits.ts";
import { WalletStore } from "./wallet-store.ts";

export class Wallet extends DurableObject<Env> {
  readonly #store: WalletStore;
  readonly #submitter: Submitter;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const config = parseConfig(env);
    const { storage } = ctx;
    this.#store = new WalletStore({
      exec: (query, ...parameters) => storage.sql.exec<SqlStorageRow>(query, ...parameters).toArray(),
      transaction: (work) => storage.transactionSync(work),
    });
    const fetchNow: Fetch = (input, init) => fetch(input, init);
    const memo = new ChainMemo(systemClock);
    this.#submitter = new Submitter({
      signer: createSigner(config.walletSecretKey),
      chain: createWalletChain(
        createSuiClient({ url: config.suiRpcUrls, fetch: fetchNow, clock: systemClock }),
        config.suiRpcUrls.map((url) => createSuiClient({ url, fetch: fetchNow, clock: systemClock })),
      ),
      snapshot: (minReadAtMs) => memo.on(askChainView(env)).snapshot({ minReadAtMs }),
      store: this.#store,
      clock: systemClock,
      randomBytes: systemRandom,
      failPoint: failPointsBy(env.TEST_FAIL_POINTS),
      caps: config.spendingCaps,
    });
  }

  /** See `Submitter.register`. */
  async register(request: RegisterRequest): Promise<RegisteredBlob> {
    await this.#armAlarm();
    return this.#submitter.register(request);
  }

  /** See `Submitter.certify`. */
  async certify(request: CertifyRequest): Promise<CertifiedBlob> {
    await this.#armAlarm();
    return this.#submitter.certify(request);
  }

  /** See `Submitter.delete`. */
  async delete(request: DeleteRequest): Promise<DeletedBlob> {
    await this.#armAlarm();
    return this.#submitter.delete(request);
  }

  override async alarm(): Promise<void> {
    try {
      await this.#submitter.drive();
      await this.#submitter.sweep(SIGNER_LIMITS.walletSweepAfterMs);
      this.#store.forget(systemClock.nowMs() - SIGNER_LIMITS.walletRememberMs);
    } finally {
      const nowMs = systemClock.nowMs();
      if (this.#submitter.hasWork) await this.ctx.storage.setAlarm(nowMs + SIGNER_LIMITS.walletAlarmMs);
      else if (this.#store.ledgerRows("registered", nowMs, 1).length > 0)
        await this.ctx.storage.setAlarm(nowMs + SIGNER_LIMITS.walletSweepEveryMs);
    }
  }

  /** Sees to it that an alarm goes off soon; an earlier one stays. */
  async #armAlarm(): Promise<void> {
    const atMs = systemClock.nowMs() + SIGNER_LIMITS.walletAlarmMs;
    const setForMs = await this.ctx.storage.getAlarm();
    if (setForMs === null || setForMs > atMs) await this.ctx.storage.setAlarm(atMs);
  }
}

type SqlStorageRow = Record<string, SqlStorageValue>;

/** @throws ConfigError without the key in it, whatever is wrong with the key */
function createSigner(secretKey: string | undefined): Signer {
  if (secretKey === undefined) throw new ConfigError("MISSING_SETTING", "WALLET_SECRET_KEY is not set");
  let keypair: Ed25519Keypair;
  try {
    keypair = Ed25519Keypair.fromSecretKey(secretKey);
  } catch {
    // The library's error may quote the key, so it is not kept as the cause.
    throw new ConfigError("INVALID_SETTING", "WALLET_SECRET_KEY must be an Ed25519 suiprivkey1... text");
  }
  return {
    address: parseObjectId(keypair.toSuiAddress()),
    sign: async (bytes) => (await keypair.signTransaction(bytes)).signature,
  };
}
