/**
 * What one answer of a storage node says, and when several answers make a verdict.
 *
 * | answer                                                                        | outcome     | counts as    |
 * |-------------------------------------------------------------------------------|-------------|--------------|
 * | 200, the symbol asked with a proof that holds                                 | pass        | possession + |
 * | 200, anything else                                                            | invalid     | possession - |
 * | 404; NOT_REGISTERED, MISSING_SLIVERS, METADATA/SLIVER_NOT_FOUND in the envelope | missing   | possession - |
 * | SYMBOL_NOT_PRESENT_AT_SHARDS, SHARD_NOT_ASSIGNED, INVALID_BLOB                | disowned    | see below    |
 * | 451                                                                           | denied      | excused      |
 * | 429, 503, CACHE_SATURATED                                                     | refused     | availability |
 * | any other envelope of 4xx                                                     | refused     | availability |
 * | no connection, DNS, TLS; 3xx, other 5xx, 404 or 4xx without the envelope      | unreachable | availability |
 * | deadline                                                                      | timeout     | availability |
 *
 * An error without the official envelope may come from a proxy in front of the node: it never counts as missing.
 * `disowned` is a claim about the chain (committee, blob status) that the auditor can check there: when the chain
 * contradicts it, it counts as missing.
 */

import { FloeError } from "../base/errors.ts";
import { verifyMerkleProof } from "../codec/merkle.ts";
import type { SliverIndex } from "../protocol/ids.ts";
import { sliverHash, type VerifiedMetadata } from "../protocol/metadata.ts";
import { parseRecoverySymbols, type RecoverySymbol, symbolIdOf } from "../protocol/recovery-symbol.ts";
import { blobLayout } from "../protocol/sizes.ts";
import { type Challenge, symbolIdOfChallenge } from "./selection.ts";

export type Outcome =
  | "pass"
  | "missing"
  | "invalid"
  | "disowned"
  | "denied"
  | "refused"
  | "unreachable"
  | "timeout";

/** How a request to a node ended. */
export type NodeAnswer =
  | { readonly kind: "success"; readonly isVerified: boolean }
  | {
      readonly kind: "error";
      readonly httpStatus: number;
      /** `details[0].reason` of the official error envelope; undefined when the body is no such envelope. */
      readonly reason: string | undefined;
      readonly hasEnvelope: boolean;
    }
  /** Refused, reset, cut off inside the body, DNS or TLS failure. */
  | { readonly kind: "unreachable" }
  | { readonly kind: "timeout" };

const MISSING_REASONS: ReadonlySet<string> = new Set([
  "METADATA_NOT_FOUND",
  "SLIVER_NOT_FOUND",
  "NOT_REGISTERED",
  "MISSING_SLIVERS",
]);
const DISOWNED_REASONS: ReadonlySet<string> = new Set([
  "SYMBOL_NOT_PRESENT_AT_SHARDS",
  "SHARD_NOT_ASSIGNED",
  "INVALID_BLOB",
]);

/** The outcome of one request. */
export function classifyAnswer(answer: NodeAnswer): Outcome {
  switch (answer.kind) {
    case "success":
      return answer.isVerified ? "pass" : "invalid";
    case "timeout":
      return "timeout";
    case "unreachable":
      return "unreachable";
    case "error":
      return classifyError(answer.httpStatus, answer.hasEnvelope, answer.reason ?? "");
    default:
      return answer satisfies never;
  }
}

function classifyError(httpStatus: number, hasEnvelope: boolean, reason: string): Outcome {
  if (httpStatus === 451) return "denied";
  if (httpStatus === 429 || httpStatus === 503) return "refused";
  if (!hasEnvelope || httpStatus < 400 || httpStatus >= 500) return "unreachable";
  if (reason === "CACHE_SATURATED") return "refused";
  if (DISOWNED_REASONS.has(reason)) return "disowned";
  if (httpStatus === 404 || MISSING_REASONS.has(reason)) return "missing";
  return "refused";
}

/**
 * The challenged symbols in the body of a `recoverySymbols` answer, when all are there and every proof holds.
 *
 * @param asked symbols of the challenged sliver that the request named
 * @returns in the order of `asked`; undefined for malformed bytes, more or fewer symbols, another symbol, a wrong length
 *   or a proof of something else
 * Cost: parsing, and ceil(log2 n) + 1 hashes per symbol.
 */
export function verifySymbolAnswer(
  body: Uint8Array,
  challenge: Challenge,
  metadata: VerifiedMetadata,
  asked: readonly SliverIndex[] = [challenge.symbol],
): RecoverySymbol[] | undefined {
  const { nShards } = metadata;
  let symbols: RecoverySymbol[];
  try {
    symbols = parseRecoverySymbols(body, asked.length);
  } catch (error) {
    // Bytes that are not the protocol's are the node's fault and are what this answers; all else is ours.
    if (error instanceof FloeError) return undefined;
    throw error;
  }
  if (symbols.length !== asked.length) return undefined;
  const { symbolBytes } = blobLayout(nShards, metadata.unencodedLength);
  const root = sliverHash(metadata, challenge.pair, challenge.axis);
  const found: RecoverySymbol[] = [];
  for (const index of asked) {
    const wanted = symbolIdOfChallenge({ ...challenge, symbol: index }, nShards);
    const symbol = symbols.find((each) => {
      const id = symbolIdOf(each);
      const isWanted = id.primary === wanted.primary && id.secondary === wanted.secondary;
      return each.proofAxis === challenge.axis && isWanted;
    });
    if (symbol === undefined || symbol.symbol.length !== symbolBytes) return undefined;
    if (!verifyMerkleProof(root, symbol.symbol, index, nShards, symbol.proof)) return undefined;
    found.push(symbol);
  }
  return found;
}
