/** Storage nodes of a committee, as clients; and what to do when a node answers that the committee has changed. */
import { FloeError } from "../../shared/base/errors.ts";
import { nodeBaseUrl } from "../../shared/node/node-address.ts";
import { type NodeClient, StorageNodeClient } from "../../shared/node/storage-node-client.ts";
import type { Committee, CommitteeMember } from "../../shared/protocol/committee.ts";
import type { Invocation } from "../base/invocation.ts";
import type { ChainPorts } from "../chain/port.ts";
import type { NodePorts } from "./ports.ts";

/** A committee member we can talk to. */
export interface ReachableNode {
  readonly member: CommitteeMember;
  readonly position: number;
  readonly client: NodeClient;
}

/** Clients of all members whose address the policy allows; the others are recorded as faults and left out. */
export function reachableNodes(services: NodePorts, committee: Committee): ReachableNode[] {
  return committee.members.flatMap((member, position) => {
    try {
      const baseUrl = nodeBaseUrl(member.networkAddress, services.networkKind);
      return [{ member, position, client: new StorageNodeClient(baseUrl, member.name, services.carrier) }];
    } catch (error) {
      if (!(error instanceof FloeError)) throw error;
      services.faults.record(member.nodeId, error.code);
      return [];
    }
  });
}

/** Errors by which a node shows that our committee, or its own, is not the newest. */
const STALE_COMMITTEE: ReadonlySet<string> = new Set(["SHARD_NOT_ASSIGNED", "WRONG_EPOCH"]);

/**
 * Has the chain read again when a node's error shows that the committee may have changed: work under way goes on with the
 * committee it has, the next request works with the new one.
 */
export function refreshIfStale(services: Invocation & ChainPorts, code: string): void {
  if (!STALE_COMMITTEE.has(code)) return;
  const refreshed = services.chain.snapshot({ minReadAtMs: services.transport.clock.nowMs() });
  services.waitUntil(refreshed.catch(() => services.log("chain-refresh-failed", { code })));
}
