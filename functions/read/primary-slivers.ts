/** Primary slivers of one blob, each from the node that holds it, verified against the metadata on arrival. */

import { assert, FloeError } from "../../shared/base/errors.ts";
import { CodecError } from "../../shared/codec/codec.ts";
import { NODE_LIMITS } from "../../shared/node/limits.ts";
import { StorageNodeError } from "../../shared/node/storage-node-errors.ts";
import { type Committee, memberOfShards } from "../../shared/protocol/committee.ts";
import type { SliverPairIndex } from "../../shared/protocol/ids.ts";
import { shardOfPair } from "../../shared/protocol/mapping.ts";
import type { VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import { type BlobLayout, blobLayout, sliverBytes } from "../../shared/protocol/sizes.ts";
import type { VerifiedSliver } from "../../shared/protocol/sliver.ts";
import { EdgeError } from "../base/edge-error.ts";
import { outcomeOfFailure } from "../nodes/edge-reads.ts";
import { type ReachableNode, reachableNodes, refreshIfStale } from "../nodes/reachable-nodes.ts";
import { absentError } from "./fetch-metadata.ts";
import { Inquirer, type Inquiry, refused } from "./inquiry.ts";
import { Absence } from "./locate.ts";
import type { ReadPorts } from "./ports.ts";

/** Failures that a longer wait may cure. */
const CURABLE: ReadonlySet<string> = new Set([
  "SUSPECT",
  "TIMEOUT",
  "UNREACHABLE",
  "THROTTLED",
  "SERVER_ERROR",
]);

export class PrimarySlivers {
  readonly metadata: VerifiedMetadata;
  readonly layout: BlobLayout;
  readonly rowBytes: number;
  readonly inquirer: Inquirer;
  readonly #services: ReadPorts;
  readonly #signal: AbortSignal;
  readonly #epoch: number;
  readonly #nodes: (ReachableNode | undefined)[];
  readonly #owners: Uint16Array;
  readonly #absence: Absence;
  /** Why slivers could not be had in this read, by index. */
  readonly #failed = new Map<number, string>();
  #wasStale = false;

  constructor(services: ReadPorts, committee: Committee, metadata: VerifiedMetadata, signal: AbortSignal) {
    this.#services = services;
    this.#signal = signal;
    this.#epoch = committee.epoch;
    this.metadata = metadata;
    this.layout = blobLayout(metadata.nShards, metadata.unencodedLength);
    this.rowBytes = sliverBytes(this.layout, "primary");
    this.inquirer = new Inquirer(services, signal);
    this.#nodes = new Array(committee.members.length);
    for (const node of reachableNodes(services, committee)) this.#nodes[node.position] = node;
    this.#owners = memberOfShards(committee);
    this.#absence = new Absence(committee.nShards);
  }

  /** Was this one asked for and not had, or will its node not be asked because it was silent a moment ago? */
  isLikelyMissing(index: number): boolean {
    const node = this.#owner(index);
    return (
      this.#failed.has(index) || node === undefined || this.#services.faults.isSuspect(node.member.nodeId)
    );
  }

  /** Indexes that failed in a way a longer wait may cure; first those whose nodes were not even asked in this read. */
  curable(): number[] {
    const failed = [...this.#failed].filter(([, code]) => CURABLE.has(code));
    const unasked = failed.filter(([, code]) => code === "SUSPECT");
    return [...unasked, ...failed.filter(([, code]) => code !== "SUSPECT")].map(([index]) => index);
  }

  hasFailed(index: number): boolean {
    return this.#failed.has(index);
  }

  /** Asks for sliver `index`; not from a node that was silent a moment ago. */
  fetch(index: number): Inquiry<VerifiedSliver> {
    return this.#fetch(index, NODE_LIMITS.readHeadersTimeoutMs, false);
  }

  /** Asks whoever holds it, and waits for the whole deadline. */
  fetchPatiently(index: number): Inquiry<VerifiedSliver> {
    return this.#fetch(index, NODE_LIMITS.nodeRequestTimeoutMs, true);
  }

  unavailable(missing: number): EdgeError {
    const { blobId } = this.metadata;
    const absent = absentError(this.#absence, blobId);
    if (absent !== undefined) return absent;
    const need = this.layout.primarySourceSymbols;
    const failed = this.#failed.size;
    return new EdgeError("BLOB_UNAVAILABLE", `have ${need - missing} of ${need} slivers, ${failed} failed`, {
      retryable: true,
      details: { blobId, haveSlivers: need - missing, needSlivers: need, failed },
    });
  }

  #owner(index: number): ReachableNode | undefined {
    const { blobId, nShards } = this.metadata;
    return this.#nodes[this.#owners[shardOfPair(index as SliverPairIndex, blobId, nShards)] ?? -1];
  }

  #fetch(index: number, headersTimeoutMs: number, isLastResort: boolean): Inquiry<VerifiedSliver> {
    const node = this.#owner(index);
    if (node === undefined) return refused(this.#fail(index, "REFUSED_ADDRESS", "no usable address"));
    const { faults, codec } = this.#services;
    if (!isLastResort && faults.isSuspect(node.member.nodeId)) {
      return refused(this.#fail(index, "SUSPECT", "the node was silent"));
    }
    // Primary sliver r is the primary sliver of pair r.
    const pair = index as SliverPairIndex;
    const { answer, late } = this.inquirer.ask(node, headersTimeoutMs, async (call) => {
      const { blobId } = this.metadata;
      const sliver = await node.client.getSliver(blobId, pair, "primary", this.rowBytes, call);
      const [checked] = codec.verifySlivers(this.metadata, [{ axis: "primary", pair, sliver }]);
      assert(checked !== undefined, "one result per sliver");
      if (checked instanceof CodecError) throw checked;
      return checked;
    });
    return { answer: answer.then((sliver) => this.#note(index, node, sliver)), late };
  }

  #note(
    index: number,
    { member }: ReachableNode,
    sliver: VerifiedSliver | FloeError,
  ): VerifiedSliver | FloeError {
    const outcome = sliver instanceof FloeError ? outcomeOfFailure(sliver) : "passed";
    this.#services.edgeReads?.note(this.#epoch, member.nodeId, this.metadata.blobId, outcome);
    if (!(sliver instanceof FloeError)) {
      this.#failed.delete(index);
      return sliver;
    }
    if (this.#signal.aborted) return sliver;
    const isOfNode = sliver instanceof StorageNodeError;
    if (isOfNode && sliver.code === "NOT_FOUND" && !this.#failed.has(index)) this.#absence.notFound(1);
    if (isOfNode && sliver.code === "FORBIDDEN" && !this.#failed.has(index)) this.#absence.forbidden(1);
    if (!this.#wasStale) refreshIfStale(this.#services, sliver.code);
    this.#wasStale ||= sliver.code === "SHARD_NOT_ASSIGNED";
    this.#failed.set(index, sliver.code);
    return sliver;
  }

  #fail(index: number, code: string, message: string): FloeError {
    this.#failed.set(index, code);
    return new FloeError(code, message);
  }
}
