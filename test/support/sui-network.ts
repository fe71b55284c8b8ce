/** A small embedded Sui network for tests: deterministic keys, a manual clock, one funded wallet. */

import { SuiGrpcClient } from "@mysten/sui/grpc";
import { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import { createSuiStandIn, type SuiStandIn, type SuiStandInOptions } from "../../localnet/sui/stand-in.ts";
import { blake2b256 } from "../../shared/crypto/blake2b.ts";
import {
  aggregateSignatures,
  blsPublicKey,
  blsSign,
  parseBlsSignature,
  serializeSignature,
} from "../../shared/crypto/bls.ts";
import { type Certificate, signersToBitmap } from "../../shared/protocol/certificate.ts";
import type { Clock } from "../../shared/protocol/clock.ts";
import { type BlobId, type ObjectId, objectIdFromBytes } from "../../shared/protocol/ids.ts";
import { confirmationMessage, type Persistence } from "../../shared/protocol/messages.ts";

export interface TestNode {
  readonly name: string;
  readonly nodeId: ObjectId;
  readonly networkAddress: string;
  readonly publicKey: Uint8Array;
  readonly secretKey: Uint8Array;
  readonly shards: readonly number[];
}

const bytes = (label: string): Uint8Array => blake2b256(new TextEncoder().encode(label));

/** Nodes in committee order (ascending node ID), shard s on node s mod count. */
export function testNodes(count: number, nShards: number): TestNode[] {
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

/** Any message, signed by the nodes at these positions. */
export function signAs(
  nodes: readonly TestNode[],
  signers: readonly number[],
  message: Uint8Array,
): Certificate {
  const signatures = signers.flatMap((position) => {
    const node = nodes[position];
    return node === undefined ? [] : parseBlsSignature(blsSign(message, node.secretKey));
  });
  return { signers, message, signature: serializeSignature(aggregateSignatures(signatures)) };
}
