// If this fails, Floe sends slivers to the wrong shards, pays for the wrong size, or builds messages nobody accepts.
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../shared/base/bytes.ts";
import {
  aggregateSignatures,
  blsPublicKey,
  blsSign,
  parseBlsPublicKey,
  parseBlsSignature,
  serializeSignature,
  verifyAggregate,
  verifyBls,
} from "../../shared/crypto/bls.ts";
import {
  bftParameters,
  isQuorum,
  isValidity,
  quorumWeight,
  validityWeight,
} from "../../shared/protocol/bft.ts";
import { bitmapToSigners, signersToBitmap } from "../../shared/protocol/certificate.ts";
import {
  blobIdFromBytes,
  blobIdFromU256,
  blobIdToBytes,
  blobIdToU256,
  parseBlobId,
  parseObjectId,
  type ShardIndex,
  type SliverIndex,
  type SliverPairIndex,
} from "../../shared/protocol/ids.ts";
import { pairOfShard, pairOfSliver, shardOffset, shardOfPair } from "../../shared/protocol/mapping.ts";
import {
  confirmationMessage,
  invalidBlobIdMessage,
  parseConfirmation,
  proofOfPossessionMessage,
} from "../../shared/protocol/messages.ts";
import {
  blobLayout,
  chargedMetadataBytes,
  encodedLength,
  maxUnencodedLength,
} from "../../shared/protocol/sizes.ts";
import { readVectors } from "../support/vectors.ts";

interface SizesVector {
  readonly nShards: number;
  readonly maxFaulty: number;
  readonly primarySymbols: number;
  readonly secondarySymbols: number;
  readonly maxBlobSize: number;
  readonly metadataLength: number;
  readonly sizes: readonly {
    readonly size: number;
    readonly symbolSize: number;
    readonly encodedSliversLength: number;
    readonly encodedLength: number;
  }[];
}

describe("sizes.json", () => {
  const { entries } = readVectors<{ entries: SizesVector[] }>("sizes.json");
  test.each(entries.map((entry) => [entry.nShards, entry] as const))(
    "n = %i: parameters and sizes",
    (n, entry) => {
      expect(bftParameters(n)).toEqual({
        nShards: n,
        maxFaultyShards: entry.maxFaulty,
        primarySourceSymbols: entry.primarySymbols,
        secondarySourceSymbols: entry.secondarySymbols,
      });
      expect(maxUnencodedLength(n)).toBe(entry.maxBlobSize);
      expect(chargedMetadataBytes(n)).toBe(entry.metadataLength);
      for (const each of entry.sizes) {
        expect(blobLayout(n, each.size).symbolBytes).toBe(each.symbolSize);
        expect(encodedLength(n, each.size)).toBe(each.encodedLength);
        expect(encodedLength(n, each.size) - n * chargedMetadataBytes(n)).toBe(each.encodedSliversLength);
      }
    },
  );
});

interface MappingVector {
  readonly nShards: number;
  readonly blobId: string;
  readonly blobIdHex: string;
  readonly blobIdU256: string;
  readonly offset: number;
  readonly pairToShard: readonly (readonly [SliverPairIndex, ShardIndex])[];
  readonly shardToPair: readonly (readonly [ShardIndex, SliverPairIndex])[];
  readonly secondarySliverToShard: readonly (readonly [SliverIndex, ShardIndex])[];
}

describe("mapping.json", () => {
  const { entries } = readVectors<{ entries: MappingVector[] }>("mapping.json");
  test.each(entries.map((entry) => [entry.nShards, entry.blobId, entry] as const))(
    "n = %i, blob %s",
    (n, text, entry) => {
      const blobId = parseBlobId(text);
      expect(toHex(blobIdToBytes(blobId))).toBe(entry.blobIdHex);
      expect(blobIdFromBytes(fromHex(entry.blobIdHex))).toBe(text);
      expect(blobIdToU256(blobId).toString()).toBe(entry.blobIdU256);
      expect(blobIdFromU256(BigInt(entry.blobIdU256))).toBe(text);
      expect(shardOffset(blobId, n)).toBe(entry.offset);
      for (const [pair, shard] of entry.pairToShard) expect(shardOfPair(pair, blobId, n)).toBe(shard);
      for (const [shard, pair] of entry.shardToPair) expect(pairOfShard(shard, blobId, n)).toBe(pair);
      for (const [sliver, shard] of entry.secondarySliverToShard) {
        expect(shardOfPair(pairOfSliver(sliver, "secondary", n), blobId, n)).toBe(shard);
      }
    },
  );
});

