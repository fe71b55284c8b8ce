/** What a node says of a blob and of itself; unsigned, for triage. */

import { toBase64 } from "../../shared/base/bytes.ts";
import type { NodeHealth } from "../../shared/node/storage-node-api.ts";
import { blobStatusToJson } from "../../shared/protocol/blob-status.ts";
import type { BlobId } from "../../shared/protocol/ids.ts";
import type { NodeContext } from "./node-context.ts";
import { jsonReply, type NodeReply } from "./reply.ts";

export function getBlobStatus(node: NodeContext, blobId: BlobId): NodeReply {
  return jsonReply(blobStatusToJson(node.registry.status(blobId, node.epoch)));
}

export function getHealth(node: NodeContext, detailed: boolean): NodeReply {
  const own = node.ownShards();
  const locked = node.lockedShards();
  const uptimeMs = node.clock.nowMs() - node.startedAtMs;
  const events = node.follower.eventCount;
  const health: NodeHealth = {
    uptime: { secs: Math.floor(uptimeMs / 1000), nanos: (uptimeMs % 1000) * 1_000_000 },
    epoch: node.epoch,
    publicKey: toBase64(node.keys.publicKey),
    nodeStatus: own.length > 0 ? "Active" : "Standby",
    eventProgress: {
      persisted: events,
      pending: 0,
      highestFinishedEventIndex: events === 0 ? null : events - 1,
    },
    shardSummary: {
      owned: own.length,
      ownedShardStatus: { unknown: 0, ready: own.length, inTransfer: 0, inRecovery: 0 },
      readOnly: locked.length,
    },
    ...(detailed
      ? {
          shardDetail: {
            owned: own.map((shard) => ({ shard, status: "ready" as const })),
            other: locked.map((shard) => ({ shard, status: "readOnly" as const })),
          },
        }
      : {}),
    latestCheckpointSequenceNumber: node.follower.checkpoint,
  };
  return jsonReply(health);
}
