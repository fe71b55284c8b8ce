/**
 * The embedded network: N storage nodes and the Sui stand-in in one process, and a control API.
 *
 * Everything is derived from a seed: BLS keys, node IDs, wallet. Node IDs ascend with the node number, so that the
 * committee's order is node-0, node-1, ..., and shard s sits on node s mod N (node-0 holds 0, 13, 26, 39 of 13/40),
 * unless a shape says otherwise.
 * Nodes, chain and clients exchange nothing but HTTP.
 *
 * With a data directory the network survives: `network.json` there remembers seed, shape and ports, `node-*.sqlite`
 * are the nodes' disks, `sui` is the chain's. Without one, all of it is in memory.
 */

import { join } from "node:path";
import { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import { nodeCodec } from "../host/codec.ts";
import type { NetworkFile, NetworkFileKey, NodeDistance } from "../shared/network/network-file.ts";
import { type BlobId, type ObjectId, parseObjectId, type ShardIndex } from "../shared/protocol/ids.ts";
import type { AuditorEntry } from "../shared/sui/audit/transactions.ts";
import type { CertifiedEventBlob } from "../shared/sui/walrus/chain-snapshot.ts";
import { type Prices, serveControl } from "./control.ts";
import { type Distance, distancesOfNodes } from "./distance.ts";
import type { NodeFault } from "./faults.ts";
import {
  derive,
  NetworkError,
  type NetworkOptions,
  type NetworkPlan,
  nodeKeys,
  planNetwork,
  scalar,
  writeRecord,
} from "./network-plan.ts";
import { NodeHost, type NodeStats } from "./node-host.ts";
import { createSuiClaimSource } from "./storage-node/claim-source.ts";
import { createSuiChainSource } from "./storage-node/sui-chain-source.ts";
import type { SuiFault } from "./sui/faults.ts";
import { serveSui } from "./sui/server.ts";
import { createSuiStandIn, type GenesisNode, type SuiStandIn } from "./sui/stand-in.ts";

export { NETWORK_DEFAULTS, type NetworkOptions } from "./network-plan.ts";

const HOST = "127.0.0.1";
/** What the wallet starts with: a million SUI and a million WAL (9 decimals each). */
const WALLET_FUNDS = { suiMist: 10n ** 15n, walFrost: 10n ** 15n } as const;

/** What auditors and nodes start with: 1,000 SUI each, for bonds and gas. */
const AUDIT_FUNDS = { suiMist: 10n ** 12n } as const;

/**
 * A node that starts reads all storage pools. One hundred that do so at once, in one process with the chain they read,
 * all get their answers at the end, after the 10 s that each of them waits.
 */
const NODES_STARTED_TOGETHER = 8;

export interface Network {
  readonly file: NetworkFile;
  setNodeFault(name: string, fault: NodeFault): void;
  /** Of all nodes, as `startNetwork` takes it. */
  setDistance(distance: Distance): void;
  setNodeDistance(name: string, distance: NodeDistance): void;
  /** Of the current epoch and those after it, effective at once. */
  setPrices(prices: Prices): void;
  /** The node's process dies and comes back on the same disk and port. */
  restartNode(name: string): Promise<void>;
  /** The operator's deny list of one node, replaced as a whole. */
  setBlocked(name: string, blobIds: Iterable<BlobId>): void;
  /** Whether a node answers false claims against it on chain. */
  setRefuting(name: string, wanted: boolean): Promise<void>;
  setSuiFault(fault: SuiFault): void;
  advanceEpoch(): Promise<number>;
  /** Certifies an event blob, whose slivers the nodes then have to get. @throws SuiStandInError `EVENT_BLOB_REFUSED` */
  certifyEventBlob(blob: CertifiedEventBlob & { readonly unencodedLength: number }): void;
  /** Puts an address on the audit panel; one that is on it stays. @returns whether it was added. @throws SuiStandInError `AUDITOR_REFUSED` */
  addAuditor(auditor: AuditorEntry): boolean;
  /** @returns the transaction's digest */
  faucet(
    address: ObjectId,
    amounts: { readonly suiMist?: bigint; readonly walFrost?: bigint },
  ): Promise<string>;
  nodeStats(name: string): NodeStats;
  /** `shard/axis` to the hex BLAKE2b-256 of the serialised sliver, for every sliver whose bytes the node has. */
  storedSlivers(name: string, blobId: BlobId): Map<string, string>;
  /** Closes every socket and database. Callable more than once. */
  close(): Promise<void>;
}

/**
 * Starts the network and returns once every node follows the chain and the wallet is funded.
 *
 * @throws NetworkError; whatever was already open is closed again
 */
export async function startNetwork(options: NetworkOptions = {}): Promise<Network> {
  const plan = planNetwork(options, options.codec ?? (await nodeCodec()));
  const closers: Closers = [];
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= (async () => {
      for (const closer of closers.reverse()) await closer();
    })();
    return closing;
  };
  try {
    return await openNetwork(plan, closers, close);
  } catch (error) {
    await close();
    throw error;
  }
}

