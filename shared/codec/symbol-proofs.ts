/**
 * Symbols that travel alone: making them, checking them against metadata, rebuilding slivers from them, and judging
 * proofs that an encoding is inconsistent.
 *
 * A sliver of one axis is rebuilt from symbols it shares with slivers of the other axis; the index of that other sliver
 * is the symbol's place in the codeword. A symbol may carry its proof over either of the two slivers it lies on; only
 * a proof over the orthogonal axis says anything about the target's consistency.
 */
import { assert } from "../base/errors.ts";
import { type Axis, otherAxis, type SliverIndex } from "../protocol/ids.ts";
import { pairOfSliver } from "../protocol/mapping.ts";
import { sliverHash, type VerifiedMetadata } from "../protocol/metadata.ts";
import { type InconsistencyProof, type RecoverySymbol, symbolIdOf } from "../protocol/recovery-symbol.ts";
import { blobLayout, sliverBytes, sliverSymbols } from "../protocol/sizes.ts";
import type { Sliver, VerifiedSliver } from "../protocol/sliver.ts";
import { CodecError } from "./codec.ts";
import { checkSliver } from "./sliver-check.ts";
import { type SliverMath, TYPESCRIPT_MATH } from "./sliver-math.ts";
import { codeOfSliver } from "./symbols.ts";

export interface Target {
  readonly axis: Axis;
  readonly index: SliverIndex;
}

/** The symbol of `sliver` at `targetIndex` with its proof. Cost: one expansion and 2n hashes. */
export function makeSymbol(
  metadata: VerifiedMetadata,
  sliver: VerifiedSliver,
  targetIndex: SliverIndex,
  math: SliverMath = TYPESCRIPT_MATH,
): RecoverySymbol {
  const { nShards } = metadata;
  if (targetIndex >= nShards) throw mismatch("target index", { targetIndex, nShards });
  const layout = blobLayout(nShards, metadata.unencodedLength);
  const made = math.symbolWithProof(layout, sliver.axis, sliver.data, layout.symbolBytes, targetIndex);
  return { proofAxis: sliver.axis, sourceIndex: sliver.index, targetIndex, ...made };
}

/** @throws CodecError `SYMBOL_MISMATCH` unless the symbol lies on `target` and its proof holds */
export function checkSymbol(
  metadata: VerifiedMetadata,
  symbol: RecoverySymbol,
  target: Target,
  math: SliverMath = TYPESCRIPT_MATH,
): void {
  const { nShards } = metadata;
  const { sourceIndex, targetIndex, proofAxis } = symbol;
  if (sourceIndex >= nShards || targetIndex >= nShards || target.index >= nShards) {
    throw mismatch("index", { sourceIndex, targetIndex, wantedIndex: target.index, nShards });
  }
  const { symbolBytes } = blobLayout(nShards, metadata.unencodedLength);
  if (symbol.symbol.length !== symbolBytes) {
    throw mismatch("length", { haveBytes: symbol.symbol.length, symbolBytes });
  }
  if (symbolIdOf(symbol)[target.axis] !== target.index) {
    throw mismatch("target", {
      sourceIndex,
      targetIndex,
      wantedAxis: target.axis,
      wantedIndex: target.index,
    });
  }
  const root = sliverHash(metadata, pairOfSliver(sourceIndex, proofAxis, nShards), proofAxis);
  if (!math.proofHolds(root, symbol.symbol, targetIndex, nShards, symbol.proof)) {
    throw mismatch("Merkle proof", { proofAxis, sourceIndex, targetIndex, pathLength: symbol.proof.length });
  }
}

/** @see Codec.recoverSliver */
export function recoverFromSymbols(
  metadata: VerifiedMetadata,
  target: Target,
  symbols: readonly RecoverySymbol[],
  math: SliverMath = TYPESCRIPT_MATH,
): VerifiedSliver {
  const sliver = decodeSliver(metadata, target, symbols, math);
  const pair = pairOfSliver(target.index, target.axis, metadata.nShards);
  const checked = checkSliver(metadata, { axis: target.axis, pair, sliver }, math);
  if (!(checked instanceof CodecError)) return checked;
  throw new CodecError(
    "INCONSISTENT_ENCODING",
    `${target.axis} sliver ${target.index} rebuilt from ${symbols.length} symbols has another root`,
    { cause: checked, details: { axis: target.axis, sliverIndex: target.index, symbols: symbols.length } },
  );
}

