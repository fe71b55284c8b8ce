/**
 * Whom to ask for a blob: the read committee.
 *
 * Normally that is the current committee. While shards move after an epoch change, blobs certified in earlier epochs
 * are still served by the previous one; when a blob was certified is asked of the nodes, of the newest committee.
 */
import type { Committee } from "../../shared/protocol/committee.ts";
import type { BlobId } from "../../shared/protocol/ids.ts";
import { type ReachableNode, reachableNodes } from "../nodes/reachable-nodes.ts";
import { verifiedBlobStatus } from "./blob-status.ts";
import type { ReadPorts } from "./ports.ts";

/** Cost: nothing on top of the chain snapshot, or one status round while an epoch changes. */
export async function readCommittee(services: ReadPorts, blobId: BlobId): Promise<Committee> {
  const { committee, previousCommittee, epochState, epoch } = await services.chain.snapshot();
  if (epochState.kind !== "EpochChangeSync" || previousCommittee === null) return committee;
  const status = await verifiedBlobStatus(services, committee, blobId);
  const certifiedEpoch =
    status?.kind === "permanent" || status?.kind === "deletable" ? status.initialCertifiedEpoch : null;
  return certifiedEpoch !== null && certifiedEpoch >= epoch ? committee : previousCommittee;
}

/** Members in the order to ask them: a random rotation, those that were silent a moment ago last. */
export function nodesByPreference(services: ReadPorts, committee: Committee): ReachableNode[] {
  const nodes = reachableNodes(services, committee);
  const [high = 0, low = 0] = services.transport.randomBytes(2);
  const turn = nodes.length === 0 ? 0 : (high * 256 + low) % nodes.length;
  const rotated = [...nodes.slice(turn), ...nodes.slice(0, turn)];
  const isSuspect = (node: ReachableNode): boolean => services.faults.isSuspect(node.member.nodeId);
  return [...rotated.filter((node) => !isSuspect(node)), ...rotated.filter(isSuspect)];
}

/** What nodes without the blob have said, by weight in shards. */
export class Absence {
  readonly #nShards: number;
  #notFound = 0;
  #forbidden = 0;

  constructor(nShards: number) {
    this.#nShards = nShards;
  }

  notFound(shards: number): void {
    this.#notFound += shards;
  }
  forbidden(shards: number): void {
    this.#forbidden += shards;
  }

  get any(): boolean {
    return this.#notFound + this.#forbidden > 0;
  }

  /** Once nodes of a quorum have no bytes for us: whether the blob is missing or blocked. */
  verdict(isQuorum: (weight: number, nShards: number) => boolean): "missing" | "blocked" | undefined {
    if (!isQuorum(this.#notFound + this.#forbidden, this.#nShards)) return undefined;
    return this.#forbidden >= this.#notFound ? "blocked" : "missing";
  }

  describe(): string {
    return `${this.#notFound} of ${this.#nShards} shards not found, ${this.#forbidden} blocked`;
  }
}