type Closers = (() => Promise<void>)[];

/** What runs; the control API and the `Network` handle are two faces of it. */
interface Parts {
  readonly plan: NetworkPlan;
  readonly members: readonly Member[];
  readonly standIn: SuiStandIn;
  readonly suiUrl: string;
  readonly wallet: Ed25519Keypair;
  readonly auditors: readonly NamedKey[];
}

/** A storage node with its place in the network. */
interface Member {
  readonly host: NodeHost;
  readonly shards: readonly ShardIndex[];
  /** Votes for the node, and pays when it answers a claim. */
  readonly wallet: Ed25519Keypair;
  /** The wallet as the network file has it; deriving it takes a millisecond, so it is done once. */
  readonly walletEntry: NetworkFileKey;
}

interface NamedKey {
  readonly name: string;
  readonly key: Ed25519Keypair;
}

const keyOf = (plan: NetworkPlan, purpose: string): Ed25519Keypair =>
  Ed25519Keypair.fromSecretKey(derive(plan.seed, purpose));
const addressOf = (key: Ed25519Keypair): ObjectId => parseObjectId(key.toSuiAddress());
const fileKey = (key: Ed25519Keypair): NetworkFileKey => ({
  address: addressOf(key),
  secretKey: key.getSecretKey(),
});

async function openNetwork(
  plan: NetworkPlan,
  closers: Closers,
  close: () => Promise<void>,
): Promise<Network> {
  const members = await bindNodes(plan, closers);
  const hosts = members.map(({ host }) => host);
  const nodePorts = hosts.map((host) => host.server.port);
  // Remembered before genesis, so that a start that dies half way comes back to the same chain.
  const funded = writeRecord(plan, [plan.ports[0] ?? 0, plan.ports[1] ?? 0, ...nodePorts], false);
  const wallet = keyOf(plan, "wallet");
  const auditors = Array.from({ length: plan.auditors }, (_, i): NamedKey => {
    return { name: `auditor-${i}`, key: keyOf(plan, `auditor-${i}`) };
  });
  const { standIn, suiUrl } = await openChain(plan, members, addressOf(wallet), closers);
  const ids = standIn.networkIds;
  const { auditPackageId: packageId, auditRegistryId: registryId } = ids;
  for (let first = 0; first < hosts.length; first += NODES_STARTED_TOGETHER) {
    await Promise.all(
      hosts
        .slice(first, first + NODES_STARTED_TOGETHER)
        .map((host) =>
          host.start(
            createSuiChainSource({ ...ids, url: suiUrl, fetch, nowMs: () => plan.clock.nowMs() }),
            createSuiClaimSource({ url: suiUrl, fetch, packageId, registryId }),
          ),
        ),
    );
  }
  // Before the chain goes, so that nobody complains of its end.
  closers.push(async () => void (await Promise.all(hosts.map((host) => host.setRefuting(false)))));
  const parts = { plan, members, standIn, suiUrl, wallet, auditors };
  const network = networkOf(parts, () => control.url, close);
  const control = await withPort(plan, plan.ports[0] ?? 0, "the control API", (port) =>
    serveControl(network, { port, onError: reporter(plan, "control") }),
  );
  closers.push(() => control.close());
  if (!funded) {
    standIn.faucet(addressOf(wallet), WALLET_FUNDS);
    for (const { walletEntry } of members) standIn.faucet(walletEntry.address, AUDIT_FUNDS);
  }
  for (const { name, key } of auditors) {
    const auditor = { address: addressOf(key), name, url: `http://${HOST}`, sinceEpoch: standIn.epoch };
    if (standIn.addAuditor(auditor)) standIn.faucet(auditor.address, AUDIT_FUNDS);
  }
  writeRecord(plan, [control.port, Number(new URL(suiUrl).port), ...nodePorts], true);
  return network;
}

async function bindNodes(plan: NetworkPlan, closers: Closers): Promise<Member[]> {
  const members: Member[] = [];
  for (const [i, keys] of nodeKeys(plan).entries()) {
    const name = `node-${i}`;
    const wallet = keyOf(plan, `node-wallet-${i}`);
    const host = await withPort(plan, plan.ports[i + 2] ?? 0, name, (port) =>
      NodeHost.bind({
        name,
        keys,
        rogueKey: scalar(plan.seed, `rogue-${i}`),
        storePath: plan.dataDir === undefined ? ":memory:" : join(plan.dataDir, `${name}.sqlite`),
        host: HOST,
        port,
        clock: plan.clock,
        codec: plan.codec,
        heal: plan.heal,
        healGraceMs: plan.healGraceMs,
        wallet,
        refute: plan.refute,
        onError: reporter(plan, name),
      }),
    );
    closers.push(() => host.close());
    host.setDistance(plan.distances[i] ?? { latencyMs: 0 });
    members.push({
      host,
      shards: plan.shardsOfNodes[i] ?? [],
      wallet,
      walletEntry: fileKey(wallet),
    });
  }
  return members;
}

