/** A small embedded Sui network for tests: deterministic keys, a manual clock, one funded wallet. */

import type { SuiClientTypes } from "@mysten/sui/client";
import { SuiGrpcClient } from "@mysten/sui/grpc";
import { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import {
  coinWithBalance,
  Transaction,
  type TransactionArgument,
  type TransactionResult,
} from "@mysten/sui/transactions";
import { createSuiStandIn, type SuiStandIn, type SuiStandInOptions } from "../../../localnet/sui/stand-in.ts";
import { toHex } from "../../../shared/base/bytes.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { blake2b256 } from "../../../shared/crypto/blake2b.ts";
import {
  aggregateSignatures,
  type BlsSignature,
  blsPublicKey,
  blsSign,
  parseBlsSignature,
  serializeSignature,
} from "../../../shared/crypto/bls.ts";
import { BcsWriter } from "../../../shared/protocol/bcs.ts";
import { type Certificate, signersToBitmap } from "../../../shared/protocol/certificate.ts";
import {
  type BlobId,
  blobIdFromBytes,
  blobIdToU256,
  bytesToU256,
  type ObjectId,
  objectIdFromBytes,
  parseObjectId,
} from "../../../shared/protocol/ids.ts";
import { confirmationMessage, type Persistence } from "../../../shared/protocol/messages.ts";
import { encodedLength, storageUnits } from "../../../shared/protocol/sizes.ts";

export interface TestNode {
  readonly name: string;
  readonly nodeId: ObjectId;
  readonly networkAddress: string;
  readonly publicKey: Uint8Array;
  readonly secretKey: Uint8Array;
  readonly shards: readonly number[];
}

const bytes = (label: string): Uint8Array => blake2b256(new TextEncoder().encode(label));

const nodesMade = new Map<string, TestNode[]>();

/** Nodes in committee order (ascending node ID), shard s on node s mod count. Making keys is slow: they are kept. */
export function testNodes(count: number, nShards: number): TestNode[] {
  const name = `${count} ${nShards}`;
  const nodes = nodesMade.get(name) ?? makeNodes(count, nShards);
  nodesMade.set(name, nodes);
  return nodes;
}

function makeNodes(count: number, nShards: number): TestNode[] {
  const ids = Array.from({ length: count }, (_, i) => objectIdFromBytes(bytes(`node ${i}`))).sort();
  return ids.map((nodeId, i) => {
    const secretKey = bytes(`bls ${i}`);
    // Below the order of the scalar field, whose top byte is 0x73.
    secretKey[0] = (secretKey[0] ?? 0) & 0x3f;
    return {
      name: `node-${i}`,
      nodeId,
      networkAddress: `127.0.0.1:${9000 + i}`,
      publicKey: blsPublicKey(secretKey),
      secretKey,
      shards: Array.from({ length: nShards }, (_, shard) => shard).filter((shard) => shard % count === i),
    };
  });
}

/** Time that stands still unless moved; sleeping resolves when it is moved past. */
export class ManualClock implements Clock {
  #nowMs: number;
  #sleepers: { readonly atMs: number; readonly wake: () => void }[] = [];

  constructor(nowMs = 1_700_000_000_000) {
    this.#nowMs = nowMs;
  }
  nowMs(): number {
    return this.#nowMs;
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason));
      this.#sleepers.push({ atMs: this.#nowMs + ms, wake: resolve });
    });
  }
  async advance(ms: number): Promise<void> {
    this.#nowMs += ms;
    const due = this.#sleepers.filter((each) => each.atMs <= this.#nowMs);
    this.#sleepers = this.#sleepers.filter((each) => each.atMs > this.#nowMs);
    for (const { wake } of due) wake();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export interface TestNetwork {
  readonly standIn: SuiStandIn;
  readonly nodes: readonly TestNode[];
  readonly clock: ManualClock;
  readonly client: SuiGrpcClient;
  readonly wallet: Ed25519Keypair;
  readonly address: string;
}

export const N_SHARDS = 13;
export const FUNDS = { suiMist: 100_000_000_000n, walFrost: 10_000_000_000_000n } as const;

export const testWallet = (label = "wallet"): Ed25519Keypair => Ed25519Keypair.fromSecretKey(bytes(label));

/** A client whose requests go straight into the stand-in's fetch handler. */
export function clientOf(
  standIn: Pick<SuiStandIn, "fetch">,
  format: "binary" | "text" = "binary",
): SuiGrpcClient {
  return new SuiGrpcClient({
    network: "testnet",
    baseUrl: "http://sui.local",
    format,
    fetch: (input: RequestInfo | URL, init?: RequestInit) => standIn.fetch(new Request(input, init)),
  });
}

export async function testNetwork(options: Partial<SuiStandInOptions> = {}): Promise<TestNetwork> {
  const clock = new ManualClock();
  const nodes = testNodes(4, N_SHARDS);
  const standIn = await createSuiStandIn({
    seed: "test",
    clock,
    nShards: N_SHARDS,
    nodes,
    onError: (method, error) => {
      throw new Error(`${method} failed inside the stand-in`, { cause: error });
    },
    ...options,
  });
  const wallet = testWallet();
  const address = wallet.toSuiAddress();
  if (BigInt(standIn.epoch) === 1n) standIn.faucet(address, FUNDS);
  return { standIn, nodes, clock, client: clientOf(standIn), wallet, address };
}

/** A certificate signed by the nodes at these positions. */
export function certify(
  nodes: readonly TestNode[],
  signers: readonly number[],
  epoch: number,
  blobId: BlobId,
  persistence: Persistence,
): Certificate & { readonly bitmap: Uint8Array } {
  const message = confirmationMessage({ epoch, blobId, persistence });
  return { ...signAs(nodes, signers, message), bitmap: signersToBitmap(signers, nodes.length) };
}

const signaturesMade = new Map<string, BlsSignature>();

/** Signing takes tens of milliseconds, and tests sign the same messages again and again. */
function signed(node: TestNode, message: Uint8Array): BlsSignature {
  const name = `${node.nodeId} ${toHex(message)}`;
  const signature = signaturesMade.get(name) ?? parseBlsSignature(blsSign(message, node.secretKey));
  signaturesMade.set(name, signature);
  return signature;
}

/** Any message, signed by the nodes at these positions. */
export function signAs(
  nodes: readonly TestNode[],
  signers: readonly number[],
  message: Uint8Array,
): Certificate {
  const signatures = signers.flatMap((position) => {
    const node = nodes[position];
    return node === undefined ? [] : signed(node, message);
  });
  return { signers, message, signature: serializeSignature(aggregateSignatures(signatures)) };
}

/** A blob ID that the contract accepts for this size and label; nobody holds such a blob. */
export function inventedBlob(size: number, label = 7): InventedBlob {
  const rootHash = new Uint8Array(32).fill(label);
  const derivation = new BcsWriter(41).u8(1).u64(BigInt(size)).fixed(rootHash).finish();
  return { size, rootHash, blobId: blobIdFromBytes(blake2b256(derivation)) };
}

export interface InventedBlob {
  readonly size: number;
  readonly rootHash: Uint8Array;
  readonly blobId: BlobId;
}

/** Builds calls to the contracts of one network, by short function names ("system::reserve_space"). */
export class Calls {
  readonly tx = new Transaction();
  readonly network: TestNetwork;
  readonly packageId: string;

  constructor(network: TestNetwork, packageId: string = network.standIn.packageId) {
    this.network = network;
    this.packageId = packageId;
    this.tx.setSender(network.address);
  }

  call(target: string, args: TransactionArgument[], typeArguments: string[] = []): TransactionResult {
    const isFramework = /^(coin|balance)::/.test(target);
    const full = `${isFramework ? "0x2" : this.packageId}::${target}` as const;
    return this.tx.moveCall({ target: full, arguments: args, typeArguments });
  }

  get system(): TransactionArgument {
    return this.tx.object(this.network.standIn.networkIds.systemObjectId);
  }

  /** A WAL coin of exactly this balance. */
  wal(balance: bigint): TransactionArgument {
    return this.tx.add(coinWithBalance({ type: this.network.standIn.networkIds.walType, balance }));
  }

  /** Destroys a WAL coin that must be empty by now. */
  destroy(coin: TransactionArgument): void {
    this.call("coin::destroy_zero", [coin], [this.network.standIn.networkIds.walType]);
  }

  reserve(bytes: number | bigint, epochs: number, payment: TransactionArgument): TransactionResult {
    const args = [this.system, this.tx.pure.u64(bytes), this.tx.pure.u32(epochs), payment];
    return this.call("system::reserve_space", args);
  }

  register(
    storage: TransactionArgument,
    blob: InventedBlob,
    payment: TransactionArgument,
    options: { deletable?: boolean; encodingType?: number } = {},
  ): TransactionResult {
    const { tx } = this;
    return this.call("system::register_blob", [
      this.system,
      storage,
      tx.pure.u256(blobIdToU256(blob.blobId)),
      tx.pure.u256(bytesToU256(blob.rootHash)),
      tx.pure.u64(blob.size),
      tx.pure.u8(options.encodingType ?? 1),
      tx.pure.bool(options.deletable ?? true),
      payment,
    ]);
  }

  certify(
    blob: string,
    certificate: { signature: Uint8Array; bitmap: Uint8Array; message: Uint8Array },
  ): void {
    const { tx } = this;
    this.call("system::certify_blob", [
      this.system,
      tx.object(blob),
      tx.pure.vector("u8", [...certificate.signature]),
      tx.pure.vector("u8", [...certificate.bitmap]),
      tx.pure.vector("u8", [...certificate.message]),
    ]);
  }

  give(objects: TransactionArgument[]): void {
    this.tx.transferObjects(objects, this.network.address);
  }

  /** Signs and executes; the transaction may still have failed. */
  async execute() {
    const { client, wallet } = this.network;
    const result = await client.signAndExecuteTransaction({
      transaction: this.tx,
      signer: wallet,
      include: { effects: true, events: true, objectTypes: true },
    });
    return result.Transaction ?? result.FailedTransaction;
  }

  /** Executes and expects success. */
  async succeed() {
    const result = await this.execute();
    if (!result.status.success) throw new Error(`failed: ${JSON.stringify(result.status.error)}`);
    return result;
  }
}

/** Encoded bytes of a blob of this network. */
export const encodedBytes = (size: number): number => encodedLength(N_SHARDS, size);

/** Registers a blob with exact payment and returns its object ID. */
export async function registerBlob(
  network: TestNetwork,
  blob: InventedBlob,
  options: { epochs?: number; deletable?: boolean } = {},
): Promise<ObjectId> {
  const epochs = options.epochs ?? 3;
  const units = BigInt(storageUnits(encodedBytes(blob.size)));
  const calls = new Calls(network);
  const [space, write] = [calls.wal(units * 11_000n * BigInt(epochs)), calls.wal(units * 20_000n)];
  const registered = calls.register(
    calls.reserve(encodedBytes(blob.size), epochs, space),
    blob,
    write,
    options,
  );
  calls.destroy(space);
  calls.destroy(write);
  calls.give([registered]);
  const { objectTypes } = await calls.succeed();
  const [id] = Object.entries(objectTypes ?? {}).find(([, type]) => type.endsWith("::blob::Blob")) ?? [];
  return parseObjectId(id ?? "");
}

/** Registers and certifies by a quorum of nodes. */
export async function certifiedBlob(
  network: TestNetwork,
  blob: InventedBlob,
  options: { epochs?: number; deletable?: boolean } = {},
): Promise<ObjectId> {
  const objectId = await registerBlob(network, blob, options);
  const persistence: Persistence =
    options.deletable === false ? { kind: "permanent" } : { kind: "deletable", objectId };
  const calls = new Calls(network);
  calls.certify(objectId, certify(network.nodes, [0, 1, 2], network.standIn.epoch, blob.blobId, persistence));
  await calls.succeed();
  return objectId;
}

/** What a failed simulation or transaction says about an abort: "module code". */
export function abortOf(error: unknown): string {
  const failure = (error as { executionError?: SuiClientTypes.ExecutionError }).executionError;
  const status = failure ?? (error as SuiClientTypes.ExecutionError);
  if (status?.$kind !== "MoveAbort")
    return `no abort: ${String((error as Error)?.message ?? status?.message)}`;
  return `${status.MoveAbort.location?.module} ${status.MoveAbort.abortCode}`;
}

/** The abort that building this transaction (which simulates it) ends with. */
export async function expectAbort(calls: Calls): Promise<string> {
  try {
    await calls.tx.build({ client: calls.network.client });
  } catch (error) {
    return abortOf(error);
  }
  return "no abort: success";
}
