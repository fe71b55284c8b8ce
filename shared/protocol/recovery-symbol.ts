/**
 * Symbols with Merkle proofs, as storage nodes exchange them to recover a sliver.
 *
 * A symbol lies where primary sliver a meets secondary sliver b: its ID is (a, b), text form "a-b". Its proof axis
 * is the axis of the *source* sliver, the one whose n expanded symbols the proof's tree was built over:
 *
 * | proof axis | tag | index         | target index  | proof under                  | leaf |
 * |------------|-----|---------------|---------------|------------------------------|------|
 * | primary    | 1   | a (primary)   | b (secondary) | primary hash of pair a       | b    |
 * | secondary  | 0   | b (secondary) | a (primary)   | secondary hash of pair n-1-b | a    |
 *
 * GeneralRecoverySymbol: `tag u8, index u16, uleb(z) + z bytes, targetIndex u16, proof`.
 * Proof: `uleb(pathLength)`, then per node `00` (empty) or `01` + 32 bytes, leaf to root.
 * RecoverySymbol (inside inconsistency proofs): `index u16, uleb(z) + z bytes, proof`.
 */

import { ProtocolError } from "../base/errors.ts";
import { BcsReader, BcsWriter } from "./bcs.ts";
import { type Axis, type SliverIndex, sliverIndex } from "./ids.ts";
import { HASH_BYTES } from "./metadata.ts";
import { MAX_SYMBOL_BYTES } from "./sizes.ts";

/** Siblings from the leaf upward; `null` is the empty node that pads an odd level. */
export type MerkleProof = readonly (Uint8Array | null)[];

export interface SymbolId {
  readonly primary: SliverIndex;
  readonly secondary: SliverIndex;
}

/** Not yet verified. */
export interface RecoverySymbol {
  /** Axis of the source sliver. */
  readonly proofAxis: Axis;
  /** Index of the source sliver on `proofAxis`. */
  readonly sourceIndex: SliverIndex;
  readonly symbol: Uint8Array;
  /** Sliver index on the other axis = leaf of the proof. */
  readonly targetIndex: SliverIndex;
  readonly proof: MerkleProof;
}

/** A sliver that cannot be what its metadata says, shown by symbols that all are. */
export interface InconsistencyProof {
  readonly targetAxis: Axis;
  readonly targetIndex: SliverIndex;
  /** Exactly the source symbols of the target's code; their proof axis is orthogonal to the target's. */
  readonly symbols: readonly RecoverySymbol[];
}

/** ceil(log2(65536)): the longest path any tree of ours has. */
const MAX_PATH = 16;

/**
 * Most bytes that a symbol takes on the wire beside its own z: the tag 1, the two indexes 2 + 2, uleb(z) 3, uleb(path
 * length) 1 and 16 Merkle nodes of 1 + 32 make 537, and 11 are to spare. At n = 1000 a path has 10 nodes: 337 to 339.
 */
const MAX_FRAME_BYTES = MAX_PATH * (1 + HASH_BYTES) + 20;
/** The number of symbols in front of them: uleb of at most 65,536 takes 3. */
const MAX_COUNT_BYTES = 8;

/** Most bytes that one symbol of `symbolBytes` takes on the wire, with its indexes and proof. */
export const maxRecoverySymbolBytes = (symbolBytes: number): number => symbolBytes + MAX_FRAME_BYTES;

/** Most bytes of an answer of `count` symbols of `symbolBytes` each. */
export const maxRecoverySymbolsBytes = (count: number, symbolBytes: number): number =>
  MAX_COUNT_BYTES + count * maxRecoverySymbolBytes(symbolBytes);

export const symbolIdText = (id: SymbolId): string => `${id.primary}-${id.secondary}`;

export function parseSymbolId(text: string, nShards: number): SymbolId {
  const match = /^(0|[1-9][0-9]{0,4})-(0|[1-9][0-9]{0,4})$/.exec(text);
  if (!match) throw new ProtocolError("INVALID_INDEX", "a symbol ID is <primary>-<secondary>");
  return {
    primary: sliverIndex(Number(match[1]), nShards),
    secondary: sliverIndex(Number(match[2]), nShards),
  };
}

