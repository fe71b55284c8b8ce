/**
 * One audit panel on the Sui stand-in: three auditors, a population of encoded blobs, rounds, claims and their true
 * answers. Every step is a signed transaction over gRPC; gas coins are tracked here, so that nothing is simulated.
 */
import type { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import type { Transaction } from "@mysten/sui/transactions";
import type { SuiStandIn } from "../../../localnet/sui/stand-in.ts";
import { MemoryPopulation, serializeEntry } from "../../../shared/audit/population.ts";
import { type Refutation, refutationOf } from "../../../shared/audit/refutation.ts";
import { type Challenge, challengeOf, DRAW_MODES } from "../../../shared/audit/selection.ts";
import { createReferenceCodec } from "../../../shared/codec/reference-codec.ts";
import { type BlobId, type ObjectId, parseObjectId, type ShardIndex } from "../../../shared/protocol/ids.ts";
import { sliverOfPair } from "../../../shared/protocol/mapping.ts";
import type { AuditContracts, RegistryParams, SharedRef } from "../../../shared/sui/audit/contracts.ts";
import { type AuditEvent, parseAuditEvent } from "../../../shared/sui/audit/events.ts";
import {
  addAuditorsTransaction,
  createRegistryTransaction,
} from "../../../shared/sui/audit/panel-transactions.ts";
import { type RegistryState, readClaims, readRegistry, readRound } from "../../../shared/sui/audit/reader.ts";
import {
  type ClaimToFile,
  declarePopulationTransaction,
  fileClaimTransaction,
  openRoundTransaction,
  reportTransaction,
} from "../../../shared/sui/audit/transactions.ts";
import type { ObjectRef } from "../../../shared/sui/wallet/blob-transactions.ts";
import { type EncodedBlob, encodeBlob, someBlob } from "../codec/encoded-blob.ts";
import {
  abortOf,
  ManualClock,
  N_SHARDS,
  type TestNetwork,
  testNetwork,
  testNodes,
  testWallet,
} from "../sui/network.ts";

export const AUDIT_PARAMS: RegistryParams = {
  quorum: 2,
  nShards: N_SHARDS,
  periodMs: 1_000,
  windowMs: 2_500,
  bondMist: 1_000_000n,
  maxOpenPerNode: 3,
  maxPerAuditorEpoch: 5,
  drawsPerShard: 3,
  retentionRounds: 20,
};
/** Of the population; also the first epoch of Walrus here. */
export const EPOCH = 1;
export const ROUND = 100;
const GAS_BUDGET = 100_000_000n;
const LENGTHS = [1, 60, 800, 2_000, 5_000, 9_000];
/** The blob of this length ends too early to be claimed. */
export const EXPIRING_LENGTH = 800;

const PANEL_ENTRY = { name: "auditor", url: "https://audit.example", sinceEpoch: 1 } as const;
const addressOf = (key: Ed25519Keypair): ObjectId => parseObjectId(key.toSuiAddress());

const encodedOnce = new Map<BlobId, EncodedBlob>();

function encodedBlobs(): ReadonlyMap<BlobId, EncodedBlob> {
  if (encodedOnce.size === 0) {
    for (const [i, length] of LENGTHS.entries()) {
      const encoded = encodeBlob(N_SHARDS, someBlob(length, i + 1));
      encodedOnce.set(encoded.metadata.blobId, encoded);
    }
  }
  return encodedOnce;
}

export interface Sent {
  /** "module code" of an abort, another failure's text, or undefined for success. */
  readonly failure: string | undefined;
  readonly events: readonly AuditEvent[];
  /** Contents by full type name, in order. */
  readonly rawEvents: readonly { readonly type: string; readonly contents: Uint8Array }[];
  readonly changes: readonly {
    readonly id: ObjectId;
    readonly isDeleted: boolean;
    readonly version: bigint;
  }[];
}

export class AuditWorld {
  readonly network: TestNetwork;
  readonly clock: ManualClock;
  readonly admin: Ed25519Keypair;
  readonly adminCap: ObjectRef;
  readonly auditors: readonly [Ed25519Keypair, Ed25519Keypair, Ed25519Keypair];
  readonly stranger: Ed25519Keypair;
  readonly contracts: AuditContracts;
  readonly population: MemoryPopulation;
  readonly #gas = new Map<string, ObjectRef>();
  #cap: ObjectRef;

  private constructor(network: TestNetwork, clock: ManualClock, contracts: AuditContracts, cap: ObjectRef) {
    this.network = network;
    this.clock = clock;
    this.contracts = contracts;
    this.adminCap = cap;
    this.#cap = cap;
    this.admin = testWallet("audit admin");
    this.auditors = [testWallet("auditor a"), testWallet("auditor b"), testWallet("auditor c")];
    this.stranger = testWallet("stranger");
    const blobs = [...encodedBlobs().values()].map(({ metadata, blob }) => ({
      blobId: metadata.blobId,
      unencodedLength: blob.length,
      endEpoch: blob.length === EXPIRING_LENGTH ? EPOCH + 1 : EPOCH + 13,
    }));
    this.population = new MemoryPopulation(blobs, N_SHARDS);
  }

  /** A fresh network at the start of slot `ROUND`, with the three auditors on its panel unless `empty`. */
  static async open(
    options: { params?: Partial<RegistryParams>; empty?: boolean; governance?: ObjectId } = {},
  ): Promise<AuditWorld> {
    const clock = new ManualClock(ROUND * AUDIT_PARAMS.periodMs);
    const admin = testWallet("audit admin");
    const adminAddress = parseObjectId(admin.toSuiAddress());
    const nodes = testNodes(4, N_SHARDS).map((node) =>
      options.governance === undefined ? node : { ...node, governanceAddress: options.governance },
    );
    const params = { ...AUDIT_PARAMS, ...options.params };
    const network = await testNetwork({ clock, nodes, audit: { adminAddress, params } });
    const ids = network.standIn.networkIds;
    const { contracts } = await readRegistry(network.client, {
      packageId: ids.auditPackageId,
      registryId: ids.auditRegistryId,
    });
    const { objects } = await network.client.getObjects({ objectIds: [ids.auditAdminCapId], include: {} });
    const [cap] = objects;
    if (cap === undefined || cap instanceof Error) throw new Error("genesis made the admin cap");
    const world = new AuditWorld(network, clock, contracts, {
      objectId: ids.auditAdminCapId,
      version: BigInt(cap.version),
      digest: cap.digest,
    });
    for (const key of [world.admin, world.stranger, ...world.auditors]) await world.fund(key);
    if (options.empty !== true) {
      for (const key of world.auditors) world.addAuditor(key);
    }
    return world;
  }

  get standIn(): SuiStandIn {
    return this.network.standIn;
  }

  /** Every blob of the population. */
  get blobs(): readonly EncodedBlob[] {
    return [...encodedBlobs().values()];
  }

  close(): void {
    this.standIn.close();
  }

  addAuditor(key: Ed25519Keypair): boolean {
    return this.standIn.addAuditor({ ...PANEL_ENTRY, address: addressOf(key) });
  }

  /** Another registry of the same package, with the same panel. */
  async secondRegistry(params: Partial<RegistryParams> = {}): Promise<AuditContracts> {
    const { packageId } = this.contracts;
    const creation = createRegistryTransaction(packageId, this.cap, { ...AUDIT_PARAMS, ...params });
    const [created] = (await this.succeed(this.admin, creation)).events;
    if (created?.kind !== "RegistryCreated") throw new Error("creating a registry emits its event");
    const registryId = created.registry;
    const { contracts } = await readRegistry(this.network.client, { packageId, registryId });
    const auditors = this.auditors.map((key) => ({ ...PANEL_ENTRY, address: addressOf(key) }));
    await this.succeed(this.admin, addAuditorsTransaction(contracts, this.cap, auditors));
    return contracts;
  }

  /** Gives a key one coin to pay with. */
  async fund(key: Ed25519Keypair): Promise<void> {
    const owner = key.toSuiAddress();
    this.standIn.faucet(owner, { suiMist: 1_000_000_000_000n });
    const { objects } = await this.network.client.listCoins({ owner, coinType: "0x2::sui::SUI" });
    const [coin] = objects;
    if (coin === undefined) throw new Error("the faucet mints a coin");
    const objectId = parseObjectId(coin.objectId);
    this.#gas.set(owner, { objectId, version: BigInt(coin.version), digest: coin.digest });
  }

  /** The AdminCap as it is now. */
  get cap(): ObjectRef {
    return this.#cap;
  }

  /** Signs and executes; a failure is an answer like any other. */
  async send(key: Ed25519Keypair, transaction: Transaction): Promise<Sent> {
    const sender = key.toSuiAddress();
    const gas = this.#gas.get(sender);
    if (gas === undefined) throw new Error(`${sender} has no gas`);
    transaction.setSender(sender);
    transaction.setGasPrice(1000);
    transaction.setGasBudget(GAS_BUDGET);
    transaction.setGasPayment([{ ...gas, version: gas.version.toString() }]);
    const bytes = await transaction.build();
    const { signature } = await key.signTransaction(bytes);
    const result = await this.network.client.executeTransaction({
      transaction: bytes,
      signatures: [signature],
      include: { effects: true, events: true },
    });
    const done = result.Transaction ?? result.FailedTransaction;
    const changed = done.effects.changedObjects;
    for (const change of changed) {
      const ref = {
        objectId: parseObjectId(change.objectId),
        version: BigInt(change.outputVersion ?? 0),
        digest: change.outputDigest ?? "",
      };
      if (ref.objectId === gas.objectId) this.#gas.set(sender, ref);
      if (ref.objectId === this.#cap.objectId) this.#cap = ref;
    }
    const rawEvents = (done.events ?? []).map((event) => ({ type: event.eventType, contents: event.bcs }));
    return {
      failure: done.status.success ? undefined : abortOf(done.status.error),
      rawEvents,
      events: rawEvents.flatMap(
        (event) => parseAuditEvent(event.type, event.contents, this.contracts.originalPackageId) ?? [],
      ),
      changes: changed.map((change) => ({
        id: parseObjectId(change.objectId),
        isDeleted: change.idOperation === "Deleted",
        version: BigInt(change.outputVersion ?? 0),
      })),
    };
  }

  /** @throws Error naming the abort */
  async succeed(key: Ed25519Keypair, transaction: Transaction): Promise<Sent> {
    const sent = await this.send(key, transaction);
    if (sent.failure !== undefined) throw new Error(`failed: ${sent.failure}`);
    return sent;
  }

  declare(
    changes: Partial<Parameters<typeof declarePopulationTransaction>[1]> = {},
    contracts = this.contracts,
  ): Transaction {
    const { size, totalBytes } = this.population;
    const root = this.population.root();
    return declarePopulationTransaction(contracts, { epoch: EPOCH, size, totalBytes, root, ...changes });
  }

  report(
    round = ROUND,
    changes: Partial<Parameters<typeof reportTransaction>[1]> = {},
    contracts = this.contracts,
  ): Transaction {
    const root = new Uint8Array(32).fill(7);
    return reportTransaction(contracts, {
      round,
      epoch: EPOCH,
      totals: [9, 3, 1, 1, 1, 2, 1, 5],
      evidenceRoot: root,
      nodesRoot: root,
      rows: new Uint8Array(52),
      ...changes,
    });
  }

  /** Populations of all three, a round, and all three reports. */
  async beginReported(contracts = this.contracts): Promise<void> {
    for (const key of this.auditors) await this.succeed(key, this.declare({}, contracts));
    await this.clock.advance(10);
    await this.succeed(this.stranger, openRoundTransaction(contracts, ROUND));
    for (const key of this.auditors) await this.succeed(key, this.report(ROUND, {}, contracts));
  }

  registry(contracts = this.contracts): Promise<RegistryState> {
    const { packageId, registry } = contracts;
    return readRegistry(this.network.client, { packageId, registryId: registry.objectId });
  }

  /** Every draw of the round that a claim may name, vacuous and expiring ones too. */
  async challenges(round = ROUND, contracts = this.contracts): Promise<Challenge[]> {
    const opened = await readRound(this.network.client, await this.registry(contracts), round);
    if (opened === undefined) throw new Error(`round ${round} is not open`);
    return drawsOf(opened.seed, this.population, AUDIT_PARAMS.drawsPerShard);
  }

  /** Draws that stand up to every check. */
  async claimable(round = ROUND, contracts = this.contracts): Promise<Challenge[]> {
    const all = await this.challenges(round, contracts);
    return all.filter((each) => !each.isVacuous && each.endEpoch >= EPOCH + 2);
  }

  nodeOf(shard: number): ObjectId {
    const node = this.network.nodes.find((each) => each.shards.includes(shard));
    if (node === undefined) throw new Error(`nobody owns shard ${shard}`);
    return node.nodeId;
  }

  claim(challenge: Challenge, changes: Partial<ClaimToFile> = {}): ClaimToFile {
    return {
      round: ROUND,
      draw: challenge,
      node: this.nodeOf(challenge.shard),
      index: challenge.leaf,
      entry: serializeEntry(this.population.leafAt(challenge.leaf)),
      path: this.population.path(challenge.leaf),
      confirmation: undefined,
      bondMist: AUDIT_PARAMS.bondMist,
      ...changes,
    };
  }

  /** Files a claim; @returns how transactions name it */
  async file(
    key: Ed25519Keypair,
    challenge: Challenge,
    changes: Partial<ClaimToFile> = {},
    contracts = this.contracts,
  ): Promise<SharedRef> {
    const filed = await this.succeed(key, fileClaimTransaction(contracts, this.claim(challenge, changes)));
    return this.filedClaim(filed);
  }

  filedClaim(filed: Sent): SharedRef {
    const event = filed.events.find((each) => each.kind === "ClaimFiled");
    if (event?.kind !== "ClaimFiled") throw new Error("filing emits an event");
    const change = filed.changes.find(({ id }) => id === event.claim);
    return { objectId: event.claim, initialSharedVersion: change?.version ?? 0n };
  }

  /** The true answer to a challenge. */
  answer(challenge: Challenge): Refutation {
    const blob = encodedBlobs().get(challenge.blobId);
    if (blob === undefined) throw new Error("every drawn blob was encoded");
    const sliver = blob.sliver(challenge.axis, sliverOfPair(challenge.pair, challenge.axis, N_SHARDS));
    const symbol = createReferenceCodec().symbolWithProof(blob.metadata, sliver, challenge.symbol);
    return refutationOf(blob.metadata, symbol);
  }

  async claimState(claim: SharedRef, contracts = this.contracts) {
    return (await readClaims(this.network.client, contracts, [claim.objectId]))[0];
  }

  async balance(key: Ed25519Keypair): Promise<bigint> {
    const { balance } = await this.network.client.getBalance({ owner: key.toSuiAddress() });
    return BigInt(balance.balance);
  }
}

export function drawsOf(seed: Uint8Array, population: MemoryPopulation, drawsPerShard: number): Challenge[] {
  const found: Challenge[] = [];
  for (const mode of [DRAW_MODES.perBlob, DRAW_MODES.perByte]) {
    for (let shard = 0; shard < N_SHARDS; shard++) {
      for (let t = 0; t < drawsPerShard; t++) {
        found.push(challengeOf(seed, { mode, shard: shard as ShardIndex, t }, N_SHARDS, population));
      }
    }
  }
  return found;
}
