/**
 * The Reed-Solomon code of RS2: Leopard's additive FFT over GF(2^16), encoding and erasure decoding.
 *
 * A codeword has k originals at indexes 0..k-1 and r recoveries at k..k+r-1. Coding is element-wise, so all functions
 * work on *lanes*: a codeword is an array of (k+r) rows of `lanes` elements, and any number of symbols, columns or
 * slivers may stand side by side in one row.
 *
 * Field points. Variant high (P2(k) > P2(r), or equal and k <= r): m = P2(r), recoveries at points 0.., originals at
 * m... Variant low: m = P2(k), originals at 0.., recoveries at m... P2(x) = smallest power of two >= x. The twiddle
 * factor of the butterfly block that starts at field point x with distance d is the value x/d itself.
 *
 * Any k symbols determine the codeword. Source: the crate reed-solomon-simd 3.x with its default rate.
 */
import { assert } from "../base/errors.ts";
import { addProducts, GROUP_ORDER, LOG, type ProductTable, productTable, scaleByLog } from "./gf16.ts";

export interface ReedSolomonCode {
  /** k */
  readonly originals: number;
  /** r */
  readonly recoveries: number;
  readonly rate: "high" | "low";
  /** m: size of the FFTs of encoding. */
  readonly blockSize: number;
}

/** Elements of work space that stay in a second-level cache: 256 KiB. */
const WORK_ELEMENTS = 128 * 1024;
/** Longer rows gain nothing; they would only make the work space of small codes larger. */
const MAX_TILE_LANES = 4096;

export const nextPowerOfTwo = (value: number): number => 2 ** Math.ceil(Math.log2(value));

export function reedSolomonCode(originals: number, recoveries: number): ReedSolomonCode {
  const [originalsPower, recoveriesPower] = [nextPowerOfTwo(originals), nextPowerOfTwo(recoveries)];
  const isSupported =
    originals >= 1 &&
    recoveries >= 1 &&
    Math.min(originalsPower, recoveriesPower) + Math.max(originals, recoveries) <= 65536;
  assert(isSupported, `no code for ${originals} originals and ${recoveries} recoveries`);
  const isHigh =
    originalsPower > recoveriesPower || (originalsPower === recoveriesPower && originals <= recoveries);
  return isHigh
    ? { originals, recoveries, rate: "high", blockSize: recoveriesPower }
    : { originals, recoveries, rate: "low", blockSize: originalsPower };
}

/**
 * Work space is kept between calls, at most 768 KiB in all: coding a blob would otherwise leave hundreds of dead
 * buffers behind, and an isolate's memory limit counts those too. A buffer belongs to one running call; none calls
 * another that uses the same.
 */
const workSpaces: Record<"sum" | "scratch" | "erasures", Uint16Array> = {
  sum: new Uint16Array(0),
  scratch: new Uint16Array(0),
  erasures: new Uint16Array(0),
};

/** At least `elements` elements, holding anything. */
function workSpace(name: keyof typeof workSpaces, elements: number): Uint16Array {
  const kept = workSpaces[name];
  if (kept.length >= elements) return kept;
  const grown = new Uint16Array(elements);
  workSpaces[name] = grown;
  return grown;
}

/** Lanes that one pass over `positions` work rows takes. */
const tileLanes = (positions: number, lanes: number): number =>
  Math.min(lanes, MAX_TILE_LANES, Math.max(1, Math.floor(WORK_ELEMENTS / positions)));

/**
 * Computes the recoveries of a codeword from its originals, in place.
 *
 * @param codeword (k+r) rows of `lanes` elements; rows 0..k-1 are read, rows k.. are written
 * Cost: about (k/m + r/m) * m/2 * log2(m) butterflies per lane; work space of at most 512 KiB.
 */