/** @see Codec.verifyInconsistencyProof */
export function checkInconsistencyProof(
  metadata: VerifiedMetadata,
  proof: InconsistencyProof,
  math: SliverMath = TYPESCRIPT_MATH,
): void {
  const { targetAxis, targetIndex, symbols } = proof;
  const { nShards } = metadata;
  const target: Target = { axis: targetAxis, index: targetIndex };
  const layout = blobLayout(nShards, metadata.unencodedLength);
  const need = sliverSymbols(layout, targetAxis);
  if (targetIndex >= nShards) throw invalidProof("target index out of range", { targetIndex, nShards });
  if (symbols.length !== need) throw invalidProof("wrong number of symbols", { have: symbols.length, need });
  const sources = new Set(symbols.map((symbol) => symbol.sourceIndex));
  if (sources.size !== need) throw invalidProof("a source occurs twice", { have: sources.size, need });
  symbols.forEach((symbol, position) => {
    if (symbol.proofAxis !== otherAxis(targetAxis))
      throw invalidProof("proof over the target's axis", { position });
    try {
      checkSymbol(metadata, symbol, target, math);
    } catch (cause) {
      if (!(cause instanceof CodecError)) throw cause;
      throw invalidProof(`symbol ${position}: ${cause.message}`, { position }, cause);
    }
  });
  const sliver = decodeSliver(metadata, target, symbols, math);
  const pair = pairOfSliver(targetIndex, targetAxis, nShards);
  if (!(checkSliver(metadata, { axis: targetAxis, pair, sliver }, math) instanceof CodecError)) {
    throw invalidProof("the sliver is consistent", { targetAxis, targetIndex });
  }
}

/** Decodes a sliver from the first symbols of distinct positions; which sliver it is, nobody has checked. */
function decodeSliver(
  metadata: VerifiedMetadata,
  target: Target,
  symbols: readonly RecoverySymbol[],
  math: SliverMath,
): Sliver {
  const layout = blobLayout(metadata.nShards, metadata.unencodedLength);
  const { symbolBytes } = layout;
  const code = codeOfSliver(layout, target.axis);
  const rows = new Map<number, Uint8Array>();
  for (const symbol of symbols) {
    const id = symbolIdOf(symbol);
    const position = id[otherAxis(target.axis)];
    const fits =
      id[target.axis] === target.index && position < metadata.nShards && symbol.symbol.length === symbolBytes;
    if (!fits) {
      throw mismatch("target", { position, wantedAxis: target.axis, wantedIndex: target.index, symbolBytes });
    }
    if (rows.has(position) || rows.size === code.originals) continue;
    rows.set(position, symbol.symbol);
  }
  if (rows.size < code.originals) {
    throw new CodecError(
      "TOO_FEW_SYMBOLS",
      `have ${rows.size} of ${code.originals} symbols of ${target.axis} sliver ${target.index}`,
      { details: { have: rows.size, need: code.originals, axis: target.axis, sliverIndex: target.index } },
    );
  }
  const data = math.decode(code, symbolBytes, rows);
  assert(data.length === sliverBytes(layout, target.axis), `a sliver of ${data.length} bytes`);
  return { data, symbolBytes, index: target.index };
}

function mismatch(check: string, details: Record<string, string | number>): CodecError {
  return new CodecError("SYMBOL_MISMATCH", `a symbol's ${check} does not fit the metadata`, {
    details: { check, ...details },
  });
}

function invalidProof(
  reason: string,
  details: Record<string, string | number>,
  cause?: CodecError,
): CodecError {
  return new CodecError("INVALID_INCONSISTENCY_PROOF", reason, { details, ...(cause && { cause }) });
}
