/** Publishes through the edge, reads back, compares, and tells a person what happened on the way. */
import { createHash } from "node:crypto";
import type { NetworkFile } from "../shared/network/network-file.ts";
import { bitmapToSigners } from "../shared/protocol/certificate.ts";
import { parseBlobId } from "../shared/protocol/ids.ts";
import { parseConfirmation } from "../shared/protocol/messages.ts";
import { type CertifiedOnChain, findCertification } from "./chain-lookup.ts";

export interface RoundTripOptions {
  readonly network: NetworkFile;
  readonly edgeUrl: string;
  readonly content: Uint8Array;
  readonly say: (line: string) => void;
}

interface NewlyCreated {
  readonly newlyCreated?: {
    readonly blobObject: {
      readonly id: string;
      readonly blobId: string;
      readonly storage: { readonly endEpoch: number };
    };
    readonly cost: number;
  };
  readonly alreadyCertified?: { readonly blobId: string };
}

/** Between two signs of life while a publish is under way. */
const PROGRESS_EVERY_MS = 2_000;

/** @returns true when the bytes read back equal the bytes published */
export async function roundTrip(options: RoundTripOptions): Promise<boolean> {
  const { content, edgeUrl, network, say } = options;
  say(`publishing ${content.length} bytes: PUT ${edgeUrl}/v1/blobs?epochs=5`);
  const published = await withProgress("still publishing", say, () =>
    timed(() => fetch(`${edgeUrl}/v1/blobs?epochs=5`, { method: "PUT", body: Buffer.from(content) })),
  );
  const answer = await published.value.text();
  if (!published.value.ok) {
    say(`publish FAILED with ${published.value.status}: ${answer}`);
    return false;
  }
  const stored = JSON.parse(answer) as NewlyCreated;
  const created = stored.newlyCreated;
  const blobId = parseBlobId(created?.blobObject.blobId ?? stored.alreadyCertified?.blobId ?? "");
  say(`published in ${published.ms.toFixed(0)} ms`);
  say(`  blob ID      ${blobId}`);
  if (created !== undefined) {
    say(`  blob object  ${created.blobObject.id}, until epoch ${created.blobObject.storage.endEpoch}`);
    say(`  cost         ${created.cost} FROST`);
  }
  const certified = await findCertification(network, blobId);
  if (certified !== undefined) sayCertificate(certified, network, say);

  const read = await timed(async () => {
    const response = await fetch(`${edgeUrl}/v1/blobs/${blobId}`);
    return { status: response.status, bytes: new Uint8Array(await response.arrayBuffer()) };
  });
  const equal =
    read.value.status === 200 && Buffer.compare(Buffer.from(read.value.bytes), Buffer.from(content)) === 0;
  say(`read back ${read.value.bytes.length} bytes in ${read.ms.toFixed(0)} ms (${read.value.status})`);
  say(`  sha256       ${createHash("sha256").update(read.value.bytes).digest("hex")}`);
  say(equal ? "the bytes are equal" : "the bytes DIFFER");
  say("try it:");
  say(`  curl -T README.md "${edgeUrl}/v1/blobs?epochs=5"`);
  say(`  curl -o copy.bin "${edgeUrl}/v1/blobs/${blobId}"`);
  return equal;
}

function sayCertificate(
  certified: CertifiedOnChain,
  network: NetworkFile,
  say: (line: string) => void,
): void {
  const { epoch } = parseConfirmation(certified.message);
  const signers = bitmapToSigners(certified.bitmap, certified.memberCount);
  const weight = signers.reduce((sum, signer) => sum + (certified.memberShards[signer] ?? 0), 0);
  say(`  registered   transaction ${certified.registerDigest}`);
  say(`  certified    transaction ${certified.certifyDigest}`);
  say(
    `  certificate  epoch ${epoch}, signed by ${signers.length} of ${certified.memberCount} nodes ` +
      `with ${weight} of ${network.nShards} shards`,
  );
}

async function timed<Value>(work: () => Promise<Value>): Promise<{ value: Value; ms: number }> {
  const started = performance.now();
  const value = await work();
  return { value, ms: performance.now() - started };
}

async function withProgress<Value>(
  what: string,
  say: (line: string) => void,
  work: () => Promise<Value>,
): Promise<Value> {
  const started = performance.now();
  const timer = setInterval(
    () => say(`${what} ... ${((performance.now() - started) / 1000).toFixed(0)} s`),
    PROGRESS_EVERY_MS,
  );
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
