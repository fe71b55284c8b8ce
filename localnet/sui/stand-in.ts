/**
 * A stand-in for Sui: one network with the Walrus contracts on it, in memory, speaking gRPC-Web.
 *
 * It is the only validator and the only full node. A transaction is verified, executed and put into a checkpoint of its
 * own before it is answered; with a data directory it is on disk by then. Everything is deterministic given the seed
 * and the clock. Executions run one after another: `execute` verifies signatures (asynchronously) first and does the
 * rest without giving way.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { verifyTransactionSignature } from "@mysten/sui/verify";
import { toBase64 } from "../../shared/base/bytes.ts";
import type { Clock } from "../../shared/base/clock.ts";
import { assert, FloeError } from "../../shared/base/errors.ts";
import { blake2b256 } from "../../shared/crypto/blake2b.ts";
import { type ObjectId, parseObjectId } from "../../shared/protocol/ids.ts";
import type { RegistryParams } from "../../shared/sui/audit/contracts.ts";
import { PANEL_PARAMETERS } from "../../shared/sui/audit/panel-parameters.ts";
import type { AuditorEntry } from "../../shared/sui/audit/transactions.ts";
import type { CertifiedEventBlob } from "../../shared/sui/walrus/chain-snapshot.ts";
import type { StakingPoolLayout } from "../../shared/sui/walrus/layouts.ts";
import { GrpcError, invalidArgument } from "./base/grpc-error.ts";
import { addAuditor, isActiveAuditor } from "./contracts/audit-governance.ts";
import { defineAuditTypes, defineGateTypes } from "./contracts/audit-types.ts";
import { certifyEventBlob, latestEventBlob } from "./contracts/event-blobs.ts";
import { Packages } from "./contracts/functions.ts";
import {
  type GenesisNode,
  type GenesisOptions,
  type NetworkIds,
  networkIds,
  seededId,
  writeGenesis,
} from "./contracts/genesis.ts";
import {
  currentPackage,
  finishEpochChange,
  setNetworkAddress,
  setPrices,
  startEpochChange,
  upgradePackage,
  walrusEpoch,
} from "./contracts/governance.ts";
import { adoptPackage } from "./contracts/published-packages.ts";
import { type SuiFault, SuiFaults } from "./faults.ts";
import { Ledger } from "./ledger/ledger.ts";
import { openLedgerLog } from "./ledger/log.ts";
import type { ExecutedTransaction } from "./ledger/state.ts";
import { ExecutionFailure } from "./move/execution-error.ts";
import { PACKAGE_TYPE } from "./move/objects.ts";
import { coinType, MoveTypes, SUI_TYPE } from "./move/types.ts";
import type { RpcContext } from "./rpc/context.ts";
import { executionMethods } from "./rpc/execution-service.ts";
import { ledgerMethods } from "./rpc/ledger-service.ts";
import { listMethods } from "./rpc/list-service.ts";
import { packageMethods } from "./rpc/package-service.ts";
import { stateMethods } from "./rpc/state-service.ts";
import { subscriptionMethods } from "./rpc/subscription-service.ts";
import { grpcWebHandler } from "./rpc/wire/grpc-web.ts";
import { type ExecutionContext, executeTransaction } from "./vm/executor.ts";
import { Session } from "./vm/session.ts";
import { systemTransaction } from "./vm/system-transaction.ts";
import { checkTransaction } from "./vm/transaction-checks.ts";
import { parseTransaction, transactionDigest } from "./vm/transaction-data.ts";

export type { GenesisNode, NetworkIds, SuiFault };

export interface SuiStandInOptions {
  /** Same seed and same nodes: same IDs, same digests. */
  readonly seed: string;
  readonly clock: Clock;
  /** Keeps the ledger in `<dataDir>/sui.sqlite`; in memory only without it. */
  readonly dataDir?: string;
  readonly nShards: number;
  readonly nodes: readonly GenesisNode[];
  /** First Walrus epoch; 1 by default. */
  readonly epoch?: number;
  /** Of Walrus epochs, as it stands on chain; 0: epochs advance only by `advanceEpoch`. */
  readonly epochDurationMs?: number;
  readonly storagePricePerUnit?: bigint;
  readonly writePricePerUnit?: bigint;
  readonly maxEpochsAhead?: number;
  /** Encoded bytes all nodes together may hold. */
  readonly capacityBytes?: bigint;
  /** Who holds the audit panel's AdminCap, and what differs from the panel's usual parameters. */
  readonly audit?: { readonly adminAddress?: ObjectId; readonly params?: Partial<RegistryParams> };
  /** Told of errors of the stand-in itself, which clients see as `INTERNAL`. */
  readonly onError?: (method: string, error: unknown) => void;
}

