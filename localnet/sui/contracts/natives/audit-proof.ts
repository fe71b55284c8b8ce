/**
 * Modules `proof` and `select` of `floe_audit`: what a round asks, and whether a symbol belongs to a blob.
 *
 * Integers are those of Move: u64 steps that overflow end the transaction with an arithmetic error. The pure functions
 * of `shared/audit` compute the same without such bounds; here every check has its place and its code.
 */
import { drawDigest } from "../../../../shared/audit/selection.ts";
import { equalBytes } from "../../../../shared/base/bytes.ts";
import { blake2b256 } from "../../../../shared/crypto/blake2b.ts";
import { BcsReader, BcsWriter } from "../../../../shared/protocol/bcs.ts";
import type { ShardIndex } from "../../../../shared/protocol/ids.ts";
import { PopEntryLayout } from "../../../../shared/sui/audit/layouts.ts";
import { ExecutionFailure } from "../../move/execution-error.ts";
import type { NativeCall, NativeTable } from "../../vm/native-call.ts";
import { abortIn, type Claim } from "./audit-call.ts";

const CODE = { pathLength: 1, index: 2, axis: 3, digestLength: 4, symbolPrefix: 5, symbolSize: 6 } as const;
const SELECTION = 16;
const LEAF = Uint8Array.of(0);
const INNER = Uint8Array.of(1);
const DIGEST_BYTES = 32;
const ENTRY_BYTES = 61;
const MAX_U64 = (1n << 64n) - 1n;
const PRIMARY = 0;
const PER_BLOB = 0;
const PER_BYTE = 1;

export type PopEntry = Claim["entry"];

export interface Draw {
  readonly x: bigint;
  readonly axis: number;
  readonly symbol: number;
}

function abortProof(call: NativeCall, code: keyof typeof CODE, where: string): never {
  abortIn(call, "proof", CODE[code], where);
}

/** A u64 of module `proof`. */
function u64(call: NativeCall, value: bigint, where: string): bigint {
  if (value >= 0n && value <= MAX_U64) return value;
  const packageId = call.auditPackageId;
  throw new ExecutionFailure({
    kind: "MovePrimitiveRuntimeError",
    packageId,
    module: "proof",
    functionName: where,
  });
}

export const leafHash = (data: Uint8Array): Uint8Array => blake2b256(LEAF, data);

/** ceil(log2 leaves). */
function depth(leaves: bigint): bigint {
  let levels = 0n;
  for (let rest = leaves > 1n ? leaves - 1n : 0n; rest > 0n; rest >>= 1n) levels++;
  return levels;
}

/** Root of a tree of `leaves` leaves with `leaf` at `index`. */
export function merkleRoot(
  call: NativeCall,
  leaf: Uint8Array,
  index: bigint,
  leaves: bigint,
  path: readonly Uint8Array[],
): Uint8Array {
  if (index >= leaves) abortProof(call, "index", "root");
  if (BigInt(path.length) !== depth(leaves)) abortProof(call, "pathLength", "root");
  let hash = leaf;
  let position = index;
  for (const sibling of path) {
    if (sibling.length !== DIGEST_BYTES) abortProof(call, "digestLength", "root");
    hash = (position & 1n) === 0n ? blake2b256(INNER, hash, sibling) : blake2b256(INNER, sibling, hash);
    position >>= 1n;
  }
  return hash;
}

function blobIdOf(encoding: number, unencodedLength: bigint, metadataRoot: Uint8Array): Uint8Array {
  return blake2b256(new BcsWriter(41).u8(encoding).u64(unencodedLength).finish(), metadataRoot);
}

function rotation(blobId: Uint8Array, nShards: number): number {
  let offset = 0;
  for (const byte of blobId) offset = (offset * 256 + byte) % nShards;
  return offset;
}

export function pairOfShard(call: NativeCall, shard: number, blobId: Uint8Array, nShards: number): number {
  if (shard >= nShards) abortProof(call, "index", "pair_of_shard");
  return (shard + nShards - rotation(blobId, nShards)) % nShards;
}

/** f = (n - 1) / 3; without shards n - 1 underflows. */
function faults(call: NativeCall, nShards: number, where: string): bigint {
  return u64(call, BigInt(nShards) - 1n, where) / 3n;
}

function primarySourceSymbols(call: NativeCall, nShards: number): bigint {
  return BigInt(nShards) - 2n * faults(call, nShards, "primary_source_symbols");
}

function secondarySourceSymbols(call: NativeCall, nShards: number): bigint {
  return BigInt(nShards) - faults(call, nShards, "secondary_source_symbols");
}

function symbolSize(call: NativeCall, nShards: number, unencodedLength: bigint): bigint {
  const sourceSymbols = primarySourceSymbols(call, nShards) * secondarySourceSymbols(call, nShards);
  const length = unencodedLength === 0n ? 1n : unencodedLength;
  const size = (length - 1n) / sourceSymbols + 1n;
  return size + (size % 2n);
}

