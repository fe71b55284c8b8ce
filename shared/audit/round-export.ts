/**
 * A round as an auditor publishes it: everything that a verifier needs to recompute it, and nothing to be believed.
 *
 * Hashes and IDs are hex, u64 and u128 decimal text. `leaves` are the exact texts behind the evidence root, in
 * (mode, shard, t) order; all other outcomes follow from them.
 */
import { blake2b256 } from "../crypto/blake2b.ts";
import type { Committee } from "../protocol/committee.ts";
import type { ObjectId } from "../protocol/ids.ts";
import { canonicalBytes } from "./canonical-json.ts";
import type { AuditParameters } from "./parameters.ts";
import type { ReportTotals } from "./report-rows.ts";
import type { PossessionState } from "./statistics.ts";

export const EXPORT_FORMAT = "floe-audit-round/1";

export interface PublishedPopulation {
  readonly size: number;
  readonly totalBytes: string;
  readonly root: string;
}

export interface PublishedPopulations {
  readonly permanent: PublishedPopulation;
  readonly deletable: PublishedPopulation;
  readonly fresh: PublishedPopulation;
}

/** What the round did to a node's possession record. */
export interface NodeRecord {
  readonly node: ObjectId;
  readonly name: string;
  /** 52 bytes as reported, hex. */
  readonly row: string;
  readonly before: PossessionState;
  readonly after: PossessionState;
  readonly confirmedClaims: number;
}

/** Where a round's randomness comes from; a report names it, because one source is better than the other. */
export type SeedSource = "checkpoint" | "open_round";

export interface RoundExport {
  readonly format: typeof EXPORT_FORMAT;
  readonly network: { readonly systemObjectId: ObjectId; readonly stakingObjectId: ObjectId };
  /** Whose key reports its rounds; null without one: such an auditor is on no panel, and draws from checkpoints. */
  readonly auditor: ObjectId | null;
  readonly no: number;
  readonly state: "done" | "void";
  readonly openedMs: number;
  readonly finishedMs: number;
  readonly seed: string;
  readonly seedSource: SeedSource;
  readonly seedCheckpoint: number;
  readonly epoch: number;
  readonly nShards: number;
  readonly committee: readonly { readonly nodeId: ObjectId; readonly shards: readonly number[] }[];
  readonly committeeHash: string;
  readonly parameters: AuditParameters;
  readonly parametersHash: string;
  readonly populations: PublishedPopulations;
  readonly leaves: readonly string[];
  /**
   * Excuses rest on the chain's events of all checkpoints before this one, which is later than every request. Null in
   * a round that was judged before this was kept.
   */
  readonly judgedCheckpoint: number | null;
  readonly evidenceRoot: string;
  readonly nodes: readonly NodeRecord[];
  readonly nodesRoot: string;
  readonly totals: ReportTotals;
  /** Transaction of the report; null when nothing was written to the chain. */
  readonly tx: string | null;
}

const COMMITTEE_DOMAIN = new TextEncoder().encode("floe-audit/committee/v1");

/** Epoch, shard count and who holds which shards; names, addresses and keys may change within an epoch. */
export const committeeHash = (
  committee: Pick<Committee, "epoch" | "nShards"> & {
    readonly members: readonly { readonly nodeId: ObjectId; readonly shards: readonly number[] }[];
  },
): Uint8Array =>
  blake2b256(
    COMMITTEE_DOMAIN,
    canonicalBytes({
      epoch: committee.epoch,
      n_shards: committee.nShards,
      members: committee.members.map(({ nodeId, shards }) => ({
        node: nodeId,
        shards: [...shards].sort((a, b) => a - b),
      })),
    }),
  );
