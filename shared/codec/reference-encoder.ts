/**
 * Encoding one blob, in plain TypeScript.
 *
 * The blob stays in memory as the source matrix; the row code adds n-s symbols to each of its rows once (row parity,
 * half a blob at n = 1000). Every column of the encoding is a codeword over those p rows, so the other n-p rows exist
 * only for a few columns at a time, both for hashing and for slivers: the whole encoding (4.5 blobs) is never held.
 *
 * Peak memory: 1.5 x the padded blob at n = 1000 (blob and row parity), the Merkle forest of the rows (672 n bytes),
 * work space of about 2 MiB, and whatever slivers are handed out.
 */
import { discardBytes } from "../base/bytes.ts";
import { assert } from "../base/errors.ts";
import { type Axis, type SliverIndex, type SliverPairIndex, sliverPairIndex } from "../protocol/ids.ts";
import { pairOfSliver, sliverOfPair } from "../protocol/mapping.ts";
import { HASH_BYTES, type VerifiedMetadata } from "../protocol/metadata.ts";
import { type BlobLayout, sliverBytes } from "../protocol/sizes.ts";
import { serializeSliver } from "../protocol/sliver.ts";
import { computeBlobId, metadataRootHash } from "./blob-id.ts";
import { type BlobEncoder, CodecError, type EncodedPair } from "./codec.ts";
import { bytesToElementsInPlace, paddedBytes } from "./matrix.ts";
import { foldToRoot, leafHashInto, MerkleForest } from "./merkle.ts";
import { encodeButterflies, encodeRecoveries } from "./reed-solomon.ts";
import { recoverySymbol } from "./reed-solomon-closed-form.ts";
import { codeOfSliver, symbolsToBytes } from "./symbols.ts";

/** Elements of the column tiles: n rows of a few columns. */
const TILE_ELEMENTS = 64 * 1024;
/** Work space of the transforms and conversions, of all small buffers together. */
const WORK_BYTES = 2 * 1024 * 1024;
/** All leaf hashes of 2-byte symbols, and which of them are known. */
const LEAF_MEMO_BYTES = 65536 * (HASH_BYTES + 1);

/** Bytes an open encoder holds at most. */
export function encoderBytes(layout: BlobLayout): number {
  const columnTile = Math.max(2 * TILE_ELEMENTS, layout.nShards * layout.symbolBytes);
  const rowParity =
    layout.primarySourceSymbols * (layout.nShards - layout.secondarySourceSymbols) * layout.symbolBytes;
  const hashing = MerkleForest.bytes(layout.nShards, layout.nShards) + 4 * HASH_BYTES * layout.nShards;
  return paddedBytes(layout) + rowParity + hashing + columnTile + LEAF_MEMO_BYTES + WORK_BYTES;
}

interface EncoderMemory {
  /** Blob bytes while writing, source elements from the first use on. */
  readonly source: Uint16Array;
  /** Symbols s..n-1 of every source row. */
  readonly rowParity: Uint16Array;
}

export class ReferenceEncoder implements BlobEncoder {
  readonly #layout: BlobLayout;
  readonly #giveBack: () => void;
  /** Undefined once released. */
  #memory: EncoderMemory | undefined;
  #writtenBytes = 0;
  #isExpanded = false;
  #metadata: VerifiedMetadata | undefined;

