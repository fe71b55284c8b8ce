/**
 * Reads a blob from its slivers: the systematic primary slivers hold its bytes in order, so sliver r is fetched, its
 * Merkle root checked against the metadata, and its bytes go out, while the next ones are on their way.
 *
 * When one is missing, late or wrong, any k1 verified primary slivers (p = n-2f of them) rebuild all rows; the rest of
 * the read then comes from the decoder, each rebuilt row checked against the metadata too. Not one unverified byte
 * leaves here. Memory: `rowsAhead` slivers, or after a loss the decoder.
 */
import { type BlobDecoder, CodecError } from "../../shared/codec/codec.ts";
import { StorageNodeError } from "../../shared/node/storage-node-errors.ts";
import { equalBytes } from "../../shared/protocol/bytes.ts";
import type { Committee } from "../../shared/protocol/committee.ts";
import { memberOfShards } from "../../shared/protocol/committee.ts";
import { assert, FloeError } from "../../shared/protocol/errors.ts";
import type { SliverIndex, SliverPairIndex } from "../../shared/protocol/ids.ts";
import { LIMITS } from "../../shared/protocol/limits.ts";
import { shardOfPair } from "../../shared/protocol/mapping.ts";
import { sliverHash, type VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import { type BlobLayout, blobLayout, sliverBytes } from "../../shared/protocol/sizes.ts";
import type { Sliver, VerifiedSliver } from "../../shared/protocol/sliver.ts";
import { EdgeError } from "../edge-error.ts";
import { type ReachableNode, reachableNodes, refreshIfStale, type Services } from "../services.ts";
import { absentError } from "./fetch-metadata.ts";
import { Absence, rowsAhead } from "./locate.ts";
import type { ByteRange } from "./range.ts";

/**
 * The bytes of `range`, in pieces of at most one sliver.
 *
 * @throws EdgeError from any step of the iteration: `BLOB_UNAVAILABLE` with slivers had and needed, `BLOB_NOT_FOUND`,
 *   `FORBIDDEN_BLOB`, `INCONSISTENT_BLOB`; CodecError `OUT_OF_CODEC_MEMORY`
 */
export async function* readBlob(
  services: Services,
  committee: Committee,
  metadata: VerifiedMetadata,
  range: ByteRange,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (range.start === range.end) return;
  const reader = new RowReader(services, committee, metadata);
  const { rowBytes } = reader;
  const rows = { from: Math.floor(range.start / rowBytes), to: Math.ceil(range.end / rowBytes) };
  try {
    for (let row = rows.from; row < rows.to; row++) {
      const data = await reader.row(row, rows.to);
      const base = row * rowBytes;
      checkTail(metadata, data, base);
      yield data.subarray(Math.max(0, range.start - base), Math.min(rowBytes, range.end - base));
    }
  } finally {
    reader.close();
  }
}

/**
 * Checks what a whole read does not fetch: rows that hold only padding must be committed to as zeros. With the check
 * of every row that is read this is the official default consistency check. Cost: one sliver's hashing.
 *
 * @throws EdgeError `INCONSISTENT_BLOB`
 */
export function checkPaddingRows(services: Services, metadata: VerifiedMetadata): void {
  const layout = blobLayout(metadata.nShards, metadata.unencodedLength);
  const rowBytes = sliverBytes(layout, "primary");
  const first = Math.ceil(metadata.unencodedLength / rowBytes);
  if (first >= layout.primarySourceSymbols) return;
  // Primary sliver r is sliver r of pair r, so row numbers are both indexes.
  const pair = first as SliverPairIndex;
  const zeros: Sliver = {
    data: new Uint8Array(rowBytes),
    symbolBytes: layout.symbolBytes,
    index: first as number as SliverIndex,
  };
  const [checked] = services.codec.verifySlivers(metadata, [{ axis: "primary", pair, sliver: zeros }]);
  if (checked === undefined || checked instanceof CodecError) inconsistent(metadata, first);
  const zeroHash = sliverHash(metadata, pair, "primary");
  for (let row = first + 1; row < layout.primarySourceSymbols; row++) {
    if (!equalBytes(sliverHash(metadata, row as SliverPairIndex, "primary"), zeroHash))
      inconsistent(metadata, row);
  }
}

/** Bytes after the blob's end are padding. */
function checkTail(metadata: VerifiedMetadata, data: Uint8Array, base: number): void {
  for (let at = Math.max(0, metadata.unencodedLength - base); at < data.length; at++) {
    if (data[at] !== 0) inconsistent(metadata, base / data.length);
  }
}

function inconsistent(metadata: VerifiedMetadata, row: number): never {
  throw new EdgeError("INCONSISTENT_BLOB", `row ${row} is padded with other bytes than zeros`, {
    details: { blobId: metadata.blobId, row },
  });
}

/** A primary sliver that was asked for and not (yet) consumed. */
type Fetched = Promise<VerifiedSliver | FloeError>;

class RowReader {
  readonly rowBytes: number;
  readonly #services: Services;
  readonly #metadata: VerifiedMetadata;
  readonly #layout: BlobLayout;
  readonly #nodes: (ReachableNode | undefined)[];
  readonly #owners: Uint16Array;
  readonly #absence: Absence;
  readonly #work = new AbortController();
  readonly #ahead = new Map<number, Fetched>();
  /** Rows whose node failed in this read: not asked again before everybody else. */
  readonly #failed = new Map<number, string>();
  #decoder: BlobDecoder | undefined;
  #wasStale = false;
  /** Rows the decoder got as verified slivers; the others it rebuilds. */
  readonly #given = new Set<number>();

  constructor(services: Services, committee: Committee, metadata: VerifiedMetadata) {
    this.#services = services;
    this.#metadata = metadata;
    this.#layout = blobLayout(metadata.nShards, metadata.unencodedLength);
    this.rowBytes = sliverBytes(this.#layout, "primary");
    this.#nodes = new Array(committee.members.length);
    for (const node of reachableNodes(services, committee)) this.#nodes[node.position] = node;
    this.#owners = memberOfShards(committee);
    this.#absence = new Absence(committee.nShards);
  }

  /** Row `row`, verified; asks for the following ones below `end` meanwhile. */
  async row(row: number, end: number): Promise<Uint8Array> {
    if (this.#decoder === undefined) {
      const last = Math.min(end, row + rowsAhead(this.rowBytes));
      for (let next = row; next < last; next++) {
        if (this.#ahead.has(next)) continue;
        const fetched = this.#fetch(next, LIMITS.readHeadersTimeoutMs);
        fetched.catch(() => {}); // A bug met ahead of the reader is thrown when its row is consumed.
        this.#ahead.set(next, fetched);
      }
      const sliver = await this.#ahead.get(row);
      assert(sliver !== undefined, "the row was just asked for");
      if (!(sliver instanceof FloeError)) {
        this.#ahead.delete(row);
        return sliver.data;
      }
      await this.#openDecoder();
    }
    return this.#decodedRow(row);
  }

  close(): void {
    this.#work.abort(new Error("the read has ended"));
    this.#decoder?.release();
    this.#decoder = undefined;
  }

  /** Primary sliver `index` from its node, verified. Never rejects for what a node does; never fetches from a suspect
   * node unless `isLastResort`. */
  async #fetch(index: number, headersTimeoutMs: number, isLastResort = false): Fetched {
    const pair = index as SliverPairIndex;
    const { blobId, nShards } = this.#metadata;
    const node = this.#nodes[this.#owners[shardOfPair(pair, blobId, nShards)] ?? -1];
    if (node === undefined) return this.#fail(index, "REFUSED_ADDRESS", "the node has no usable address");
    const { nodeId } = node.member;
    const { faults, codec } = this.#services;
    if (!isLastResort && faults.isSuspect(nodeId)) return this.#fail(index, "SUSPECT", "the node was silent");
    try {
      const call = { signal: this.#work.signal, attempts: 1, headersTimeoutMs };
      const sliver = await node.client.getSliver(blobId, pair, "primary", this.rowBytes, call);
      const [checked] = codec.verifySlivers(this.#metadata, [{ axis: "primary", pair, sliver }]);
      assert(checked !== undefined, "one result per sliver");
      if (checked instanceof CodecError) throw checked;
      faults.answered(nodeId);
      return checked;
    } catch (error) {
      if (!(error instanceof FloeError)) {
        if (this.#work.signal.aborted) return this.#fail(index, "ABORTED", "the read has ended");
        throw error;
      }
      if (error instanceof StorageNodeError && error.code === "NOT_FOUND") this.#absence.notFound(1);
      if (error instanceof StorageNodeError && error.code === "FORBIDDEN") this.#absence.forbidden(1);
      faults.record(nodeId, error.code);
      if (!this.#wasStale) refreshIfStale(this.#services, error.code);
      this.#wasStale ||= error.code === "SHARD_NOT_ASSIGNED";
      return this.#fail(index, error.code, error.message);
    }
  }

  #fail(index: number, code: string, message: string): FloeError {
    this.#failed.set(index, code);
    return new FloeError(code, message);
  }

  /** Collects any k1 verified primary slivers: first those already on their way, then from nodes not known to fail. */
  async #openDecoder(): Promise<void> {
    const decoder = this.#services.codec.openDecoder(this.#metadata, "primary");
    this.#decoder = decoder;
    const enough = Promise.withResolvers<void>();
    let missing: number = this.#layout.primarySourceSymbols;
    const asked = new Set<number>(this.#failed.keys());
    const take = (index: number, sliver: VerifiedSliver | FloeError): void => {
      if (sliver instanceof FloeError || missing === 0) return;
      missing = decoder.add(sliver);
      this.#given.add(index);
      if (missing === 0) enough.resolve();
    };
    const underWay = [...this.#ahead];
    this.#ahead.clear();
    for (const [index] of underWay) asked.add(index);
    const fresh: number[] = [];
    for (let index = 0; index < this.#layout.nShards; index++) if (!asked.has(index)) fresh.push(index);
    // Whoever is still silent when enough have answered is not waited for.
    await Promise.race([
      enough.promise,
      Promise.all([
        ...underWay.map(async ([index, fetched]) => take(index, await fetched)),
        this.#collect(
          fresh,
          () => missing,
          (index) => this.#fetch(index, LIMITS.readHeadersTimeoutMs),
          take,
        ),
      ]),
    ]);
    if (missing > 0) {
      // Rather late than never: those that were silent get the whole deadline now.
      const silent = [...this.#failed].filter(([, code]) => RETRIED.has(code)).map(([index]) => index);
      const again = (index: number): Fetched => this.#fetch(index, LIMITS.nodeRequestTimeoutMs, true);
      await this.#collect(silent, () => missing, again, take);
    }
    if (missing > 0) throw this.#unavailable(missing);
  }

  /** Fetches candidates, as many at once as slivers are missing (the gate bounds requests), until none is. */
  async #collect(
    candidates: readonly number[],
    missing: () => number,
    fetch: (index: number) => Fetched,
    take: (index: number, sliver: VerifiedSliver | FloeError) => void,
  ): Promise<void> {
    let next = 0;
    const lane = async (): Promise<void> => {
      while (missing() > 0) {
        const index = candidates[next++];
        if (index === undefined) return;
        take(index, await fetch(index));
      }
    };
    const width = Math.min(candidates.length, missing(), rowsAhead(this.rowBytes));
    await Promise.all(Array.from({ length: width }, lane));
  }

  #decodedRow(row: number): Uint8Array {
    assert(this.#decoder !== undefined, "rows are decoded only after enough slivers are held");
    const data = this.#decoder.rows(row, row + 1);
    if (this.#given.has(row)) return data;
    const sliver: Sliver = {
      data,
      symbolBytes: this.#layout.symbolBytes,
      index: row as number as SliverIndex,
    };
    const pair = row as SliverPairIndex;
    const [checked] = this.#services.codec.verifySlivers(this.#metadata, [{ axis: "primary", pair, sliver }]);
    if (checked === undefined || checked instanceof CodecError) {
      throw new EdgeError(
        "INCONSISTENT_BLOB",
        `verified slivers decode to another row ${row} than committed to`,
        {
          details: { blobId: this.#metadata.blobId, row },
          cause: checked,
        },
      );
    }
    return data;
  }

  #unavailable(missing: number): EdgeError {
    const { blobId } = this.#metadata;
    const absent = absentError(this.#absence, blobId);
    if (absent !== undefined) return absent;
    const need = this.#layout.primarySourceSymbols;
    return new EdgeError(
      "BLOB_UNAVAILABLE",
      `have ${need - missing} of ${need} slivers, ${this.#failed.size} failed`,
      {
        retryable: true,
        details: { blobId, haveSlivers: need - missing, needSlivers: need, failed: this.#failed.size },
      },
    );
  }
}

/** Failures that a longer wait may cure. */
const RETRIED: ReadonlySet<string> = new Set([
  "SUSPECT",
  "TIMEOUT",
  "UNREACHABLE",
  "THROTTLED",
  "SERVER_ERROR",
]);