function encodedLength(call: NativeCall, nShards: number, unencodedLength: bigint): bigint {
  const n = BigInt(nShards);
  const symbols = primarySourceSymbols(call, nShards) + secondarySourceSymbols(call, nShards);
  const bytes = n * (64n * n + 32n + symbols * symbolSize(call, nShards, unencodedLength));
  // Sums of products of what is not negative: when the whole fits, so did every step.
  return u64(call, bytes, "encoded_length");
}

export function isVacuous(
  call: NativeCall,
  nShards: number,
  pair: number,
  axis: number,
  unencodedLength: bigint,
): boolean {
  if (axis > 1) abortProof(call, "axis", "is_vacuous");
  if (pair >= nShards) abortProof(call, "index", "is_vacuous");
  const columns = secondarySourceSymbols(call, nShards);
  const size = symbolSize(call, nShards, unencodedLength);
  if (axis === PRIMARY) {
    const sliver = BigInt(pair);
    if (sliver >= primarySourceSymbols(call, nShards)) return false;
    return u64(call, sliver * columns * size, "is_vacuous") >= unencodedLength;
  }
  const sliver = BigInt(nShards - 1 - pair);
  return sliver < columns && u64(call, sliver * size, "is_vacuous") >= unencodedLength;
}

export interface SymbolProof {
  /** With its leaf prefix. */
  readonly symbol: Uint8Array;
  readonly sliverPath: readonly Uint8Array[];
  readonly otherRoot: Uint8Array;
  readonly pairPath: readonly Uint8Array[];
}

export interface SymbolPlace {
  readonly blobId: Uint8Array;
  readonly nShards: number;
  readonly encoding: number;
  readonly unencodedLength: bigint;
  readonly pair: number;
  readonly axis: number;
  readonly symbolIndex: number;
}

export function verifySymbol(call: NativeCall, place: SymbolPlace, proof: SymbolProof): boolean {
  const where = "verify_symbol";
  const { blobId, nShards, encoding, unencodedLength, pair, axis, symbolIndex } = place;
  const { symbol, sliverPath, otherRoot, pairPath } = proof;
  if (axis > 1) abortProof(call, "axis", where);
  if (blobId.length !== DIGEST_BYTES || otherRoot.length !== DIGEST_BYTES) {
    abortProof(call, "digestLength", where);
  }
  if (BigInt(symbol.length) !== symbolSize(call, nShards, unencodedLength) + 1n) {
    abortProof(call, "symbolSize", where);
  }
  if (symbol[0] !== 0) abortProof(call, "symbolPrefix", where);
  const n = BigInt(nShards);
  const sliverRoot = merkleRoot(call, blake2b256(symbol), BigInt(symbolIndex), n, sliverPath);
  const roots = axis === PRIMARY ? [sliverRoot, otherRoot] : [otherRoot, sliverRoot];
  const metadataRoot = merkleRoot(call, blake2b256(LEAF, ...roots), BigInt(pair), n, pairPath);
  return equalBytes(blobIdOf(encoding, unencodedLength, metadataRoot), blobId);
}

/** The draw of (seed, mode, shard, t) over `size` entries (mode 0) or encoded bytes (mode 1). */
export function drawOf(
  call: NativeCall,
  seed: Uint8Array,
  key: { readonly mode: number; readonly shard: number; readonly t: number },
  size: bigint,
  nShards: number,
): Draw {
  if (seed.length !== DIGEST_BYTES) abortIn(call, "select", CODE.digestLength, "draw");
  // The digest covers any mode and shard that fit their integers.
  const drawKey = { mode: key.mode as 0, shard: key.shard as ShardIndex, t: key.t };
  const digest = drawDigest(seed, drawKey, size);
  if (nShards === 0) call.arithmeticError();
  const bigEndian = (from: number, to: number): bigint =>
    digest.subarray(from, to).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
  return {
    x: bigEndian(0, 16),
    axis: (digest[16] ?? 0) & 1,
    symbol: Number(bigEndian(24, 30) % BigInt(nShards)),
  };
}

/** Aborts unless `entry` at leaf `index` is what was drawn. */
export function checkSelected(
  call: NativeCall,
  draw: Draw,
  mode: number,
  leaf: { readonly index: bigint; readonly entry: PopEntry },
  population: { readonly size: bigint; readonly total: bigint },
  nShards: number,
): void {
  const refuse = (): never => abortIn(call, "select", SELECTION, "assert_selected");
  if (mode === PER_BLOB) {
    if (population.size === 0n || leaf.index !== draw.x % population.size) refuse();
    return;
  }
  if (mode !== PER_BYTE || population.total === 0n) refuse();
  const offset = draw.x % population.total;
  const bytes = encodedLength(call, nShards, leaf.entry.unencoded_length);
  const { cum } = leaf.entry;
  if (cum > offset || offset - cum >= bytes) refuse();
}