export function encodeRecoveries(code: ReedSolomonCode, codeword: Uint16Array, lanes: number): void {
  const { originals, recoveries, rate, blockSize } = code;
  const tile = tileLanes(blockSize, lanes);
  const transformed = workSpace("sum", blockSize * tile);
  const scratch = workSpace("scratch", blockSize * tile);
  for (let from = 0; from < lanes; from += tile) {
    const width = Math.min(tile, lanes - from);
    const used = blockSize * width;
    if (rate === "high") {
      transformed.fill(0, 0, used);
      for (let first = 0; first < originals; first += blockSize) {
        const count = Math.min(blockSize, originals - first);
        loadRows(scratch, width, codeword, first, count, lanes, from);
        scratch.fill(0, count * width, used);
        inverseTransform(scratch, blockSize, count, blockSize + first, width);
        for (let i = 0; i < used; i++) transformed[i] = (transformed[i] ?? 0) ^ (scratch[i] ?? 0);
      }
      transform(transformed, blockSize, recoveries, 0, width);
      storeRows(codeword, originals, recoveries, lanes, from, transformed, width);
    } else {
      loadRows(transformed, width, codeword, 0, originals, lanes, from);
      transformed.fill(0, originals * width, used);
      inverseTransform(transformed, blockSize, originals, 0, width);
      for (let first = 0; first < recoveries; first += blockSize) {
        const count = Math.min(blockSize, recoveries - first);
        scratch.set(transformed.subarray(0, used));
        transform(scratch, blockSize, count, blockSize + first, width);
        storeRows(codeword, originals + first, count, lanes, from, scratch, width);
      }
    }
  }
}

/** Butterflies per lane of `encodeRecoveries`; one costs about as much as one product of the closed form. */
export function encodeButterflies(code: ReedSolomonCode): number {
  const blocks = Math.ceil(code.originals / code.blockSize) + Math.ceil(code.recoveries / code.blockSize);
  return (blocks * code.blockSize * Math.log2(code.blockSize)) / 2;
}

/** Restores originals of codewords that all miss the same symbols. */
export interface ErasureDecoder {
  readonly code: ReedSolomonCode;
  /** Codeword indexes of the symbols decoding starts from, in the order given. */
  readonly present: readonly number[];
  /** Originals not among `present`, ascending. */
  readonly missing: readonly number[];
  /**
   * Decodes lanes `from <= lane < to` of all missing originals.
   *
   * @param rows one array per index in `present`, in that order, each holding all lanes
   * @param emit gets a view valid during the call only: `values[i]` is lane `lane + i` of this original. It may
   *   overwrite those lanes of `rows`, which are not read again; it must not decode.
   */
  decode(
    rows: readonly Uint16Array[],
    from: number,
    to: number,
    emit: (original: number, values: Uint16Array, lane: number) => void,
  ): void;
}

/**
 * Prepares decoding for one erasure pattern; the locator polynomial is evaluated here, once.
 *
 * @param present exactly k distinct codeword indexes
 * Cost: m * (m + n) table look-ups (0.6 million at 1000 shards). Decoding then costs two FFTs over P2(m + max(k, r))
 * points per lane, with work space of at most 256 KiB or one row of points.
 */
export function erasureDecoder(code: ReedSolomonCode, present: readonly number[]): ErasureDecoder {
  const { originals, recoveries, rate, blockSize } = code;
  const isPresent = new Uint8Array(originals + recoveries);
  for (const index of present) isPresent[index] = 1;
  assert(
    present.length === originals && isPresent.reduce((sum, each) => sum + each, 0) === originals,
    `an erasure decoder needs ${originals} distinct symbols, has ${present.length}`,
  );
  const missing: number[] = [];
  for (let index = 0; index < originals; index++) if (isPresent[index] === 0) missing.push(index);

  const pointOf = (index: number): number => {
    const isOriginal = index < originals;
    const position = isOriginal ? index : index - originals;
    return isOriginal === (rate === "high") ? blockSize + position : position;
  };
  const points = present.map(pointOf);
  const end = blockSize + (rate === "high" ? originals : recoveries);
  const size = nextPowerOfTwo(end);
  const locator = evaluateLocator(code, points, end);
  const logAt = (index: number): number => locator[pointOf(index)] ?? 0;

  function decode(
    rows: readonly Uint16Array[],
    from: number,
    to: number,
    emit: (original: number, values: Uint16Array, lane: number) => void,
  ): void {
    if (missing.length === 0 || to <= from) return;
    assert(rows.length === present.length, `${rows.length} rows for ${present.length} symbols`);
    const tile = tileLanes(size, to - from);
    const work = workSpace("erasures", size * tile);
    for (let lane = from; lane < to; lane += tile) {
      const width = Math.min(tile, to - lane);
      work.fill(0, 0, size * width);
      rows.forEach((row, i) => {
        scaleByLog(work, (points[i] ?? 0) * width, row, lane, width, logAt(present[i] ?? 0));
      });
      inverseTransform(work, size, end, 0, width);
      formalDerivative(work, size, width);
      // Only the points of the originals are read again.
      transform(work, size, rate === "high" ? end : originals, 0, width);
      for (const original of missing) {
        const at = pointOf(original) * width;
        scaleByLog(work, at, work, at, width, GROUP_ORDER - logAt(original));
        emit(original, work.subarray(at, at + width), lane);
      }
    }
  }
  return { code, present, missing, decode };
}

