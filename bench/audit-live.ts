/**
 * One round of a deployed auditor on the embedded network: what it costs the nodes and Sui.
 *
 * A round before it is not counted: the first one reads the whole chain and may miss its time. Requests and bytes are counted at the nodes; transactions are those whose events name the round.
 */
import { randomBytes } from "node:crypto";
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import { startAuditor } from "../dev/auditor-runtime.ts";
import { startEdge } from "../dev/edge-runtime.ts";
import { bundleWorker } from "../dev/worker-bundle.ts";
import { type Network, startNetwork } from "../localnet/network.ts";
import { findAuditEvent } from "../shared/sui/audit/find-events.ts";
import { type RegistryState, readRegistry } from "../shared/sui/audit/reader.ts";
import { createSuiClient } from "../shared/sui/client/sui-client.ts";
import { type Spread, spread } from "./statistics.ts";

const BLOBS = 3;
const BLOB_BYTES = 100_000;

export interface RoundFigures {
  readonly nodes: number;
  readonly shards: number;
  readonly ms: number;
  readonly challenged: number;
  readonly passed: number;
  /** Of each node. */
  readonly requests: Spread;
  readonly bytesOut: Spread;
  readonly transactions: number;
  readonly transactionBytes: number;
  /** Of computation and storage, less the rebate. */
  readonly gasMist: bigint;
}

export async function liveRound(nodes: number, shards: number): Promise<RoundFigures> {
  const [bundle, auditorBundle, network] = await Promise.all([
    bundleWorker("wrangler.toml"),
    bundleWorker("auditor/wrangler.toml"),
    startNetwork({ nodes, shards, seed: "bench-audit" }),
  ]);
  const edge = await startEdge({ bundle, network: network.file });
  const [own] = network.file.auditors ?? [];
  if (own === undefined) throw new Error("the network has no auditors");
  const bindings = { AUDITOR_SECRET_KEY: own.secretKey };
  const auditor = await startAuditor({ bundle: auditorBundle, network: network.file, bindings });
  try {
    for (let i = 0; i < BLOBS; i++)
      await publish(edge.url, i % 2 === 0 ? "permanent=true" : "deletable=true");
    await network.advanceEpoch();
    await holdRound(auditor.url);
    const before = traffic(network);
    const started = performance.now();
    const round = await holdRound(auditor.url);
    const ms = performance.now() - started;
    if (round.tx === null) throw new Error(`round ${round.no} was not reported on Sui`);
    const after = traffic(network);
    const grown = (what: "requests" | "bytesOut"): Spread =>
      spread(after.map((each, i) => each[what] - (before[i]?.[what] ?? 0)));
    return {
      nodes,
      shards,
      ms,
      challenged: round.totals.challenged,
      passed: round.totals.passed,
      requests: grown("requests"),
      bytesOut: grown("bytesOut"),
      ...(await costOf(network, own.address, round.no)),
    };
  } finally {
    await auditor.close();
    await edge.close();
    await network.close();
  }
}

interface HeldRound {
  readonly no: number;
  readonly tx: string | null;
  readonly totals: { readonly challenged: number; readonly passed: number };
}

async function holdRound(auditorUrl: string): Promise<HeldRound> {
  const response = await fetch(`${auditorUrl}/v1/audit/run`, { method: "POST" });
  const answer = await response.text();
  if (response.status !== 200) throw new Error(`the round answered ${response.status}: ${answer}`);
  // The auditor's own answer.
  return JSON.parse(answer) as HeldRound;
}

async function publish(edgeUrl: string, persistence: string): Promise<void> {
  const response = await fetch(`${edgeUrl}/v1/blobs?epochs=5&${persistence}`, {
    method: "PUT",
    body: randomBytes(BLOB_BYTES),
  });
  if (!response.ok) throw new Error(`publish answered ${response.status}: ${await response.text()}`);
  await response.body?.cancel();
}

const traffic = (network: Network) =>
  (network.file.nodes ?? []).map(({ name }) => {
    const { requests, bytesOut } = network.nodeStats(name);
    return { requests, bytesOut };
  });

async function costOf(network: Network, auditor: string, no: number) {
  const { audit, sui } = network.file;
  if (audit === undefined) throw new Error("the network has no registry");
  const client = createSuiClient({ url: sui.url, fetch });
  const digests = await roundTransactions(client, await readRegistry(client, audit), auditor, no);
  let transactionBytes = 0;
  let gasMist = 0n;
  for (const digest of digests) {
    const result = await client.getTransaction({ digest, include: { bcs: true, effects: true } });
    const found = result.Transaction ?? result.FailedTransaction;
    transactionBytes += found?.bcs?.length ?? 0;
    const gas = found?.effects?.gasUsed;
    if (gas === undefined) continue;
    gasMist += BigInt(gas.computationCost) + BigInt(gas.storageCost) - BigInt(gas.storageRebate);
  }
  return { transactions: digests.length, transactionBytes, gasMist };
}

async function roundTransactions(
  client: SuiGrpcClient,
  registry: RegistryState,
  auditor: string,
  no: number,
): Promise<string[]> {
  const found = await Promise.all([
    findAuditEvent(client, registry, "RoundOpened", (event) => Number(event.no) === no),
    findAuditEvent(client, registry, "PopulationDeclared", (event) => event.auditor === auditor),
    findAuditEvent(client, registry, "RoundReported", (event) => Number(event.no) === no),
  ]);
  return [...new Set(found.flatMap((event) => event?.txDigest ?? []))];
}