async function openChain(
  plan: NetworkPlan,
  members: readonly Member[],
  adminAddress: ObjectId,
  closers: Closers,
): Promise<{ standIn: SuiStandIn; suiUrl: string }> {
  const nodes = members.map(
    ({ host, shards, walletEntry }): GenesisNode => ({
      name: host.name,
      nodeId: host.keys.nodeId,
      networkAddress: `${HOST}:${host.server.port}`,
      publicKey: host.keys.publicKey,
      secretKey: host.keys.secretKey,
      shards,
      governanceAddress: walletEntry.address,
    }),
  );
  const standIn = await createSuiStandIn({
    seed: plan.seed,
    clock: plan.clock,
    nShards: plan.shards,
    nodes,
    audit: { adminAddress, params: plan.auditParams },
    onError: (method, error) => reporter(plan, `sui ${method}`)(error),
    ...(plan.dataDir === undefined ? {} : { dataDir: join(plan.dataDir, "sui") }),
  });
  closers.push(async () => standIn.close());
  const server = await withPort(plan, plan.ports[1] ?? 0, "the Sui stand-in", (port) =>
    serveSui(standIn, { port, host: HOST }),
  );
  closers.push(() => server.close());
  return { standIn, suiUrl: server.url };
}

function networkOf(
  { plan, members, standIn, suiUrl, wallet, auditors }: Parts,
  controlUrl: () => string,
  close: () => Promise<void>,
): Network & { hasNode(name: string): boolean } {
  const hostOf = (name: string): NodeHost => {
    const host = members.find((member) => member.host.name === name)?.host;
    if (host === undefined) throw new NetworkError("UNKNOWN_NODE", `there is no node ${name}`);
    return host;
  };
  const ids = standIn.networkIds;
  const { chainId, systemObjectId, stakingObjectId, slashingManagerId } = ids;
  const walletEntry = fileKey(wallet);
  const auditorEntries = auditors.map(({ name, key }) => ({ name, ...fileKey(key) }));
  return {
    get file(): NetworkFile {
      return {
        nShards: plan.shards,
        epoch: standIn.epoch,
        epochDurationMs: 0,
        sui: { url: suiUrl, chainId },
        walrus: { systemObjectId, stakingObjectId, slashingManagerId },
        audit: {
          packageId: ids.auditPackageId,
          registryId: ids.auditRegistryId,
          gatePackageId: ids.auditGatePackageId,
        },
        wallet: walletEntry,
        auditors: auditorEntries,
        nodes: members.map(({ host, shards, walletEntry }) => ({
          name: host.name,
          nodeId: host.keys.nodeId,
          url: host.server.url,
          shards,
          ...(isNear(host.distance) ? {} : { distance: host.distance }),
          wallet: walletEntry,
        })),
        control: { url: controlUrl() },
      };
    },
    hasNode: (name) => members.some(({ host }) => host.name === name),
    setNodeFault: (name, fault) => hostOf(name).setFault(fault),
    setDistance: (distance) => {
      const seededBytes = (purpose: string): Uint8Array => derive(plan.seed, purpose);
      const distances = distancesOfNodes(distance, plan.nodes, seededBytes);
      for (const [i, { host }] of members.entries()) host.setDistance(distances[i] ?? host.distance);
    },
    setPrices: (prices) => standIn.setPrices(prices),
    setNodeDistance: (name, distance) => hostOf(name).setDistance(distance),
    restartNode: (name) => hostOf(name).restart(),
    setBlocked: (name, blobIds) => hostOf(name).setBlocked(blobIds),
    setRefuting: (name, wanted) => hostOf(name).setRefuting(wanted),
    setSuiFault: (fault) => standIn.setFault(fault),
    advanceEpoch: async () => standIn.advanceEpoch(),
    certifyEventBlob: (blob) => standIn.certifyEventBlob(blob),
    addAuditor: (auditor) => standIn.addAuditor(auditor),
    faucet: async (address, amounts) => standIn.faucet(address, amounts).digest,
    nodeStats: (name) => hostOf(name).stats(),
    storedSlivers: (name, blobId) => hostOf(name).storedSlivers(blobId),
    close,
  };
}

const isNear = ({ latencyMs, bandwidth }: NodeDistance): boolean =>
  latencyMs === 0 && bandwidth === undefined;

const reporter =
  (plan: NetworkPlan, source: string) =>
  (error: unknown): void => {
    plan.log(`${source}: ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`);
  };

async function withPort<T>(
  plan: NetworkPlan,
  port: number,
  what: string,
  listen: (port: number) => Promise<T>,
): Promise<T> {
  try {
    return await listen(port);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code !== "EADDRINUSE" && code !== "EACCES") throw cause;
    if (!plan.insistsOnPorts) {
      plan.log(`${what}: port ${port} of the last run is taken, using another`);
      return listen(0);
    }
    throw new NetworkError("PORT_TAKEN", `port ${port} for ${what} cannot be used (${code})`, {
      cause,
      details: { port },
    });
  }
}