export function parsePopEntry(call: NativeCall, bytes: Uint8Array): PopEntry {
  if (bytes.length !== ENTRY_BYTES) abortIn(call, "select", CODE.digestLength, "parse_entry");
  const reader = new BcsReader(bytes, "population entry");
  return {
    blob_id: reader.fixed(DIGEST_BYTES),
    encoding: reader.u8(),
    unencoded_length: reader.u64(),
    end_epoch: reader.u32(),
    cum: reader.u64() | (reader.u64() << 64n),
  };
}

/** Draws only live inside a transaction and are never read from bytes. */
const DrawShape = { parse: (_: Uint8Array): Draw => ({ x: 0n, axis: 0, symbol: 0 }) };

function bytesList(call: NativeCall, index: number): readonly Uint8Array[] {
  // The signature says vector<vector<u8>>, whose values are lists of bytes.
  return call.struct(index, { parse: (_: Uint8Array): Uint8Array[] => [] });
}

export const AUDIT_PROOF_NATIVES: NativeTable = {
  "proof::leaf_hash(&vector<u8>): vector<u8>": (call) => [leafHash(call.bytes(0))],
  "proof::depth(u64): u64": (call) => [depth(call.big(0))],
  "proof::root(vector<u8>, u64, u64, &vector<vector<u8>>): vector<u8>": (call) => [
    merkleRoot(call, call.bytes(0), call.big(1), call.big(2), bytesList(call, 3)),
  ],
  "proof::blob_id(u8, u64, &vector<u8>): vector<u8>": (call) => [
    blobIdOf(call.int(0), call.big(1), call.bytes(2)),
  ],
  "proof::rotation(&vector<u8>, u16): u16": (call) => {
    if (call.int(1) === 0 && call.bytes(0).length > 0) call.arithmeticError();
    return [rotation(call.bytes(0), call.int(1))];
  },
  "proof::pair_of_shard(u16, &vector<u8>, u16): u16": (call) => [
    pairOfShard(call, call.int(0), call.bytes(1), call.int(2)),
  ],
  "proof::primary_source_symbols(u16): u64": (call) => [primarySourceSymbols(call, call.int(0))],
  "proof::secondary_source_symbols(u16): u64": (call) => [secondarySourceSymbols(call, call.int(0))],
  "proof::symbol_size(u16, u64): u64": (call) => [symbolSize(call, call.int(0), call.big(1))],
  "proof::encoded_length(u16, u64): u64": (call) => [encodedLength(call, call.int(0), call.big(1))],
  "proof::is_vacuous(u16, u16, u8, u64): bool": (call) => [
    isVacuous(call, call.int(0), call.int(1), call.int(2), call.big(3)),
  ],
  "proof::verify_symbol(&vector<u8>, u16, u8, u64, u16, u8, u16, &vector<u8>, &vector<vector<u8>>, &vector<u8>, &vector<vector<u8>>): bool":
    (call) => {
      const place = {
        blobId: call.bytes(0),
        nShards: call.int(1),
        encoding: call.int(2),
        unencodedLength: call.big(3),
        pair: call.int(4),
        axis: call.int(5),
        symbolIndex: call.int(6),
      };
      const proof = {
        symbol: call.bytes(7),
        sliverPath: bytesList(call, 8),
        otherRoot: call.bytes(9),
        pairPath: bytesList(call, 10),
      };
      return [verifySymbol(call, place, proof)];
    },
  "select::draw(&vector<u8>, u8, u16, u32, u64, u16): Draw": (call) => {
    const key = { mode: call.int(1), shard: call.int(2), t: call.int(3) };
    return [drawOf(call, call.bytes(0), key, call.big(4), call.int(5))];
  },
  "select::parse_entry(&vector<u8>): PopEntry": (call) => [parsePopEntry(call, call.bytes(0))],
  "select::assert_selected(&Draw, u8, u64, &PopEntry, u64, u128, u16)": (call) => {
    const leaf = { index: call.big(2), entry: call.struct(3, PopEntryLayout) };
    const population = { size: call.big(4), total: call.big(5) };
    checkSelected(call, call.struct(0, DrawShape), call.int(1), leaf, population, call.int(6));
    return [];
  },
  "select::x(&Draw): u128": (call) => [call.struct(0, DrawShape).x],
  "select::axis(&Draw): u8": (call) => [call.struct(0, DrawShape).axis],
  "select::symbol(&Draw): u16": (call) => [call.struct(0, DrawShape).symbol],
  "select::blob_id(&PopEntry): vector<u8>": (call) => [call.struct(0, PopEntryLayout).blob_id],
  "select::encoding(&PopEntry): u8": (call) => [call.struct(0, PopEntryLayout).encoding],
  "select::unencoded_length(&PopEntry): u64": (call) => [call.struct(0, PopEntryLayout).unencoded_length],
  "select::end_epoch(&PopEntry): u32": (call) => [call.struct(0, PopEntryLayout).end_epoch],
  "select::cum(&PopEntry): u128": (call) => [call.struct(0, PopEntryLayout).cum],
};
