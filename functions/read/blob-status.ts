/**
 * What the storage nodes together vouch for: the status of a blob ID, agreed on by nodes holding more than f shards
 * among answers of a quorum. Always asked of the newest committee.
 */

import { StorageNodeError } from "../../shared/node/storage-node-errors.ts";
import { isQuorum } from "../../shared/protocol/bft.ts";
import { type BlobStatus, combineStatuses } from "../../shared/protocol/blob-status.ts";
import type { Committee } from "../../shared/protocol/committee.ts";
import type { BlobId } from "../../shared/protocol/ids.ts";
import type { NodePorts } from "../nodes/ports.ts";
import { reachableNodes } from "../nodes/reachable-nodes.ts";
import { READ_LIMITS } from "./limits.ts";

/**
 * Asks nodes until a quorum has answered and its answers agree.
 *
 * @returns undefined when too few answer, or no status reaches validity
 * Cost: at most one request per node; normally two thirds of them.
 */
export async function verifiedBlobStatus(
  services: NodePorts,
  committee: Committee,
  blobId: BlobId,
): Promise<BlobStatus | undefined> {
  const answers: { status: BlobStatus; weight: number }[] = [];
  services.carrier.expect(committee.members.length);
  const done = new AbortController();
  let combined: BlobStatus | undefined;
  const asked = reachableNodes(services, committee).map(async ({ member, client }) => {
    if (done.signal.aborted) return;
    try {
      const call = { signal: done.signal, attempts: 1, timeoutMs: READ_LIMITS.statusTimeoutMs };
      answers.push({ status: await client.getBlobStatus(blobId, call), weight: member.shards.length });
    } catch (error) {
      if (done.signal.aborted) return;
      if (!(error instanceof StorageNodeError)) throw error;
      services.faults.record(member.nodeId, error.code);
      return;
    }
    const weight = answers.reduce((sum, each) => sum + each.weight, 0);
    if (!isQuorum(weight, committee.nShards)) return;
    combined = combineStatuses(answers, committee.nShards);
    if (combined !== undefined) done.abort(new Error("status is known"));
  });
  await Promise.all(asked);
  return combined;
}