export const symbolIdOf = (symbol: RecoverySymbol): SymbolId =>
  symbol.proofAxis === "primary"
    ? { primary: symbol.sourceIndex, secondary: symbol.targetIndex }
    : { primary: symbol.targetIndex, secondary: symbol.sourceIndex };

export function serializeRecoverySymbols(symbols: readonly RecoverySymbol[]): Uint8Array {
  const writer = new BcsWriter(64 + symbols.reduce((sum, each) => sum + each.symbol.length + 40, 0));
  writer.uleb(symbols.length);
  for (const symbol of symbols) writeGeneral(writer, symbol);
  return writer.finish();
}

/** @param maxSymbols more than this is refused before any symbol is read */
export function parseRecoverySymbols(bytes: Uint8Array, maxSymbols: number): RecoverySymbol[] {
  const reader = new BcsReader(bytes, "vector of GeneralRecoverySymbol");
  const count = reader.uleb();
  if (count > maxSymbols) reader.fail(`${count} symbols, at most ${maxSymbols} allowed`);
  const symbols: RecoverySymbol[] = [];
  for (let i = 0; i < count; i++) symbols.push(readGeneral(reader));
  reader.end();
  return symbols;
}

export function serializeInconsistencyProof(proof: InconsistencyProof): Uint8Array {
  const writer = new BcsWriter(1024).u16(proof.targetIndex).uleb(proof.symbols.length);
  for (const symbol of proof.symbols) {
    writer.u16(symbol.sourceIndex).vector(symbol.symbol);
    writeProof(writer, symbol.proof);
  }
  return writer.finish();
}

/** @param targetAxis from the route: the axis of the broken sliver */
export function parseInconsistencyProof(
  bytes: Uint8Array,
  targetAxis: Axis,
  maxSymbols: number,
): InconsistencyProof {
  const reader = new BcsReader(bytes, "InconsistencyProof");
  const targetIndex = reader.u16() as SliverIndex;
  const count = reader.uleb();
  if (count > maxSymbols) reader.fail(`${count} symbols, at most ${maxSymbols} allowed`);
  const proofAxis: Axis = targetAxis === "primary" ? "secondary" : "primary";
  const symbols: RecoverySymbol[] = [];
  for (let i = 0; i < count; i++) {
    const sourceIndex = reader.u16() as SliverIndex;
    const symbol = reader.vector(MAX_SYMBOL_BYTES);
    symbols.push({ proofAxis, sourceIndex, symbol, targetIndex, proof: readProof(reader) });
  }
  reader.end();
  return { targetAxis, targetIndex, symbols };
}

function writeGeneral(writer: BcsWriter, symbol: RecoverySymbol): void {
  writer
    .u8(symbol.proofAxis === "primary" ? 1 : 0)
    .u16(symbol.sourceIndex)
    .vector(symbol.symbol);
  writer.u16(symbol.targetIndex);
  writeProof(writer, symbol.proof);
}

function readGeneral(reader: BcsReader): RecoverySymbol {
  const tag = reader.u8();
  if (tag > 1) reader.fail(`symbol tag ${tag}`);
  const sourceIndex = reader.u16() as SliverIndex;
  const symbol = reader.vector(MAX_SYMBOL_BYTES);
  const targetIndex = reader.u16() as SliverIndex;
  return {
    proofAxis: tag === 1 ? "primary" : "secondary",
    sourceIndex,
    symbol,
    targetIndex,
    proof: readProof(reader),
  };
}

function writeProof(writer: BcsWriter, proof: MerkleProof): void {
  writer.uleb(proof.length);
  for (const sibling of proof) {
    if (sibling === null) writer.u8(0);
    else writer.u8(1).fixed(sibling);
  }
}

function readProof(reader: BcsReader): MerkleProof {
  const length = reader.uleb();
  if (length > MAX_PATH) reader.fail(`proof of ${length} nodes, at most ${MAX_PATH} allowed`);
  const proof: (Uint8Array | null)[] = [];
  for (let i = 0; i < length; i++) {
    const kind = reader.u8();
    if (kind > 1) reader.fail(`Merkle node kind ${kind}`);
    proof.push(kind === 0 ? null : reader.fixed(HASH_BYTES));
  }
  return proof;
}
