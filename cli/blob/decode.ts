/**
 * `floe decode`: a blob from the slivers in a folder.
 *
 * With `metadata.bin` every sliver is verified before it is used and bad ones are named and left out. Without it there
 * is nothing to verify against: enough slivers are taken as they are, the result is encoded again, and every sliver of
 * the folder must be one of that encoding. Either way the blob ID printed is the one of the bytes written.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nodeCodec } from "../../host/codec.ts";
import { command } from "../../host/command.ts";
import { required, text, whole, wholeNumber } from "../../host/options.ts";
import { UsageError } from "../../host/usage-error.ts";
import { equalBytes } from "../../shared/base/bytes.ts";
import { computeBlobId, metadataRootHash } from "../../shared/codec/blob-id.ts";
import { type Codec, CodecError } from "../../shared/codec/codec.ts";
import { AXES, type Axis, type BlobId, type SliverIndex, sliverIndex } from "../../shared/protocol/ids.ts";
import { pairOfSliver } from "../../shared/protocol/mapping.ts";
import {
  type BlobMetadata,
  parseBlobMetadata,
  type VerifiedMetadata,
} from "../../shared/protocol/metadata.ts";
import {
  type BlobLayout,
  blobLayout,
  maxUnencodedLength,
  sliverBytes,
  sliversToDecode,
} from "../../shared/protocol/sizes.ts";
import {
  parseSliver,
  type Sliver,
  serializeSliver,
  type VerifiedSliver,
} from "../../shared/protocol/sliver.ts";
import { SHARDS_OPTION } from "./shards.ts";
import { METADATA_FILE, parseSliverFile, sliverFile } from "./sliver-files.ts";

export const decode = command(
  {
    name: "floe decode",
    about:
      'Rebuilds a file from the slivers that "floe encode --out DIR" wrote: any n-2f primary or any n-f secondary ones.',
    options: {
      ...SHARDS_OPTION,
      length: required(whole("bytes of the file", { from: 0, to: Number.MAX_SAFE_INTEGER })),
      out: text("FILE", "where to write it; standard output when absent"),
    },
    operands: [{ name: "DIR", help: "folder with the slivers" }],
    notes:
      "With DIR/metadata.bin slivers are verified and bad ones left out; without it all of them must agree.",
  },
  async ({ values: { shards, length, out }, operands: [dir] }) => {
    wholeNumber("--length", `${length}`, { from: 0, to: maxUnencodedLength(shards) });
    const codec = await nodeCodec();
    const layout = blobLayout(shards, length);
    const slivers = readSlivers(dir, layout);
    const metadata = readMetadata(dir, codec, shards, length);
    const { blob, blobId } =
      metadata === undefined
        ? decodeUnverified(codec, layout, slivers)
        : decodeVerified(codec, layout, metadata, slivers);
    if (out !== undefined) writeFileSync(out, blob);
    else process.stdout.write(blob);
    console.error(`blob ID ${blobId}, ${blob.length} bytes`);
    return 0;
  },
);

/** Each set of pairs costs one pass over the blob. */
const PAIRS_AT_ONCE = 64;

type SliversByAxis = Record<Axis, Map<SliverIndex, Sliver>>;

/** @throws ProtocolError for a file that is no sliver; CodecError `SLIVER_MISMATCH` for one of another shape */
function readSlivers(dir: string, layout: BlobLayout): SliversByAxis {
  const slivers: SliversByAxis = { primary: new Map(), secondary: new Map() };
  for (const name of readdirSync(dir).sort()) {
    const file = parseSliverFile(name);
    if (file === undefined) continue;
    const bytes = sliverBytes(layout, file.axis);
    const sliver = parseSliver(readFileSync(join(dir, name)), bytes);
    const index = sliverIndex(file.index, layout.nShards);
    if (sliver.index !== index || sliver.data.length !== bytes || sliver.symbolBytes !== layout.symbolBytes) {
      throw new CodecError(
        "SLIVER_MISMATCH",
        `${name} holds sliver ${sliver.index} with ${sliver.data.length} bytes; expected sliver ${index} with ${bytes}`,
        {
          details: { file: name, index: sliver.index, haveBytes: sliver.data.length, needBytes: bytes },
        },
      );
    }
    slivers[file.axis].set(index, sliver);
  }
  return slivers;
}