  /** @param giveBack called once, on release */
  constructor(layout: BlobLayout, giveBack: () => void) {
    const { primarySourceSymbols: p, secondarySourceSymbols: s, nShards } = layout;
    const lanes = layout.symbolBytes / 2;
    this.#layout = layout;
    this.#giveBack = giveBack;
    this.#memory = {
      source: new Uint16Array(p * s * lanes),
      rowParity: new Uint16Array(p * (nShards - s) * lanes),
    };
  }

  get nShards(): number {
    return this.#layout.nShards;
  }
  get unencodedLength(): number {
    return this.#layout.unencodedLength;
  }

  write(chunk: Uint8Array): void {
    const { source } = this.#open();
    const total = this.#writtenBytes + chunk.length;
    if (total > this.unencodedLength) throw this.#lengthMismatch(total);
    new Uint8Array(source.buffer).set(chunk, this.#writtenBytes);
    this.#writtenBytes = total;
  }

  metadata(): VerifiedMetadata {
    const memory = this.#expanded();
    if (this.#metadata === undefined) {
      const { nShards, unencodedLength } = this.#layout;
      const hashes = this.#hashPairs(memory);
      const blobId = computeBlobId(metadataRootHash({ nShards, unencodedLength, hashes }), unencodedLength);
      // The hashes were computed from the blob itself just now, and the blob ID from them.
      this.#metadata = { nShards, unencodedLength, hashes, blobId } as VerifiedMetadata;
    }
    return this.#metadata;
  }

  slivers(pairs: readonly SliverPairIndex[]): EncodedPair[] {
    const memory = this.#expanded();
    for (const pair of pairs) sliverPairIndex(pair, this.nShards);
    const primaries = this.#primarySlivers(memory, pairs);
    return pairs.map((pair, i) => {
      const primary = primaries[i];
      assert(primary !== undefined, `no primary sliver for pair ${pair}`);
      const column = sliverOfPair(pair, "secondary", this.nShards);
      return {
        pair,
        primary: this.#serialize(primary, pair, "primary"),
        secondary: this.#serialize(this.#secondarySliver(memory, column), pair, "secondary"),
      };
    });
  }

  source(from: number, to: number): Uint8Array {
    const { source } = this.#expanded();
    assert(0 <= from && from <= to && to <= this.unencodedLength, `bytes ${from} to ${to} of the blob`);
    const { symbolBytes } = this.#layout;
    const first = Math.floor(from / symbolBytes);
    const symbols = Math.ceil(to / symbolBytes) - first;
    const bytes = new Uint8Array(symbols * symbolBytes);
    symbolsToBytes(source, (first * symbolBytes) / 2, bytes, 0, symbolBytes, symbols);
    const start = from - first * symbolBytes;
    return bytes.slice(start, start + to - from);
  }

  release(): void {
    this.#memory = undefined;
    this.#giveBack();
  }

  #open(): EncoderMemory {
    if (this.#memory === undefined) throw new CodecError("RELEASED", "this encoder was released");
    return this.#memory;
  }

  #lengthMismatch(have: number): CodecError {
    return new CodecError("LENGTH_MISMATCH", `${have} of ${this.unencodedLength} declared bytes`, {
      details: { haveBytes: have, declaredBytes: this.unencodedLength },
    });
  }

  /** The complete source matrix with its row parity. */
  #expanded(): EncoderMemory {
    const memory = this.#open();
    if (this.#writtenBytes !== this.unencodedLength) throw this.#lengthMismatch(this.#writtenBytes);
    if (!this.#isExpanded) {
      bytesToElementsInPlace(memory.source, this.#layout.symbolBytes);
      this.#encodeRows(memory);
      this.#isExpanded = true;
    }
    return memory;
  }

  /** Row code over a few source rows at a time, their symbols side by side in the lanes. */
  #encodeRows({ source, rowParity }: EncoderMemory): void {
    const { nShards, primarySourceSymbols: p, secondarySourceSymbols: s } = this.#layout;
    const width = this.#layout.symbolBytes / 2;
    const code = codeOfSliver(this.#layout, "primary");
    const rowsPerTile = Math.min(p, Math.max(1, Math.floor(TILE_ELEMENTS / (nShards * width))));
    const codeword = new Uint16Array(nShards * rowsPerTile * width);
    for (let first = 0; first < p; first += rowsPerTile) {
      const rows = Math.min(rowsPerTile, p - first);
      const lanes = rows * width;
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < s; column++) {
          const from = ((first + row) * s + column) * width;
          copyElements(codeword, column * lanes + row * width, source, from, width);
        }
      }
      encodeRecoveries(code, codeword, lanes);
      for (let row = 0; row < rows; row++) {
        for (let column = s; column < nShards; column++) {
          const to = ((first + row) * (nShards - s) + column - s) * width;
          copyElements(rowParity, to, codeword, column * lanes + row * width, width);
        }
      }
    }
  }

  /** Calls `use` with all n rows of columns `first..first+count`, a few columns after another. */
  #forColumnTiles(
    memory: EncoderMemory,
    columns: number,
    use: (codeword: Uint16Array, first: number, count: number) => void,
  ): void {
    const { nShards, primarySourceSymbols: p } = this.#layout;
    const width = this.#layout.symbolBytes / 2;
    const code = codeOfSliver(this.#layout, "secondary");
    const perTile = Math.min(columns, Math.max(1, Math.floor(TILE_ELEMENTS / (nShards * width))));
    const tile = new Uint16Array(nShards * perTile * width);
    for (let first = 0; first < columns; first += perTile) {
      const count = Math.min(perTile, columns - first);
      for (let row = 0; row < p; row++) {
        for (let column = 0; column < count; column++) {
          this.#copySourceSymbol(memory, row, first + column, tile, (row * count + column) * width);
        }
      }
      encodeRecoveries(code, tile, count * width);
      use(tile, first, count);
    }
  }

  /** Symbol (row, column) of the first p rows. */
  #copySourceSymbol(memory: EncoderMemory, row: number, column: number, to: Uint16Array, at: number): void {
    const { nShards, secondarySourceSymbols: s } = this.#layout;
    const width = this.#layout.symbolBytes / 2;
    if (column < s) copyElements(to, at, memory.source, (row * s + column) * width, width);
    else copyElements(to, at, memory.rowParity, (row * (nShards - s) + column - s) * width, width);
  }

  /** Sliver hashes of all pairs. Rows grow as a forest, one column of leaves at a time; columns fold at once. */
  #hashPairs(memory: EncoderMemory): Uint8Array {
    const { nShards, symbolBytes } = this.#layout;
    const width = symbolBytes / 2;
    const hashes = new Uint8Array(2 * HASH_BYTES * nShards);
    const forest = new MerkleForest(nShards, nShards);
    const column = new Uint8Array((nShards + 1) * HASH_BYTES);
    const hashLeaf = leafHasher(symbolBytes, nShards);
    this.#forColumnTiles(memory, nShards, (codeword, first, count) => {
      for (let c = 0; c < count; c++) {
        for (let row = 0; row < nShards; row++) {
          hashLeaf(codeword, (row * count + c) * width, column, row * HASH_BYTES);
          forest.push(row, first + c, column, row * HASH_BYTES);
        }
        const root = foldToRoot(column, nShards);
        assert(root !== null, "a column has symbols");
        const pair = pairOfSliver((first + c) as SliverIndex, "secondary", nShards);
        hashes.set(root, pair * 2 * HASH_BYTES + HASH_BYTES);
      }
    });
    for (let pair = 0; pair < nShards; pair++) hashes.set(forest.root(pair), pair * 2 * HASH_BYTES);
    return hashes;
  }

  /**
   * Data of the primary slivers of these pairs. Source rows are copied; few others are cheaper as rows of the generator
   * matrix, many as one transform of all columns.
   */
  #primarySlivers(memory: EncoderMemory, pairs: readonly SliverPairIndex[]): Uint8Array[] {
    const { primarySourceSymbols: p, secondarySourceSymbols: s, symbolBytes } = this.#layout;
    const lanes = (s * symbolBytes) / 2;
    const code = codeOfSliver(this.#layout, "secondary");
    const slivers = pairs.map(() => new Uint8Array(s * symbolBytes));
    const parityPairs = pairs.filter((pair) => pair >= p).length;
    const isTransformCheaper = parityPairs * p > encodeButterflies(code);
    pairs.forEach((pair, i) => {
      const data = slivers[i];
      assert(data !== undefined, "one sliver per pair");
      if (pair < p) {
        symbolsToBytes(memory.source, pair * lanes, data, 0, symbolBytes, s);
      } else if (!isTransformCheaper) {
        const row = recoverySymbol(code, pair - p, memory.source, lanes);
        symbolsToBytes(row, 0, data, 0, symbolBytes, s);
      }
    });
    if (isTransformCheaper) {
      this.#forColumnTiles(memory, s, (codeword, first, count) => {
        const tileLanes = (count * symbolBytes) / 2;
        pairs.forEach((pair, i) => {
          const data = slivers[i];
          if (pair < p || data === undefined) return;
          symbolsToBytes(codeword, pair * tileLanes, data, first * symbolBytes, symbolBytes, count);
        });
      });
    }
    return slivers;
  }

  #secondarySliver(memory: EncoderMemory, column: SliverIndex): Uint8Array {
    const { primarySourceSymbols: p, symbolBytes } = this.#layout;
    const data = new Uint8Array(p * symbolBytes);
    const symbol = new Uint16Array(symbolBytes / 2);
    for (let row = 0; row < p; row++) {
      this.#copySourceSymbol(memory, row, column, symbol, 0);
      symbolsToBytes(symbol, 0, data, row * symbolBytes, symbolBytes, 1);
    }
    return data;
  }

  #serialize(data: Uint8Array, pair: SliverPairIndex, axis: Axis): Uint8Array {
    assert(data.length === sliverBytes(this.#layout, axis), `${axis} sliver of ${data.length} bytes`);
    const index = sliverOfPair(pair, axis, this.nShards);
    const bytes = serializeSliver({ data, symbolBytes: this.#layout.symbolBytes, index });
    discardBytes(data);
    return bytes;
  }
}

/** Copies by a loop: most symbols are far too short for `set(subarray)` to pay off. */
function copyElements(to: Uint16Array, at: number, from: Uint16Array, start: number, count: number): void {
  if (count > 256) {
    to.set(from.subarray(start, start + count), at);
    return;
  }
  for (let i = 0; i < count; i++) to[at + i] = from[start + i] ?? 0;
}

/**
 * Leaf hashes of symbols given as elements. Of 2-byte symbols there are only 65536 different ones, fewer than the n^2
 * symbols of more than 256 shards: each is hashed once (a third of all hashes of a small blob at n = 1000).
 */
function leafHasher(
  symbolBytes: number,
  nShards: number,
): (elements: Uint16Array, from: number, out: Uint8Array, at: number) => void {
  const bytes = new Uint8Array(symbolBytes);
  if (symbolBytes > 2 || nShards <= 256) {
    return (elements, from, out, at) => {
      symbolsToBytes(elements, from, bytes, 0, symbolBytes, 1);
      leafHashInto(bytes, 0, symbolBytes, out, at);
    };
  }
  const known = new Uint8Array(65536);
  const memo = new Uint8Array(65536 * HASH_BYTES);
  return (elements, from, out, at) => {
    const element = elements[from] ?? 0;
    const memoAt = element * HASH_BYTES;
    if (known[element] === 0) {
      symbolsToBytes(elements, from, bytes, 0, 2, 1);
      leafHashInto(bytes, 0, 2, memo, memoAt);
      known[element] = 1;
    }
    for (let i = 0; i < HASH_BYTES; i++) out[at + i] = memo[memoAt + i] ?? 0;
  };
}