export class SuiStandInError extends FloeError<
  "INVALID_AMOUNT" | "AUDITOR_REFUSED" | "EVENT_BLOB_REFUSED" | "CLOSED"
> {}

const DEFAULTS = {
  epoch: 1,
  epochDurationMs: 0,
  storagePricePerUnit: 11_000n,
  writePricePerUnit: 20_000n,
  maxEpochsAhead: 53,
  /** 1 PiB. */
  capacityBytes: 1n << 50n,
} as const;

/** Sui's epochs take a day; the stand-in's end only by command. */
const SUI_EPOCH_MS = 86_400_000;
/** While reads lag, empty checkpoints at this pace let them see later what happened now. */
const LAG_CHECKPOINT_MS = 250;
/** Whoever asks how far the chain is finds it no further behind than this, as on a chain that never rests. */
const QUIET_CHECKPOINT_MS = 250;
/** The largest coin: a u64. */
const MAX_COIN = (1n << 64n) - 1n;

/** Opens (or makes) the network. @throws LedgerLogError when the data directory holds another network's ledger */
export async function createSuiStandIn(options: SuiStandInOptions): Promise<SuiStandIn> {
  return new SuiStandIn(options);
}

export class SuiStandIn {
  readonly networkIds: NetworkIds;
  readonly #genesis: GenesisOptions;
  readonly #clock: Clock;
  readonly #types: MoveTypes;
  readonly #packages: Packages;
  readonly #ledger: Ledger;
  readonly #faults = new SuiFaults();
  readonly #handle: (request: Request) => Promise<Response>;
  readonly #closing = new AbortController();
  #nonces = 0;
  #isCatchingUp = false;