/** @returns undefined when the folder has no metadata */
function readMetadata(
  dir: string,
  codec: Codec,
  nShards: number,
  length: number,
): VerifiedMetadata | undefined {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(join(dir, METADATA_FILE));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const metadata = parseBlobMetadata(bytes);
  if (metadata.unencodedLength !== length) {
    throw new UsageError(`--length ${length}, but ${METADATA_FILE} says ${metadata.unencodedLength}`);
  }
  // The file claims no blob ID; the one it hashes to is checked against the bytes in the end.
  return codec.verifyMetadata(metadata, ownBlobId(metadata), nShards);
}

const ownBlobId = (metadata: BlobMetadata): BlobId =>
  computeBlobId(metadataRootHash(metadata), metadata.unencodedLength);

interface Decoded {
  readonly blob: Uint8Array;
  readonly blobId: BlobId;
}

function decodeVerified(
  codec: Codec,
  layout: BlobLayout,
  metadata: VerifiedMetadata,
  slivers: SliversByAxis,
): Decoded {
  const good: Record<Axis, VerifiedSliver[]> = { primary: [], secondary: [] };
  for (const axis of AXES) {
    const all = [...slivers[axis].values()];
    const results = codec.verifySlivers(
      metadata,
      all.map((sliver) => ({ axis, pair: pairOfSliver(sliver.index, axis, layout.nShards), sliver })),
    );
    all.forEach(({ index }, i) => {
      const checked = results[i];
      if (checked instanceof CodecError) {
        console.error(`left out ${sliverFile(axis, index)}: ${checked.message}`);
      } else if (checked !== undefined) good[axis].push(checked);
    });
  }
  const axis = enoughOf(layout, { primary: good.primary.length, secondary: good.secondary.length });
  const blob = decodeFrom(codec, metadata, axis, good[axis]);
  codec.verifyBlob(metadata, blob, "strict");
  return { blob, blobId: metadata.blobId };
}

function decodeUnverified(codec: Codec, layout: BlobLayout, slivers: SliversByAxis): Decoded {
  const { nShards, unencodedLength } = layout;
  const axis = enoughOf(layout, { primary: slivers.primary.size, secondary: slivers.secondary.size });
  // The decoder takes verified slivers only. These are verified afterwards, by the encoding below.
  const stand = {
    nShards,
    unencodedLength,
    hashes: new Uint8Array(64 * nShards),
  } as unknown as VerifiedMetadata;
  const unverified = [...slivers[axis].values()].map((sliver) => ({ ...sliver, axis }) as VerifiedSliver);
  const blob = decodeFrom(codec, stand, axis, unverified);
  const encoder = codec.openEncoder(nShards, unencodedLength);
  try {
    encoder.write(blob);
    for (const each of AXES) {
      const held = [...slivers[each].values()];
      for (let first = 0; first < held.length; first += PAIRS_AT_ONCE) {
        const some = held.slice(first, first + PAIRS_AT_ONCE);
        const encoded = encoder.slivers(some.map(({ index }) => pairOfSliver(index, each, nShards)));
        some.forEach((sliver, i) => {
          const right = encoded[i]?.[each];
          if (right === undefined || !equalBytes(right, serializeSliver(sliver))) {
            throw contradiction(each, sliver.index, axis);
          }
        });
      }
    }
    return { blob, blobId: encoder.metadata().blobId };
  } finally {
    encoder.release();
  }
}

function contradiction(axis: Axis, index: SliverIndex, taken: Axis): CodecError {
  return new CodecError(
    "CONTRADICTORY_SLIVERS",
    `${sliverFile(axis, index)} belongs to another blob than the ${taken} slivers taken`,
    { details: { axis, index } },
  );
}

/** @throws CodecError `TOO_FEW_SLIVERS` with what is there and what would do */
function enoughOf(layout: BlobLayout, have: Record<Axis, number>): Axis {
  const axis = AXES.find((each) => have[each] >= sliversToDecode(layout, each));
  if (axis !== undefined) return axis;
  const [primary, secondary] = AXES.map((each) => sliversToDecode(layout, each));
  throw new CodecError(
    "TOO_FEW_SLIVERS",
    `have ${have.primary} primary and ${have.secondary} secondary slivers; ${primary} primary or ${secondary} secondary are needed`,
    {
      details: {
        havePrimary: have.primary,
        haveSecondary: have.secondary,
        needPrimary: primary ?? 0,
        needSecondary: secondary ?? 0,
      },
    },
  );
}

function decodeFrom(
  codec: Codec,
  metadata: VerifiedMetadata,
  axis: Axis,
  slivers: readonly VerifiedSliver[],
): Uint8Array {
  const decoder = codec.openDecoder(metadata, axis);
  try {
    for (const sliver of slivers) if (decoder.add(sliver) === 0) break;
    return decoder.blob();
  } finally {
    decoder.release();
  }
}
