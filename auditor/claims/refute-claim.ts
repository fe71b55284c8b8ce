/**
 * Comes by the symbol that a claim says is missing: from the accused node, or rebuilt from all the others.
 *
 * The refutation shows the symbol under the root of the accused node's sliver, so whoever did not get it from that node
 * needs the whole sliver: k symbols of it, each from the sliver of another node that crosses it, recover the sliver; its
 * expansion gives the path. At n shards (symbol size z) that is k (z + about 350) bytes, k = n-f for a primary and n-2f
 * for a secondary sliver, from the nodes that hold k shards: some 70 requests and 1 MB for a blob of 130 MB at n = 1000.
 *
 * A node that says itself that it lacks the symbol is not rescued: what the claim says is then true.
 */
import { type Refutation, refutationOf } from "../../shared/audit/refutation.ts";
import { FloeError } from "../../shared/base/errors.ts";
import { CodecError } from "../../shared/codec/codec.ts";
import { createReferenceCodec } from "../../shared/codec/reference-codec.ts";
import { collectSymbols, rebuildBytes, SliverRebuild } from "../../shared/node/rebuild.ts";
import { NODE_PATHS, OCTET_STREAM } from "../../shared/node/storage-node-api.ts";
import type { Committee, CommitteeMember } from "../../shared/protocol/committee.ts";
import { sliverOfPair } from "../../shared/protocol/mapping.ts";
import type { VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import { parseRecoverySymbols, type RecoverySymbol } from "../../shared/protocol/recovery-symbol.ts";
import { blobLayout } from "../../shared/protocol/sizes.ts";
import type { RoundDraw } from "../ledger/draws.ts";
import { type Budget, PoliteAsker, type PoliteAskerParts } from "../round/polite-asker.ts";
import { metadataQuestion, symbolQuestion, weigh } from "../round/questions.ts";

/** Asking the accused: few requests, and time for some of them to get no answer. */
const ASK_TIMEOUTS = 4;
const ASK_REQUESTS = 50;
/** Rebuilding: one request per node, at one a second on public networks. */
const REBUILD_MS = 180_000;
const REBUILD_REQUESTS = 300;
const NODES_AT_ONCE = 4;
/** Longer slivers are left to their node; an isolate holds the symbols, the sliver and its expansion at once. */
const MAX_REBUILD_BYTES = 4 << 20;

const codec = createReferenceCodec();
/** What an answer leaves open: whether the node has the symbol. */
const SILENT: ReadonlySet<string> = new Set(["timeout", "unreachable", "refused"]);

/**
 * @param draw what the claim names
 * @param mayRebuild false: only what the accused node itself answers counts
 * @returns undefined when the symbol cannot be had
 */
export async function fetchRefutation(
  parts: PoliteAskerParts,
  committee: Committee,
  draw: RoundDraw,
  mayRebuild: boolean,
): Promise<Refutation | undefined> {
  const accused = committee.members.find(({ nodeId }) => nodeId === draw.node);
  if (accused === undefined) return undefined;
  const others = othersAfter(committee, accused);
  const asker = askerFor(parts, ASK_TIMEOUTS * parts.parameters.requestTimeoutMs, ASK_REQUESTS);
  // Anybody's will do, and the accused node may be one that answers nobody.
  const metadata = await fetchMetadata(asker, [...others, accused], draw, committee.nShards);
  if (metadata === undefined) return undefined;
  const question = symbolQuestion(draw, metadata, [draw.symbol]);
  const result = await asker.ask(accused, question);
  if (result === undefined) return undefined;
  const { outcome, answer: [symbol] = [] } = weigh(question, result);
  if (symbol !== undefined) return refutationOf(metadata, symbol);
  if (!mayRebuild || !SILENT.has(outcome)) return undefined;
  const rebuilt = await rebuildSymbol(askerFor(parts, REBUILD_MS, REBUILD_REQUESTS), others, metadata, draw);
  return rebuilt === undefined ? undefined : refutationOf(metadata, rebuilt);
}

function askerFor(parts: PoliteAskerParts, forMs: number, requests: number): PoliteAsker {
  const budget: Budget = { untilMs: parts.transport.clock.nowMs() + forMs, requests };
  return new PoliteAsker(parts, budget, []);
}

/** From the accused node's place on, so that the load of several claims spreads. */
function othersAfter({ members }: Committee, accused: CommitteeMember): CommitteeMember[] {
  const at = members.indexOf(accused);
  return [...members.slice(at + 1), ...members.slice(0, at)];
}

async function fetchMetadata(
  asker: PoliteAsker,
  members: readonly CommitteeMember[],
  { blobId }: RoundDraw,
  nShards: number,
): Promise<VerifiedMetadata | undefined> {
  const question = metadataQuestion(blobId, nShards);
  for (const member of members) {
    const result = await asker.ask(member, question);
    if (result === undefined) return undefined;
    const { answer } = weigh(question, result);
    if (answer !== undefined) return answer;
  }
  return undefined;
}

/** The symbol with its proof, out of the whole sliver. @returns undefined when too few nodes help, or it is too long */
async function rebuildSymbol(
  asker: PoliteAsker,
  nodes: readonly CommitteeMember[],
  metadata: VerifiedMetadata,
  draw: RoundDraw,
): Promise<RecoverySymbol | undefined> {
  const { nShards, blobId, unencodedLength } = metadata;
  if (rebuildBytes(blobLayout(nShards, unencodedLength), draw.axis) > MAX_REBUILD_BYTES) return undefined;
  const index = sliverOfPair(draw.pair, draw.axis, nShards);
  const rebuild = new SliverRebuild(codec, metadata, { axis: draw.axis, index });
  const path = NODE_PATHS.recoverySymbols(blobId, rebuild.filter);
  await collectSymbols(rebuild, {
    nodes,
    width: NODES_AT_ONCE,
    ask: async (node) => {
      const shards = node.shards.length;
      const maxBytes = rebuild.answerBytes(shards);
      const judge = () => ({ passes: true, answer: undefined, detail: null }) as const;
      // Once the budget is spent, no node is asked any more.
      const result = await asker.ask(node, { kind: "symbol", path, accept: OCTET_STREAM, maxBytes, judge });
      if (result?.httpStatus !== 200 || result.body === undefined) return undefined;
      return parsedSymbols(result.body, shards);
    },
  });
  if (rebuild.missing > 0) return undefined;
  try {
    return codec.symbolWithProof(metadata, rebuild.sliver(), draw.symbol);
  } catch (error) {
    // The blob was encoded inconsistently: nobody can show the symbol, and no node can be blamed for it.
    if (error instanceof CodecError && error.code === "INCONSISTENT_ENCODING") return undefined;
    throw error;
  }
}

/** A node may send anything. @returns undefined unless it is a list of symbols */
function parsedSymbols(body: Uint8Array, maxSymbols: number): RecoverySymbol[] | undefined {
  try {
    return parseRecoverySymbols(body, maxSymbols);
  } catch (error) {
    if (error instanceof FloeError) return undefined;
    throw error;
  }
}
