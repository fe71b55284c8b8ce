/**
 * Rebuilds one sliver from recovery symbols: each shard holds one symbol of it, where a sliver of the other axis crosses
 * it, and as many distinct ones as the sliver has source symbols decode it.
 *
 * Nodes are not trusted. A symbol counts when it lies on the sliver that is rebuilt, its proof is over the crossing
 * sliver, and the proof holds:
 *
 * | symbol                                    | what happens                                                      |
 * |-------------------------------------------|-------------------------------------------------------------------|
 * | proven                                    | counts                                                            |
 * | of another sliver, or its proof fails     | dropped and reported: the node sent something wrong               |
 * | of a place that has its symbol already    | dropped before it is checked                                      |
 * | proven over the target's own axis         | dropped before it is checked: that proof is by the root in doubt  |
 *
 * One wrong symbol costs its node the symbol only: the others of its answer prove themselves.
 */
import { type Codec, CodecError } from "../codec/codec.ts";
import { type Axis, otherAxis, type SliverIndex } from "../protocol/ids.ts";
import type { VerifiedMetadata } from "../protocol/metadata.ts";
import {
  maxRecoverySymbolBytes,
  maxRecoverySymbolsBytes,
  type RecoverySymbol,
} from "../protocol/recovery-symbol.ts";
import { type BlobLayout, blobLayout, sliverSymbols } from "../protocol/sizes.ts";
import type { VerifiedSliver } from "../protocol/sliver.ts";
import { askInTurn } from "./ask-in-turn.ts";
import type { SymbolFilter } from "./storage-node-api.ts";
import type { CallOptions, NodeClient } from "./storage-node-client.ts";

export interface SliverTarget {
  readonly axis: Axis;
  readonly index: SliverIndex;
}

/** Most bytes that rebuilding one sliver holds on top of the sliver: its symbols with their proofs. */
export const rebuildBytes = (layout: BlobLayout, axis: Axis): number =>
  sliverSymbols(layout, axis) * maxRecoverySymbolBytes(layout.symbolBytes);

/** The proven symbols of one sliver, from wherever they come, until they decode it. */
export class SliverRebuild {
  /** Distinct symbols that decode the sliver. */
  readonly need: number;
  /** What to ask a node for: one symbol from each of its shards. */
  readonly filter: SymbolFilter;
  readonly #codec: Pick<Codec, "verifySymbol" | "recoverSliver">;
  readonly #metadata: VerifiedMetadata;
  readonly #target: SliverTarget;
  readonly #proofAxis: Axis;
  readonly #symbolBytes: number;
  readonly #bySource = new Map<SliverIndex, RecoverySymbol>();

  constructor(
    codec: Pick<Codec, "verifySymbol" | "recoverSliver">,
    metadata: VerifiedMetadata,
    target: SliverTarget,
  ) {
    const layout = blobLayout(metadata.nShards, metadata.unencodedLength);
    const { axis, index } = target;
    this.need = sliverSymbols(layout, axis);
    this.#proofAxis = otherAxis(axis);
    this.filter = { kind: "target", axis, index, proofAxis: this.#proofAxis };
    this.#codec = codec;
    this.#metadata = metadata;
    this.#target = target;
    this.#symbolBytes = layout.symbolBytes;
  }

  /** Distinct symbols that are here. */
  get have(): number {
    return this.#bySource.size;
  }

  get missing(): number {
    return Math.max(0, this.need - this.have);
  }

  /** Most bytes of an answer from `shards` shards. */
  answerBytes(shards: number): number {
    return maxRecoverySymbolsBytes(shards, this.#symbolBytes);
  }

  /**
   * Asks one node. @param shards of which it may send a symbol each
   * @returns symbols that nobody has checked, for `add`
   * @throws StorageNodeError
   */
  request(
    client: Pick<NodeClient, "getRecoverySymbols">,
    shards: number,
    call: CallOptions,
  ): Promise<RecoverySymbol[]> {
    const { blobId } = this.#metadata;
    return client.getRecoverySymbols(blobId, this.filter, shards, this.answerBytes(shards), call);
  }

  /** Takes what one node sent. @returns what is wrong with it, one error for each wrong symbol */
  add(symbols: readonly RecoverySymbol[]): CodecError[] {
    const wrong: CodecError[] = [];
    for (const symbol of symbols) {
      if (symbol.proofAxis !== this.#proofAxis || this.#bySource.has(symbol.sourceIndex)) continue;
      try {
        this.#codec.verifySymbol(this.#metadata, symbol, this.#target);
        this.#bySource.set(symbol.sourceIndex, symbol);
      } catch (error) {
        if (!(error instanceof CodecError)) throw error;
        wrong.push(error);
      }
    }
    return wrong;
  }

  /**
   * The sliver, its root checked.
   *
   * @throws CodecError `TOO_FEW_SYMBOLS`; `INCONSISTENT_ENCODING` when proven symbols decode to another sliver than the
   * metadata commits to, which no node is to blame for
   */
  sliver(): VerifiedSliver {
    const symbols = [...this.#bySource.values()].slice(0, this.need);
    return this.#codec.recoverSliver(this.#metadata, this.#target, symbols);
  }
}

export interface CollectOptions<Node> {
  /** In the order to ask them. */
  readonly nodes: readonly Node[];
  /** How many are asked at once. */
  readonly width: number;
  /** @returns undefined when the node gave nothing. Rejects only for failures of our own */
  ask(node: Node): Promise<readonly RecoverySymbol[] | undefined>;
  /** The node sent a symbol that is not what it was asked for. Called once for an answer, with its first. */
  wrong?(node: Node, error: CodecError): void;
}

/** Asks nodes in turn until `rebuild` misses nothing, or all have been asked: `rebuild.missing` tells. */
export const collectSymbols = <Node>(
  rebuild: SliverRebuild,
  { nodes, width, ask, wrong }: CollectOptions<Node>,
): Promise<void> =>
  askInTurn({
    candidates: nodes,
    width,
    isEnough: () => rebuild.missing === 0,
    ask: async (node) => {
      const [first] = rebuild.add((await ask(node)) ?? []);
      if (first !== undefined) wrong?.(node, first);
    },
  });
