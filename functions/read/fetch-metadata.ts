/**
 * Metadata of a blob from any node that has it, verified by the blob ID: one honest node is enough.
 *
 * Requests for one blob at one time share the search, and for a moment also its answer that nobody has the blob.
 */

import type { EdgeReadOutcome } from "../../shared/audit/edge-reads.ts";
import { FloeError } from "../../shared/base/errors.ts";
import { fetchVerifiedMetadata } from "../../shared/node/fetch-metadata.ts";
import { NODE_LIMITS } from "../../shared/node/limits.ts";
import { StorageNodeError } from "../../shared/node/storage-node-errors.ts";
import { isQuorum } from "../../shared/protocol/bft.ts";
import type { Committee } from "../../shared/protocol/committee.ts";
import type { BlobId, ObjectId } from "../../shared/protocol/ids.ts";
import type { VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import { EdgeError } from "../base/edge-error.ts";
import { outcomeOfFailure } from "../nodes/edge-reads.ts";
import type { ReachableNode } from "../nodes/reachable-nodes.ts";
import { verifiedBlobStatus } from "./blob-status.ts";
import { firstAnswer } from "./hedge.ts";
import { READ_LIMITS } from "./limits.ts";
import { Absence, nodesByPreference } from "./locate.ts";
import type { ReadPorts } from "./ports.ts";

/**
 * @throws EdgeError `BLOB_NOT_FOUND` (a quorum says so), `FORBIDDEN_BLOB`, else `BLOB_UNAVAILABLE`, with the numbers
 * Cost: normally one request of 66 n bytes.
 */
export async function fetchMetadata(
  services: ReadPorts,
  committee: Committee,
  blobId: BlobId,
): Promise<VerifiedMetadata> {
  const { absences, metadata: flights } = services.reads;
  const key = `${committee.epoch} ${blobId}`;
  const underWay = flights.joinable(key);
  const joined = underWay === undefined ? undefined : await join(services, underWay);
  if (joined !== undefined) return joined;
  if (absences.has(blobId)) {
    throw new EdgeError("BLOB_NOT_FOUND", `nobody had it less than ${READ_LIMITS.absenceMs} ms ago`, {
      details: { blobId },
    });
  }
  try {
    return await flights.lead(key, searchMetadata(services, committee, blobId));
  } catch (error) {
    if (error instanceof EdgeError && error.code === "BLOB_NOT_FOUND") absences.add(blobId);
    throw error;
  }
}

/** @returns what another request finds; undefined when it fails, or takes long and may have died */
async function join(
  { transport }: ReadPorts,
  underWay: Promise<VerifiedMetadata>,
): Promise<VerifiedMetadata | undefined> {
  const timer = new AbortController();
  const tooLong = transport.clock.sleep(READ_LIMITS.metadataHedgeMs, timer.signal).catch(() => {});
  const found = await Promise.race([underWay.catch(() => {}), tooLong]);
  timer.abort();
  return found ?? undefined;
}

async function searchMetadata(
  services: ReadPorts,
  committee: Committee,
  blobId: BlobId,
): Promise<VerifiedMetadata> {
  const search = new MetadataSearch(services, committee, blobId);
  const nodes = nodesByPreference(services, committee);
  const found =
    (await search.ask(nodes, NODE_LIMITS.readHeadersTimeoutMs)) ??
    // Rather late than never: those that were silent get the whole deadline now.
    (await search.ask([...search.silent], NODE_LIMITS.nodeRequestTimeoutMs));
  if (found !== undefined) {
    search.noteOutcomes();
    return found;
  }
  if (search.absence.any) {
    const status = await verifiedBlobStatus(services, committee, blobId);
    if (status?.kind === "nonexistent" || status?.kind === "invalid") {
      throw new EdgeError("BLOB_NOT_FOUND", `the nodes' status is ${status.kind}`, { details: { blobId } });
    }
  }
  const { failures } = search;
  throw new EdgeError(
    "BLOB_UNAVAILABLE",
    `no valid metadata from ${committee.members.length} nodes: ${search.absence.describe()}, ${failures} requests failed`,
    { retryable: true, details: { blobId, failures } },
  );
}

class MetadataSearch {
  readonly absence: Absence;
  /** Nodes that gave no answer at all. */
  readonly silent = new Set<ReachableNode>();
  failures = 0;
  readonly #services: ReadPorts;
  readonly #epoch: number;
  readonly #nShards: number;
  readonly #blobId: BlobId;
  /** What each answer was worth, by node. */
  readonly #outcomes: (readonly [ObjectId, EdgeReadOutcome | undefined])[] = [];

  constructor(services: ReadPorts, committee: Committee, blobId: BlobId) {
    this.#services = services;
    this.#epoch = committee.epoch;
    this.#nShards = committee.nShards;
    this.#blobId = blobId;
    this.absence = new Absence(committee.nShards);
  }

  ask(nodes: readonly ReachableNode[], headersTimeoutMs: number): Promise<VerifiedMetadata | undefined> {
    const { transport, carrier, codec, faults } = this.#services;
    return firstAnswer<ReachableNode, VerifiedMetadata>({
      clock: transport.clock,
      candidates: nodes,
      hedgeMs: READ_LIMITS.metadataHedgeMs,
      width: carrier.width,
      ask: async ({ client, member }, signal) => {
        const call = { signal, attempts: 1, headersTimeoutMs };
        const verified = await fetchVerifiedMetadata(codec, client, this.#blobId, this.#nShards, call);
        faults.answered(member.nodeId);
        this.#outcomes.push([member.nodeId, "passed"]);
        return verified;
      },
      failed: (node, error) => this.#failed(node, error),
    });
  }

  /** Only once somebody had the metadata: nobody owes an answer for a blob that does not exist. */
  noteOutcomes(): void {
    for (const [nodeId, outcome] of this.#outcomes)
      this.#services.edgeReads?.note(this.#epoch, nodeId, this.#blobId, outcome);
  }

  #failed(node: ReachableNode, error: unknown): Error | undefined {
    if (!(error instanceof FloeError)) return error instanceof Error ? error : new Error(String(error));
    const { nodeId, shards } = node.member;
    this.#outcomes.push([nodeId, outcomeOfFailure(error)]);
    const code = error instanceof StorageNodeError ? error.code : undefined;
    if (code === "NOT_FOUND") this.absence.notFound(shards.length);
    else if (code === "FORBIDDEN") this.absence.forbidden(shards.length);
    else {
      this.failures++;
      if (error.retryable) this.silent.add(node);
      this.#services.faults.record(nodeId, error.code);
    }
    return absentError(this.absence, this.#blobId);
  }
}

/** The answer for a blob that a quorum does not serve. */
export function absentError(absence: Absence, blobId: BlobId): EdgeError | undefined {
  const verdict = absence.verdict(isQuorum);
  if (verdict === undefined) return undefined;
  const code = verdict === "missing" ? "BLOB_NOT_FOUND" : "FORBIDDEN_BLOB";
  return new EdgeError(code, absence.describe(), { details: { blobId } });
}
