/** Metadata of a blob from any node that has it, verified by the blob ID: one honest node is enough. */

import { StorageNodeError } from "../../shared/node/storage-node-errors.ts";
import { isQuorum } from "../../shared/protocol/bft.ts";
import type { Committee } from "../../shared/protocol/committee.ts";
import { FloeError } from "../../shared/protocol/errors.ts";
import type { BlobId } from "../../shared/protocol/ids.ts";
import { LIMITS } from "../../shared/protocol/limits.ts";
import type { VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import { EdgeError } from "../edge-error.ts";
import type { ReachableNode, Services } from "../services.ts";
import { verifiedBlobStatus } from "./blob-status.ts";
import { firstAnswer } from "./hedge.ts";
import { Absence, nodesByPreference } from "./locate.ts";

/**
 * @throws EdgeError `BLOB_NOT_FOUND` (a quorum says so), `FORBIDDEN_BLOB`, else `BLOB_UNAVAILABLE`, with the numbers
 * Cost: normally one request of 66 n bytes.
 */
export async function fetchMetadata(
  services: Services,
  committee: Committee,
  blobId: BlobId,
): Promise<VerifiedMetadata> {
  const { nShards } = committee;
  const absence = new Absence(nShards);
  let failures = 0;
  const metadata = await firstAnswer<ReachableNode, VerifiedMetadata>({
    clock: services.transport.clock,
    candidates: nodesByPreference(services, committee),
    hedgeMs: LIMITS.metadataHedgeMs,
    width: LIMITS.requestsInFlight,
    async ask({ client, member }, signal) {
      const call = { signal, attempts: 1, headersTimeoutMs: LIMITS.readHeadersTimeoutMs };
      const claimed = await client.getMetadata(blobId, nShards, call);
      const verified = services.codec.verifyMetadata(claimed, blobId, nShards);
      services.faults.answered(member.nodeId);
      return verified;
    },
    failed({ member }, error) {
      if (!(error instanceof FloeError)) return error instanceof Error ? error : new Error(String(error));
      if (error instanceof StorageNodeError && error.code === "NOT_FOUND")
        absence.notFound(member.shards.length);
      else if (error instanceof StorageNodeError && error.code === "FORBIDDEN")
        absence.forbidden(member.shards.length);
      else {
        failures++;
        services.faults.record(member.nodeId, error.code);
      }
      return absentError(absence, blobId);
    },
  });
  if (metadata !== undefined) return metadata;
  const reason = `no node served valid metadata: ${absence.describe()}, ${failures} of ${committee.members.length} nodes failed`;
  if (absence.any) {
    const status = await verifiedBlobStatus(services, committee, blobId);
    if (status?.kind === "nonexistent" || status?.kind === "invalid") {
      throw new EdgeError("BLOB_NOT_FOUND", `the nodes' status is ${status.kind}`, { details: { blobId } });
    }
  }
  throw new EdgeError("BLOB_UNAVAILABLE", reason, { retryable: true, details: { blobId, failures } });
}

/** The answer for a blob that a quorum does not serve. */
export function absentError(absence: Absence, blobId: BlobId): EdgeError | undefined {
  const verdict = absence.verdict(isQuorum);
  if (verdict === undefined) return undefined;
  const code = verdict === "missing" ? "BLOB_NOT_FOUND" : "FORBIDDEN_BLOB";
  return new EdgeError(code, absence.describe(), { details: { blobId } });
}
