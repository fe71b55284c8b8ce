/** `floe encode`: metadata and slivers of a file, as hashes or as files. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { command } from "../../host/command.ts";
import { flag, text } from "../../host/options.ts";
import { toHex } from "../../shared/base/bytes.ts";
import { metadataRootHash } from "../../shared/codec/blob-id.ts";
import type { BlobEncoder, EncodedPair } from "../../shared/codec/codec.ts";
import { blake2b256 } from "../../shared/crypto/blake2b.ts";
import { AXES, sliverPairIndex } from "../../shared/protocol/ids.ts";
import { sliverOfPair } from "../../shared/protocol/mapping.ts";
import { serializeBlobMetadata } from "../../shared/protocol/metadata.ts";
import { blobLayout, encodedLength } from "../../shared/protocol/sizes.ts";
import { Progress } from "../progress.ts";
import { withEncoder } from "./encoding.ts";
import { SHARDS_OPTION } from "./shards.ts";
import { METADATA_FILE, sliverFile } from "./sliver-files.ts";

/** Slivers are made this many pairs at a time: the memory of one pass, not of the whole encoding. */
const PAIRS_PER_PASS = 32;

interface Report {
  readonly blobId: string;
  readonly rootHash: string;
  readonly unencodedLength: number;
  readonly encodedLength: number;
  readonly symbolBytes: number;
  readonly metadataHash: string;
  readonly primary: string[];
  readonly secondary: string[];
}

export const encode = command(
  {
    name: "floe encode",
    about: 'Encodes a file, or standard input with "-", as Walrus does. Nothing is sent anywhere.',
    options: {
      ...SHARDS_OPTION,
      json: flag("print blob ID, root hash, sizes and the hash of every sliver as JSON"),
      out: text(
        "DIR",
        "write metadata.bin, primary-I.sliver and secondary-I.sliver there, serialised as for storage nodes",
      ),
    },
    operands: [{ name: "FILE|-", help: "what to encode; - is standard input", isFile: true }],
  },
  async ({ values: { shards, json, out }, operands: [path] }) => {
    const report = await withEncoder(path, shards, json, (encoder) => run(encoder, out, json));
    console.log(json ? JSON.stringify(report) : summary(report, out));
    return 0;
  },
);

function run(encoder: BlobEncoder, out: string | undefined, isQuiet: boolean): Report {
  const { nShards, unencodedLength } = encoder;
  const metadata = encoder.metadata();
  const serialized = serializeBlobMetadata(metadata);
  if (out !== undefined) {
    mkdirSync(out, { recursive: true });
    writeFileSync(join(out, METADATA_FILE), serialized);
  }
  const hashes = { primary: new Array<string>(nShards), secondary: new Array<string>(nShards) };
  const progress = new Progress("encoding", isQuiet);
  for (let from = 0; from < nShards; from += PAIRS_PER_PASS) {
    const to = Math.min(nShards, from + PAIRS_PER_PASS);
    const pairs = Array.from({ length: to - from }, (_, i) => sliverPairIndex(from + i, nShards));
    for (const pair of encoder.slivers(pairs)) take(pair, nShards, hashes, out);
    progress.update(to, nShards);
  }
  return {
    blobId: metadata.blobId,
    rootHash: toHex(metadataRootHash(metadata)),
    unencodedLength,
    encodedLength: encodedLength(nShards, unencodedLength),
    symbolBytes: blobLayout(nShards, unencodedLength).symbolBytes,
    metadataHash: toHex(blake2b256(serialized)),
    ...hashes,
  };
}

function take(
  encoded: EncodedPair,
  nShards: number,
  hashes: { primary: string[]; secondary: string[] },
  out: string | undefined,
): void {
  for (const axis of AXES) {
    const index = sliverOfPair(encoded.pair, axis, nShards);
    hashes[axis][index] = toHex(blake2b256(encoded[axis]));
    if (out !== undefined) writeFileSync(join(out, sliverFile(axis, index)), encoded[axis]);
  }
}

function summary(report: Report, out: string | undefined): string {
  const { primary, unencodedLength, symbolBytes } = report;
  return [
    `blob ID   ${report.blobId}`,
    `root hash ${report.rootHash}`,
    `${unencodedLength} bytes, ${report.encodedLength} encoded; ${primary.length} sliver pairs, symbols of ${symbolBytes} bytes`,
    ...(out === undefined ? [] : [`written to ${out}`]),
  ].join("\n");
}
