/**
 * Committees of epochs that are over, from the version of Walrus's Staking state that began one of them.
 *
 * The chain's present state names the present committee and the one before. `EpochChangeStart(e)` comes from the
 * transaction that put committee e into Staking's state, beside committee e - 1; its effects name the version it wrote,
 * and an endpoint that keeps old versions of objects gives the bytes. The state is a dynamic field of Staking whose ID
 * follows from the contracts' version then, so nothing but Staking's own state can stand there.
 *
 * Node names are the pools' present ones: a past one is kept nowhere within reach.
 */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import type { ShardHolders } from "../../protocol/committee.ts";
import type { ObjectId } from "../../protocol/ids.ts";
import { fieldId, readObjects } from "../client/object-reader.ts";
import { suiCall, toSuiError } from "../client/sui-client.ts";
import { SuiError } from "../client/sui-error.ts";
import { versionKey } from "../client/type-names.ts";
import { fieldLayout, parseLayout, StakingInnerLayout, StakingPoolLayout, u64 } from "./layouts.ts";

export interface PastCommittees {
  readonly committee: ShardHolders;
  /** Of the epoch before; null when there was none. */
  readonly previous: ShardHolders | null;
}

const StakingFieldLayout = fieldLayout(u64, StakingInnerLayout);
type Holders = ReturnType<typeof StakingInnerLayout.parse>["committee"];

/**
 * @param startDigest of the transaction that emitted `EpochChangeStart`
 * @param version the contracts' present one: theirs then was it or one before
 * @returns undefined when the endpoint has the transaction or that version of the state no more
 * @throws SuiError `SUI_MALFORMED` for a transaction that wrote no state of Staking; transport errors
 * Cost: two requests, and one per 50 nodes.
 */
export async function readPastCommittees(
  client: SuiGrpcClient,
  stakingObjectId: ObjectId,
  version: bigint,
  startDigest: string,
): Promise<PastCommittees | undefined> {
  const written = await ifKept(`reading transaction ${startDigest}`, async () => {
    const { response } = await client.ledgerService.getTransaction({
      digest: startDigest,
      readMask: { paths: ["effects.changed_objects"] },
    });
    return response.transaction?.effects?.changedObjects;
  });
  if (written === undefined) return undefined;
  const versions = new Map(written.map(({ objectId, outputVersion }) => [objectId, outputVersion]));
  for (let each = version; each > 0n; each--) {
    const objectId = fieldId(stakingObjectId, "u64", versionKey(each));
    const wrote = versions.get(objectId);
    if (wrote === undefined) continue;
    const content = await ifKept(`reading version ${wrote} of Staking's state`, async () => {
      const { response } = await client.ledgerService.getObject({
        objectId,
        version: wrote,
        readMask: { paths: ["contents"] },
      });
      return response.object?.contents?.value;
    });
    return content && toCommittees(client, content);
  }
  throw new SuiError("SUI_MALFORMED", `transaction ${startDigest} wrote no state of Staking`, {
    details: { digest: startDigest, stakingObjectId },
  });
}

async function toCommittees(client: SuiGrpcClient, content: Uint8Array): Promise<PastCommittees> {
  const staking = parseLayout(StakingFieldLayout, content).value;
  const { epoch, committee, previous_committee: previous } = staking;
  const ids = [...new Set([...committee, ...previous].map(({ key }) => key))];
  const pools = await readObjects(client, ids);
  const names = new Map(
    ids.map((id, i) => {
      const pool = pools[i];
      return [id, pool === undefined ? "" : parseLayout(StakingPoolLayout, pool.content).node_info.name];
    }),
  );
  const holders = (ofEpoch: number, entries: Holders): ShardHolders => ({
    epoch: ofEpoch,
    nShards: staking.n_shards,
    members: entries.map(({ key, value }) => ({ nodeId: key, name: names.get(key) ?? "", shards: value })),
  });
  return {
    committee: holders(epoch, committee),
    previous: previous.length === 0 ? null : holders(epoch - 1, previous),
  };
}

/** What an endpoint has pruned, it does not find, or refuses to look for. */
async function ifKept<T>(what: string, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await suiCall(what, read);
  } catch (cause) {
    const error = toSuiError(cause, what);
    if (error.code === "SUI_NOT_FOUND" || error.code === "SUI_REJECTED") return undefined;
    throw error;
  }
}
