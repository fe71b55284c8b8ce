/**
 * What a local network is made of, before any of it runs: checked options, keys and shards from the seed, and what
 * its data directory remembers.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../host/clock.ts";
import type { Clock } from "../shared/base/clock.ts";
import { FloeError } from "../shared/base/errors.ts";
import type { Codec } from "../shared/codec/codec.ts";
import { blake2b256 } from "../shared/crypto/blake2b.ts";
import { blsPublicKey } from "../shared/crypto/bls.ts";
import type { NodeDistance } from "../shared/network/network-file.ts";
import { MIN_SHARDS } from "../shared/protocol/bft.ts";
import { objectIdFromBytes, type ShardIndex } from "../shared/protocol/ids.ts";
import type { RegistryParams } from "../shared/sui/audit/contracts.ts";
import { type Distance, DistanceError, distancesOfNodes, parseDistance } from "./distance.ts";
import { MAINNET_SHAPE, mainnetShards } from "./shape.ts";
import type { NodeKeys } from "./storage-node/node-context.ts";

export const NETWORK_DEFAULTS = { nodes: 13, shards: 40, auditors: 3, seed: "floe" } as const;
const MAX_NODES = 200;
/** What a registry holds. */
const MAX_AUDITORS = 64;
const MAX_LOCAL_SHARDS = 1000;

const DEFAULT_HEAL_GRACE_MS = 5_000;

export interface NetworkOptions {
  readonly nodes?: number;
  readonly shards?: number;
  /** `mainnet`: as many nodes and shards, as unevenly shared and as far away, as there; see `shape.ts`. */
  readonly shape?: "mainnet";
  /** How far away the nodes are. Default: not at all, or as far as the shape says. */
  readonly distance?: Partial<Distance>;
  readonly seed?: string;
  /** Keeps blobs, chain, keys and ports here; created when missing. In memory without it. */
  readonly dataDir?: string;
  /** First of `nodes` + 2 ports: control, Sui, then the nodes. 0 (default) takes any free ones. */
  readonly port?: number;
  readonly clock?: Clock;
  /** SIMD kernels by default. */
  readonly codec?: Codec;
  /** Whether nodes rebuild slivers of certified blobs that they lack. Default false. */
  readonly heal?: boolean;
  /** How long a node waits for an upload's tail before it rebuilds. Default 5 s. */
  readonly healGraceMs?: number;
  /** Whether nodes answer false claims against them on chain. Default true. */
  readonly refute?: boolean;
  /** Auditors with keys of their own on the audit panel, at most 64. Default 3. */
  readonly auditors?: number;
  /** What differs from the audit panel's usual parameters, on a fresh network. */
  readonly auditParams?: Partial<RegistryParams>;
  /** Told of failures inside the network: one line of text each. Silent by default. */
  readonly log?: (line: string) => void;
}

export type NetworkErrorCode =
  /** An option is out of range. */
  | "INVALID_NETWORK"
  /** The data directory belongs to a network of another seed or shape. */
  | "OTHER_NETWORK"
  | "PORT_TAKEN"
  | "UNKNOWN_NODE";

export class NetworkError extends FloeError<NetworkErrorCode> {}

/** Options checked and completed. */
export interface NetworkPlan {
  readonly nodes: number;
  readonly shards: number;
  readonly shape: "even" | "mainnet";
  /** By node number. */
  readonly shardsOfNodes: readonly (readonly ShardIndex[])[];
  readonly distances: readonly NodeDistance[];
  readonly seed: string;
  readonly dataDir: string | undefined;
  readonly clock: Clock;
  readonly codec: Codec;
  readonly heal: boolean;
  readonly healGraceMs: number;
  readonly refute: boolean;
  readonly auditors: number;
  readonly auditParams: Partial<RegistryParams>;
  readonly log: (line: string) => void;
  /** Control, Sui, node-0, node-1, ...; 0 = any. */
  readonly ports: readonly number[];
  /** False when another free port will do: the ports were not asked for, only used before. */
  readonly insistsOnPorts: boolean;
}