type MessageName = "permanent" | "deletable" | "invalidBlobId" | "proofOfPossession";
interface MessagesVector {
  readonly epoch: number;
  readonly blobId: string;
  readonly objectId: string;
  readonly suiAddress: string;
  readonly nShards: number;
  readonly messages: Record<MessageName, string>;
  readonly nodes: readonly {
    readonly weight: number;
    readonly secretKey: string;
    readonly publicKey: string;
    readonly signature: Record<MessageName, string>;
  }[];
  readonly certificates: readonly {
    readonly message: MessageName;
    readonly signers: readonly number[];
    readonly weight: number;
    readonly onChainQuorum: boolean;
    readonly onChainOneCorrect: boolean;
    readonly bitmap: string;
    readonly aggregateSignature: string;
  }[];
  readonly negatives: readonly {
    readonly what: string;
    readonly message: string;
    readonly publicKey: string;
    readonly signature: string;
    readonly valid: boolean;
  }[];
}

describe("messages.json", () => {
  const vectors = readVectors<MessagesVector>("messages.json");
  const { epoch, nodes, nShards } = vectors;
  const blobId = parseBlobId(vectors.blobId);
  const objectId = parseObjectId(vectors.objectId);
  const keys = nodes.map((node) => parseBlsPublicKey(fromHex(node.publicKey)));

  test("signed messages are byte-identical and confirmations parse back", () => {
    const permanent = { epoch, blobId, persistence: { kind: "permanent" } } as const;
    const deletable = { epoch, blobId, persistence: { kind: "deletable", objectId } } as const;
    expect(toHex(confirmationMessage(permanent))).toBe(vectors.messages.permanent);
    expect(toHex(confirmationMessage(deletable))).toBe(vectors.messages.deletable);
    expect(parseConfirmation(fromHex(vectors.messages.permanent))).toEqual(permanent);
    expect(parseConfirmation(fromHex(vectors.messages.deletable))).toEqual(deletable);
    expect(toHex(invalidBlobIdMessage(epoch, blobId))).toBe(vectors.messages.invalidBlobId);
    const address = parseObjectId(vectors.suiAddress);
    const possession = proofOfPossessionMessage(epoch, address, fromHex(nodes[0]?.publicKey ?? ""));
    expect(toHex(possession)).toBe(vectors.messages.proofOfPossession);
  });

  test("keys and signatures of every node are byte-identical and verify", { timeout: 60_000 }, () => {
    nodes.forEach((node, i) => {
      const secret = fromHex(node.secretKey);
      expect(toHex(blsPublicKey(secret))).toBe(node.publicKey);
      expect(toHex(blsSign(fromHex(vectors.messages.permanent), secret))).toBe(node.signature.permanent);
      for (const name of ["permanent", "deletable", "invalidBlobId", "proofOfPossession"] as const) {
        // Verifying one of the four per node keeps the test short; all four are parsed, hence checked to be points.
        const signature = parseBlsSignature(fromHex(node.signature[name]));
        const key = keys[i];
        if (
          key === undefined ||
          name !== (["permanent", "deletable", "invalidBlobId", "proofOfPossession"] as const)[i % 4]
        )
          continue;
        expect(verifyBls(fromHex(vectors.messages[name]), signature, key)).toBe(true);
      }
    });
  });

  test.each(vectors.certificates.map((each) => [each.message, String(each.signers), each] as const))(
    "certificate over %s by %s: aggregate, bitmap and thresholds",
    (_, __, certificate) => {
      const { signers, weight } = certificate;
      const message = fromHex(vectors.messages[certificate.message]);
      const signed = signers.map((signer) => {
        const [node, publicKey] = [nodes[signer], keys[signer]];
        if (node === undefined || publicKey === undefined) throw new Error(`no node ${signer}`);
        return {
          publicKey,
          signature: parseBlsSignature(fromHex(node.signature[certificate.message])),
          node,
        };
      });
      const aggregate = aggregateSignatures(signed.map((each) => each.signature));
      expect(toHex(serializeSignature(aggregate))).toBe(certificate.aggregateSignature);
      expect(
        verifyAggregate(
          message,
          aggregate,
          signed.map((each) => each.publicKey),
        ),
      ).toBe(true);

      const bitmap = signersToBitmap(signers, nodes.length);
      expect(toHex(bitmap)).toBe(certificate.bitmap);
      expect(bitmapToSigners(bitmap, nodes.length)).toEqual([...signers].sort((a, b) => a - b));

      expect(signed.reduce((sum, each) => sum + each.node.weight, 0)).toBe(weight);
      expect(isQuorum(weight, nShards)).toBe(certificate.onChainQuorum);
      expect(isValidity(weight, nShards)).toBe(certificate.onChainOneCorrect);
      expect(weight >= quorumWeight(nShards)).toBe(certificate.onChainQuorum);
      expect(weight >= validityWeight(nShards)).toBe(certificate.onChainOneCorrect);
    },
  );

  test.each(vectors.negatives.map((each) => [each.what, each] as const))(
    "%s: does not verify",
    (_, negative) => {
      const signature = parseBlsSignature(fromHex(negative.signature));
      const key = parseBlsPublicKey(fromHex(negative.publicKey));
      expect(verifyBls(fromHex(negative.message), signature, key)).toBe(negative.valid);
    },
  );
});