/**
 * Logarithms of the erasure locator at the points below `end`: sum over erased e of LOG[x ^ e], modulo 65535.
 *
 * High: the erased points are all not received below `end`; above, the word is known to be zero. Low: all points not
 * received are erased except k..m-1, known zeros; since LOG over all non-zero values adds up to 0 modulo 65535,
 * the sum over the m points that are *not* erased is the negative of it.
 */
function evaluateLocator(code: ReedSolomonCode, points: readonly number[], end: number): Uint16Array {
  const summed: number[] = [];
  if (code.rate === "high") {
    const isReceived = new Uint8Array(end);
    for (const point of points) isReceived[point] = 1;
    for (let point = 0; point < end; point++) if (isReceived[point] === 0) summed.push(point);
  } else {
    summed.push(...points);
    for (let point = code.originals; point < code.blockSize; point++) summed.push(point);
  }
  const locator = new Uint16Array(end);
  for (let x = 0; x < end; x++) {
    let sum = 0;
    for (const point of summed) if (point !== x) sum += LOG[x ^ point] ?? 0;
    const reduced = sum % GROUP_ORDER;
    locator[x] = code.rate === "high" ? reduced : (GROUP_ORDER - reduced) % GROUP_ORDER;
  }
  return locator;
}

/** Evaluates at the points base..base+size-1; rows >= `needed` may hold anything afterwards. */
function transform(data: Uint16Array, size: number, needed: number, base: number, lanes: number): void {
  for (let distance = size / 2; distance >= 1; distance /= 2) {
    for (let row = 0; row < needed; row += 2 * distance) {
      const factor = (base + row) / distance;
      const [a, b, count] = [row * lanes, (row + distance) * lanes, distance * lanes];
      if (factor !== 0) addProducts(data, a, data, b, count, twiddleTable(factor));
      for (let i = 0; i < count; i++) data[b + i] = (data[b + i] ?? 0) ^ (data[a + i] ?? 0);
    }
  }
}

/** Inverse of `transform`; rows >= `used` must be zero. */
function inverseTransform(data: Uint16Array, size: number, used: number, base: number, lanes: number): void {
  for (let distance = 1; distance < size; distance *= 2) {
    for (let row = 0; row < used; row += 2 * distance) {
      const factor = (base + row) / distance;
      const [a, b, count] = [row * lanes, (row + distance) * lanes, distance * lanes];
      for (let i = 0; i < count; i++) data[b + i] = (data[b + i] ?? 0) ^ (data[a + i] ?? 0);
      if (factor !== 0) addProducts(data, a, data, b, count, twiddleTable(factor));
    }
  }
}

function formalDerivative(data: Uint16Array, size: number, lanes: number): void {
  for (let row = 1; row < size; row++) {
    const span = (row & -row) * lanes;
    const at = row * lanes;
    for (let i = 0; i < span; i++) data[at - span + i] = (data[at - span + i] ?? 0) ^ (data[at + i] ?? 0);
  }
}

/** Product tables of twiddle factors: all of 1000 shards (below 2048) stay, 2 MiB at most. */
const CACHED_FACTORS = 2048;
const cachedTables: (ProductTable | undefined)[] = [];
const uncachedTable: ProductTable = new Uint16Array(512);

function twiddleTable(factor: number): ProductTable {
  if (factor >= CACHED_FACTORS) return productTable(factor, uncachedTable);
  const cached = cachedTables[factor];
  if (cached !== undefined) return cached;
  const table = productTable(factor);
  cachedTables[factor] = table;
  return table;
}

/** Rows `first..first+count` of a codeword, lanes `from..from+width`, into work rows 0... */
function loadRows(
  work: Uint16Array,
  width: number,
  codeword: Uint16Array,
  first: number,
  count: number,
  lanes: number,
  from: number,
): void {
  for (let row = 0; row < count; row++) {
    const at = (first + row) * lanes + from;
    for (let i = 0; i < width; i++) work[row * width + i] = codeword[at + i] ?? 0;
  }
}

function storeRows(
  codeword: Uint16Array,
  first: number,
  count: number,
  lanes: number,
  from: number,
  work: Uint16Array,
  width: number,
): void {
  for (let row = 0; row < count; row++) {
    const at = (first + row) * lanes + from;
    for (let i = 0; i < width; i++) codeword[at + i] = work[row * width + i] ?? 0;
  }
}