/** `codec` is the one chosen. @throws NetworkError `INVALID_NETWORK` with the limits, `OTHER_NETWORK` for a foreign data directory */
export function planNetwork(options: NetworkOptions, codec: Codec): NetworkPlan {
  const { shape = "even", port = 0 } = options;
  const { nodes, shards } = sizeOf(options);
  const seed = options.seed ?? NETWORK_DEFAULTS.seed;
  const auditors = options.auditors ?? NETWORK_DEFAULTS.auditors;
  wholeNumber("nodes", nodes, 1, MAX_NODES);
  wholeNumber("auditors", auditors, 0, MAX_AUDITORS);
  wholeNumber("shards", shards, MIN_SHARDS, MAX_LOCAL_SHARDS);
  if (nodes > shards) {
    invalid(`${nodes} nodes cannot share ${shards} shards: every node needs one`, { nodes, shards });
  }
  const portCount = nodes + 2;
  wholeNumber("port", port, 0, 65_536 - portCount);
  const wanted = Array.from({ length: portCount }, (_, i) => (port === 0 ? 0 : port + i));
  const { dataDir } = options;
  const before = dataDir === undefined ? undefined : readRecord(dataDir, { seed, nodes, shards, shape });
  const seededBytes = (purpose: string): Uint8Array => derive(seed, purpose);
  return {
    nodes,
    shards,
    shape,
    shardsOfNodes: shape === "mainnet" ? mainnetShards(seededBytes) : evenShards(nodes, shards),
    distances: distancesOfNodes(distanceOf(options), nodes, seededBytes),
    seed,
    dataDir,
    clock: options.clock ?? systemClock,
    codec,
    heal: options.heal ?? false,
    healGraceMs: options.healGraceMs ?? DEFAULT_HEAL_GRACE_MS,
    refute: options.refute ?? true,
    auditors,
    auditParams: options.auditParams ?? {},
    log: options.log ?? (() => {}),
    ports: port === 0 ? (before?.ports ?? wanted) : wanted,
    insistsOnPorts: port !== 0,
  };
}

/** @throws NetworkError `INVALID_NETWORK` for a shape with another number of nodes or shards than it has */
function sizeOf({ shape, nodes, shards }: NetworkOptions): { nodes: number; shards: number } {
  if (shape === undefined) {
    return { nodes: nodes ?? NETWORK_DEFAULTS.nodes, shards: shards ?? NETWORK_DEFAULTS.shards };
  }
  const { nodes: ownNodes, shards: ownShards } = MAINNET_SHAPE;
  if ((nodes ?? ownNodes) !== ownNodes || (shards ?? ownShards) !== ownShards) {
    invalid(`the shape ${shape} has ${ownNodes} nodes and ${ownShards} shards`, { ownNodes, ownShards });
  }
  return { nodes: ownNodes, shards: ownShards };
}

/** @throws NetworkError `INVALID_NETWORK` */
function distanceOf({ shape, distance = {} }: NetworkOptions): Distance {
  const wanted = { ...(shape === undefined ? { latencyMs: 0 } : MAINNET_SHAPE.distance), ...distance };
  try {
    return parseDistance(wanted);
  } catch (cause) {
    if (!(cause instanceof DistanceError)) throw cause;
    throw new NetworkError("INVALID_NETWORK", cause.message, { cause });
  }
}

/** Shard s on node s mod N. */
function evenShards(nodes: number, shards: number): ShardIndex[][] {
  return Array.from({ length: nodes }, (_, node) => {
    const owned: ShardIndex[] = [];
    for (let shard = node; shard < shards; shard += nodes) owned.push(shard as ShardIndex);
    return owned;
  });
}

