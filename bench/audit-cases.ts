/** Inputs of the audit benchmark: populations in memory and in a ledger, and answers to symbol challenges. */
import { openLedger } from "../auditor/ledger/ledger-sql.ts";
import { SqlPopulationStore } from "../auditor/population/object-tables.ts";
import { listName, PopulationLists } from "../auditor/population/population-tables.ts";
import { nodeLedger } from "../host/node-sqlite.ts";
import type { PopulationBlob } from "../shared/audit/population.ts";
import type { Stratum } from "../shared/audit/population-events.ts";
import { type Challenge, DRAW_MODES } from "../shared/audit/selection.ts";
import { computeBlobId, metadataRootHash } from "../shared/codec/blob-id.ts";
import { type Codec, CodecError } from "../shared/codec/codec.ts";
import { createReferenceCodec } from "../shared/codec/reference-codec.ts";
import { sliverRoot } from "../shared/codec/sliver-root.ts";
import { blake2b256 } from "../shared/crypto/blake2b.ts";
import { BcsWriter } from "../shared/protocol/bcs.ts";
import {
  blobIdFromBytes,
  objectIdFromBytes,
  type ShardIndex,
  type SliverIndex,
  sliverPairIndex,
} from "../shared/protocol/ids.ts";
import { sliverOfPair } from "../shared/protocol/mapping.ts";
import { HASH_BYTES, type VerifiedMetadata } from "../shared/protocol/metadata.ts";
import { serializeRecoverySymbols } from "../shared/protocol/recovery-symbol.ts";
import { blobLayout, sliverBytes } from "../shared/protocol/sizes.ts";
import { benchBytes } from "./codec-cases.ts";

export const SHARDS = 1000;
const EPOCH = 7;
const hashOf = (number: number): Uint8Array => blake2b256(new BcsWriter(4).u32(number).finish());

/** Sizes from 1 byte to some 16 MB. */
export const blobs = (count: number): PopulationBlob[] =>
  Array.from({ length: count }, (_, i) => ({
    blobId: blobIdFromBytes(hashOf(i)),
    unencodedLength: 1 + ((i * 2_654_435_761) % 16_000_000),
    endEpoch: EPOCH + 2 + (i % 50),
  }));

/** A ledger that has read the registrations of `count` blobs, and the list of them that stratum has, begun. */
export function ledgerWith(count: number, stratum: Stratum, path?: string) {
  const sql = nodeLedger(path);
  openLedger(sql);
  const store = new SqlPopulationStore(sql);
  sql.transaction(() => {
    for (let i = 0; i < count; i++) {
      const hash = hashOf(i);
      store.putObject({
        objectId: objectIdFromBytes(hash),
        blobId: blobIdFromBytes(hash),
        encodingType: 1,
        unencodedLength: 1 + ((i * 2_654_435_761) % 16_000_000),
        isDeletable: stratum === "deletable",
        endEpoch: EPOCH + 2 + (i % 50),
        poolId: null,
        certifiedEpoch: EPOCH - 1,
      });
    }
  });
  const lists = new PopulationLists(sql);
  const list = listName(stratum, EPOCH);
  lists.begin(list, stratum, EPOCH);
  return { sql, lists, list, close: () => sql.close() };
}

export interface SymbolAnswer {
  readonly body: Uint8Array;
  readonly challenge: Challenge;
  readonly metadata: VerifiedMetadata;
}

const SLIVERS = 8;
/** 334 x 667 symbols of 584 bytes: a blob of 130 MB. */
const SYMBOL_BYTES = 584;

/** `count` right answers, one symbol each, of slivers of one blob at 1000 shards. */
export function symbolAnswers(count: number): SymbolAnswer[] {
  const codec: Codec = createReferenceCodec();
  const empty = blobLayout(SHARDS, 0);
  const unencodedLength = empty.primarySourceSymbols * empty.secondarySourceSymbols * SYMBOL_BYTES;
  const layout = blobLayout(SHARDS, unencodedLength);
  const dataBytes = sliverBytes(layout, "primary");
  const data = benchBytes(dataBytes * SLIVERS);
  // No blob has these slivers; the metadata names their roots, which is all that a check of symbols looks at.
  const hashes = new Uint8Array(2 * HASH_BYTES * SHARDS);
  const slivers = Array.from({ length: SLIVERS }, (_, pair) =>
    data.subarray(pair * dataBytes, (pair + 1) * dataBytes),
  );
  slivers.forEach((sliver, pair) => {
    hashes.set(sliverRoot(layout, "primary", sliver, SYMBOL_BYTES), 2 * HASH_BYTES * pair);
  });
  const own = { nShards: SHARDS, unencodedLength, hashes };
  const metadata = codec.verifyMetadata(own, ownBlobId(own), SHARDS);
  const verified = slivers.map((sliver, index) => {
    const pair = sliverPairIndex(index, SHARDS);
    const held = { index: sliverOfPair(pair, "primary", SHARDS), symbolBytes: SYMBOL_BYTES, data: sliver };
    const [result] = codec.verifySlivers(metadata, [{ axis: "primary", pair, sliver: held }]);
    if (result === undefined || result instanceof CodecError) throw new Error("a sliver does not verify");
    return { pair, sliver: result };
  });
  return Array.from({ length: count }, (_, i) => {
    const { pair, sliver } = verified[i % SLIVERS] ?? { pair: sliverPairIndex(0, SHARDS), sliver: undefined };
    if (sliver === undefined) throw new Error("no sliver");
    const index = ((i * 7) % SHARDS) as SliverIndex;
    const body = serializeRecoverySymbols([codec.symbolWithProof(metadata, sliver, index)]);
    const challenge: Challenge = {
      mode: DRAW_MODES.perBlob,
      shard: 0 as ShardIndex,
      t: i,
      offset: 0n,
      axis: "primary",
      symbol: index,
      blobId: metadata.blobId,
      unencodedLength,
      endEpoch: EPOCH + 2,
      leaf: 0,
      pair,
      isVacuous: false,
    };
    return { body, challenge, metadata };
  });
}

function ownBlobId({ hashes, unencodedLength }: { hashes: Uint8Array; unencodedLength: number }) {
  return computeBlobId(metadataRootHash({ nShards: SHARDS, unencodedLength, hashes }), unencodedLength);
}