  constructor(options: SuiStandInOptions) {
    const { clock, dataDir, onError, ...genesis } = options;
    const params = { ...PANEL_PARAMETERS.local, nShards: genesis.nShards, ...options.audit?.params };
    this.#genesis = { ...DEFAULTS, ...genesis, audit: { ...options.audit, params } };
    this.#clock = clock;
    this.networkIds = networkIds(this.#genesis);
    const { originalPackageId, packages, chainId } = this.networkIds;
    const { wal, audit, auditGate } = packages;
    const slashing = packages.walrus[1]?.packageId ?? originalPackageId;
    this.#types = new MoveTypes({ walrus: originalPackageId, wal, slashing, audit, auditGate });
    defineAuditTypes(this.#types, audit);
    defineGateTypes(this.#types, auditGate);
    this.#packages = new Packages(this.#types, packages);
    if (dataDir !== undefined) mkdirSync(dataDir, { recursive: true });
    const log = dataDir === undefined ? undefined : openLedgerLog(join(dataDir, "sui.sqlite"), chainId);
    this.#ledger = new Ledger(() => clock.nowMs(), log);
    if (this.#ledger.tip.height < 0n) {
      this.#system("genesis", (session) =>
        writeGenesis(session, this.networkIds, this.#genesis, clock.nowMs()),
      );
    } else this.#resume();
    this.#handle = this.#service(onError);
  }

  /** Answers one gRPC-Web request. */
  fetch(request: Request): Promise<Response> {
    return this.#handle(request);
  }

  /** Walrus epoch. */
  get epoch(): number {
    return walrusEpoch(this.#session("epoch"), this.networkIds);
  }

  /** The package to call now; another one after `upgradePackage`. */
  get packageId(): ObjectId {
    return currentPackage(this.#session("package"), this.networkIds).packageId;
  }

  /**
   * Mints coins for an address, one object per kind.
   *
   * @returns the digest of the transaction
   */
  faucet(
    address: string,
    amounts: { readonly suiMist?: bigint; readonly walFrost?: bigint },
  ): { readonly digest: string } {
    const recipient = parseObjectId(address);
    const { suiMist = 0n, walFrost = 0n } = amounts;
    for (const amount of [suiMist, walFrost]) {
      if (amount < 0n || amount > MAX_COIN) {
        throw new SuiStandInError("INVALID_AMOUNT", `${amount} does not fit a coin`, { details: { amount } });
      }
    }
    return this.#system(`faucet ${recipient} ${suiMist} ${walFrost}`, (session) => {
      const mint = (token: string, balance: bigint): void => {
        if (balance === 0n) return;
        const coin = { id: session.newId(), balance };
        session.place(coinType(token), coin, { kind: "address", address: recipient });
      };
      mint(SUI_TYPE, suiMist);
      mint(this.#types.walToken, walFrost);
    });
  }

  setFault(fault: SuiFault): void {
    this.#faults.set(fault);
    this.#ledger.setLag(this.#faults.lag);
  }

  /**
   * Ends the Walrus epoch: the same committee goes on in the next one.
   *
   * @param options `sync: true` stops between start and end of the change, in `EpochChangeSync`
   * @returns the new epoch
   */
  advanceEpoch(options: { readonly sync?: boolean } = {}): number {
    let epoch = 0;
    this.#system("start epoch change", (session) => {
      epoch = startEpochChange(session, this.networkIds);
    });
    if (options.sync !== true) this.finishEpochChange();
    return epoch;
  }

  /** Ends an epoch change that was left in `EpochChangeSync`. */
  finishEpochChange(): void {
    this.#system("finish epoch change", (session) =>
      finishEpochChange(session, this.networkIds, this.#clock.nowMs()),
    );
  }

  /** Ends the epoch of Sui itself, by which transactions expire. */
  advanceSuiEpoch(): bigint {
    const epoch = this.#ledger.epoch + 1n;
    this.#ledger.append(null, epoch);
    return epoch;
  }

  /**
   * Puts an address on the audit panel, or takes a deactivated one back; one that is active stays as it is.
   *
   * @returns whether anything changed
   * @throws SuiStandInError `AUDITOR_REFUSED` with the contract's abort
   */
  addAuditor(auditor: AuditorEntry): boolean {
    if (isActiveAuditor(this.#session("auditors"), this.networkIds, auditor.address)) return false;
    try {
      this.#system(`add auditor ${auditor.address}`, (session) =>
        addAuditor(session, this.networkIds, this.#packages, auditor),
      );
      return true;
    } catch (error) {
      if (!(error instanceof ExecutionFailure)) throw error;
      throw new SuiStandInError("AUDITOR_REFUSED", error.message, { cause: error });
    }
  }

  /**
   * What a quorum of storage nodes does with an event blob: it is registered and certified in one transaction, for as
   * long as storage can be had, at nobody's cost, and becomes the latest one. The nodes get its slivers like any blob's.
   *
   * @throws SuiStandInError `EVENT_BLOB_REFUSED` unless it ends behind the latest one
   */
  certifyEventBlob(blob: CertifiedEventBlob & { readonly unencodedLength: number }): void {
    const latest = latestEventBlob(this.#session("event blob"), this.networkIds);
    if (latest !== undefined && blob.lastCheckpoint <= latest) {
      throw new SuiStandInError("EVENT_BLOB_REFUSED", `it ends at ${blob.lastCheckpoint}, one at ${latest}`, {
        details: { lastCheckpoint: blob.lastCheckpoint, latest },
      });
    }
    this.#system(`event blob ${blob.blobId}`, (session) => certifyEventBlob(session, this.networkIds, blob));
  }

  setPrices(prices: { readonly storagePricePerUnit: bigint; readonly writePricePerUnit: bigint }): void {
    this.#system("set prices", (session) => setPrices(session, this.networkIds, prices));
  }

  /** Publishes the contracts anew and moves System and Staking to them; calls to the old package now abort. */
  upgradePackage(): ObjectId {
    const { version } = currentPackage(this.#session("upgrade"), this.networkIds);
    const next = this.#publish(version + 1n);
    this.#system("upgrade", (session) =>
      upgradePackage(session, this.networkIds, { packageId: next, version: version + 1n }),
    );
    return next;
  }

  /** An empty checkpoint: followers see that time passes. */
  tick(): void {
    this.#ledger.append(null);
  }

  #showThatTimePasses(): void {
    const latestMs = this.#ledger.tip.checkpoints.at(-1)?.timestampMs ?? 0;
    if (this.#clock.nowMs() - latestMs >= QUIET_CHECKPOINT_MS) this.tick();
  }

  /** Ends streams and closes the ledger's file. Callable more than once. */
  close(): void {
    this.#closing.abort();
    this.#ledger.close();
  }

  #service(onError: SuiStandInOptions["onError"]): (request: Request) => Promise<Response> {
    const rpc: RpcContext = {
      ledger: this.#ledger,
      types: this.#types,
      packages: this.#packages,
      ids: this.networkIds,
      epochDurationMs: SUI_EPOCH_MS,
      nowMs: () => this.#clock.nowMs(),
      nonce: () => this.#nonce(),
      firstKept: () => this.#faults.firstKept,
      closing: this.#closing.signal,
      execute: (bytes, signatures) => this.#execute(bytes, signatures),
    };
    const methods = {
      ...ledgerMethods(rpc),
      ...listMethods(rpc),
      ...stateMethods(rpc),
      ...packageMethods(rpc),
      ...executionMethods(rpc),
      ...subscriptionMethods(rpc),
    };
    return grpcWebHandler(methods, {
      before: (method) => {
        if (this.#closing.signal.aborted) throw new GrpcError("UNAVAILABLE", "the network is closed");
        const code = this.#faults.takeError(method);
        if (code !== undefined) throw new GrpcError(code, `injected fault in ${method}`);
        if (method.endsWith("/GetServiceInfo")) this.#showThatTimePasses();
      },
      losesReply: (method) => this.#faults.takeLostReply(method),
      ...(onError === undefined ? {} : { onError }),
    });
  }

  async #execute(bytes: Uint8Array, signatures: readonly Uint8Array[]): Promise<ExecutedTransaction> {
    const digest = transactionDigest(bytes);
    const data = parseTransaction(bytes);
    await verifySignatures(bytes, signatures, [data.sender, data.gas.owner]);
    if (this.#closing.signal.aborted) throw new GrpcError("UNAVAILABLE", "the network is closed");
    // Nothing gives way from here to the end: two executions never see the same versions.
    const known = this.#ledger.tip.transactions.get(digest);
    if (known !== undefined) return known;
    const time = { epoch: this.#ledger.epoch, nowMs: this.#clock.nowMs(), chainId: this.networkIds.chainId };
    const checked = checkTransaction(this.#ledger.tip, this.#packages, time, data);
    const contested = checked.inputs.flatMap((input) =>
      input.kind === "object" && input.access === "shared-mutable" ? input.object.id : [],
    );
    const isCongested = contested.length > 0 && this.#faults.takeCongestion();
    const execution = executeTransaction(
      this.#context(),
      checked,
      digest,
      isCongested ? { cancel: { kind: "Congestion", objects: contested } } : {},
    );
    const { transaction } = this.#ledger.append({ execution, bytes, signatures });
    assert(transaction !== null, "the checkpoint holds the transaction");
    this.#adopt(transaction);
    this.#catchUpLater();
    return transaction;
  }

  /** Packages that a transaction published can be called from now on. */
  #adopt({ effects }: ExecutedTransaction): void {
    for (const { id, type } of effects.changes) {
      const object = type === PACKAGE_TYPE ? this.#ledger.tip.object(id) : undefined;
      if (object !== undefined) adoptPackage(object, this.#types, this.#packages);
    }
  }

  #context(): ExecutionContext {
    const { epoch, tip: state } = this.#ledger;
    return { state, types: this.#types, packages: this.#packages, epoch, nowMs: this.#clock.nowMs() };
  }

  #session(purpose: string): Session {
    const digest = transactionDigest(new TextEncoder().encode(purpose));
    return new Session(this.#ledger.tip, this.#types, digest, parseObjectId("0x0"));
  }

  #system(purpose: string, change: (session: Session) => void): { readonly digest: string } {
    if (this.#closing.signal.aborted) throw new SuiStandInError("CLOSED", "the network is closed");
    const { transaction } = this.#ledger.append(systemTransaction(this.#context(), purpose, change));
    assert(transaction !== null, "the checkpoint holds the transaction");
    this.#catchUpLater();
    return { digest: transaction.digest };
  }

  /** After a restart: publishes what had been upgraded, and moves nodes to where they now listen. */
  #resume(): void {
    const { version } = currentPackage(this.#session("resume"), this.networkIds);
    const newest = this.#packages.walrus.at(-1)?.version ?? version;
    for (let next = newest + 1n; next <= version; next++) this.#publish(next);
    for (const transaction of this.#ledger.tip.transactions.values()) this.#adopt(transaction);
    for (const node of this.#genesis.nodes) {
      if (this.#networkAddress(node.nodeId) === node.networkAddress) continue;
      this.#system(`address of ${node.nodeId}`, (session) =>
        setNetworkAddress(session, node.nodeId, node.networkAddress),
      );
    }
  }

  #networkAddress(nodeId: ObjectId): string | undefined {
    const pool = this.#session("address").ownedObject(nodeId, this.#types.walrus("StakingPool"));
    // Asked for by its type, whose layout this is.
    return (pool as ReturnType<typeof StakingPoolLayout.parse> | undefined)?.node_info.network_address;
  }

  #publish(version: bigint): ObjectId {
    const packageId = seededId(this.#genesis.seed, `walrus package ${version}`);
    this.#packages.publishWalrus(packageId, version);
    return packageId;
  }

  /** 32 bits that differ from call to call and repeat from run to run. */
  #nonce(): number {
    const seed = new TextEncoder().encode(`nonce ${this.#genesis.seed} ${this.#nonces++}`);
    return new DataView(blake2b256(seed).buffer).getUint32(0);
  }

  /** Without further transactions, reads that lag would never see the last ones. */
  #catchUpLater(): void {
    if (this.#isCatchingUp || !this.#ledger.isHoldingBack) return;
    this.#isCatchingUp = true;
    const run = async (): Promise<void> => {
      // As many empty checkpoints as reads lag behind are enough for them to see everything there is now.
      for (let left = this.#faults.lag; left > 0 && this.#ledger.isHoldingBack; left--) {
        await this.#clock.sleep(LAG_CHECKPOINT_MS, this.#closing.signal);
        this.tick();
      }
    };
    void run()
      // Only closing interrupts the sleep, and then nobody reads any more.
      .catch(() => {})
      .finally(() => {
        this.#isCatchingUp = false;
      });
  }
}

/** Every one of `signers` must have signed, and nobody else. @throws GrpcError `INVALID_ARGUMENT` */
async function verifySignatures(
  bytes: Uint8Array,
  signatures: readonly Uint8Array[],
  signers: readonly string[],
): Promise<void> {
  const missing = new Set(signers);
  if (signatures.length !== missing.size) {
    throw invalidArgument(`${signatures.length} signatures; ${missing.size} are needed`);
  }
  for (const signature of signatures) {
    const signer = await signerOf(bytes, signature);
    if (signer === undefined || !missing.delete(signer)) {
      throw invalidArgument("a signature is not valid for the transaction and its signers");
    }
  }
}

async function signerOf(bytes: Uint8Array, signature: Uint8Array): Promise<string | undefined> {
  try {
    return (await verifyTransactionSignature(bytes, toBase64(signature))).toSuiAddress();
  } catch {
    // The SDK throws for malformed as for false signatures; neither names a signer.
    return undefined;
  }
}