/** 32 bytes that follow from the seed. */
export const derive = (seed: string, purpose: string): Uint8Array =>
  blake2b256(new TextEncoder().encode(`floe-localnet/${seed}/${purpose}`));

/** A BLS scalar: 254 random bits, below the group's order (which has 255). */
export function scalar(seed: string, purpose: string): Uint8Array {
  const bytes = derive(seed, purpose);
  bytes[0] = (bytes[0] ?? 0) & 0x3f;
  return bytes;
}

/** Keys by node number; IDs are hashes in ascending order, so that the committee lists nodes by number. */
export function nodeKeys({ seed, nodes }: NetworkPlan): NodeKeys[] {
  const ids = Array.from({ length: nodes }, (_, i) => objectIdFromBytes(derive(seed, `node-id-${i}`))).sort();
  return ids.map((nodeId, i) => {
    const secretKey = scalar(seed, `bls-${i}`);
    return { nodeId, secretKey, publicKey: blsPublicKey(secretKey) };
  });
}

/** What a data directory remembers: its chain knows these nodes and no others; ports are kept where possible. */
interface NetworkRecord {
  readonly version: 1;
  readonly seed: string;
  readonly nodes: number;
  readonly shards: number;
  /** Even when absent. */
  readonly shape?: "mainnet";
  /** Control, Sui, node-0, node-1, ... */
  readonly ports: readonly number[];
  /** Whether the wallet got its coins. */
  readonly funded: boolean;
}

const recordPath = (dataDir: string): string => join(dataDir, "network.json");

/** @returns undefined for a fresh directory. @throws NetworkError `OTHER_NETWORK` */
function readRecord(
  dataDir: string,
  wanted: Pick<NetworkPlan, "seed" | "nodes" | "shards" | "shape">,
): NetworkRecord | undefined {
  mkdirSync(dataDir, { recursive: true });
  let text: string;
  try {
    text = readFileSync(recordPath(dataDir), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  // Written below by the same program; the version guards the shape.
  const record = JSON.parse(text) as NetworkRecord;
  if (record.version !== 1) {
    throw new NetworkError("OTHER_NETWORK", `${dataDir}: record version ${record.version}, known is 1`);
  }
  const kept = describe({ ...record, shape: record.shape ?? "even" });
  if (kept !== describe(wanted)) {
    throw new NetworkError("OTHER_NETWORK", `${dataDir} holds ${kept}; asked for ${describe(wanted)}`);
  }
  return record;
}

const describe = ({
  nodes,
  shards,
  shape,
  seed,
}: Pick<NetworkPlan, "seed" | "nodes" | "shards" | "shape">): string =>
  `${nodes} nodes, ${shards} shards${shape === "even" ? "" : ` (${shape})`}, seed "${seed}"`;

/** @returns whether the wallet had its coins before */
export function writeRecord(plan: NetworkPlan, ports: readonly number[], funded: boolean): boolean {
  const { dataDir, seed, nodes, shards, shape } = plan;
  if (dataDir === undefined) return false;
  const before = readRecord(dataDir, plan)?.funded ?? false;
  const record: NetworkRecord = {
    version: 1,
    seed,
    nodes,
    shards,
    ...(shape === "even" ? {} : { shape }),
    ports,
    funded: funded || before,
  };
  // Renamed into place, so that a crash leaves the old record or the new one.
  writeFileSync(`${recordPath(dataDir)}.new`, `${JSON.stringify(record, null, 2)}\n`);
  renameSync(`${recordPath(dataDir)}.new`, recordPath(dataDir));
  return before;
}

function wholeNumber(option: string, value: number, low: number, high: number): void {
  if (!Number.isInteger(value) || value < low || value > high) {
    invalid(`${option} is a whole number from ${low} to ${high}, not ${value}`, {
      [option]: value,
      low,
      high,
    });
  }
}

function invalid(message: string, details: Readonly<Record<string, number>>): never {
  throw new NetworkError("INVALID_NETWORK", message, { details });
}
