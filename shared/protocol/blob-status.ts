/**
 * What a storage node knows about a blob ID, and how the answers of several nodes combine.
 *
 * The key order of the JSON is part of the protocol: the official SDK groups answers by `JSON.stringify`.
 */
import { isQuorum, isValidity } from "./bft.ts";

/** Where on the chain a status comes from. */
export interface StatusEvent {
  readonly txDigest: string;
  readonly eventSeq: string;
}

export interface DeletableCounts {
  readonly count_deletable_total: number;
  readonly count_deletable_certified: number;
}

export type BlobStatus =
  | { readonly kind: "nonexistent" }
  | { readonly kind: "invalid"; readonly event: StatusEvent }
  | {
      readonly kind: "permanent";
      /** Exclusive. */
      readonly endEpoch: number;
      readonly isCertified: boolean;
      readonly statusEvent: StatusEvent;
      readonly deletableCounts: DeletableCounts;
      readonly initialCertifiedEpoch: number | null;
    }
  | {
      readonly kind: "deletable";
      readonly initialCertifiedEpoch: number | null;
      readonly deletableCounts: DeletableCounts;
    };

/** The exact JSON value of `data`, keys in the official order. */
export function blobStatusToJson(status: BlobStatus): unknown {
  switch (status.kind) {
    case "nonexistent":
      return "nonexistent";
    case "invalid":
      return { invalid: { event: eventJson(status.event) } };
    case "permanent":
      return {
        permanent: {
          endEpoch: status.endEpoch,
          isCertified: status.isCertified,
          statusEvent: eventJson(status.statusEvent),
          deletableCounts: countsJson(status.deletableCounts),
          initialCertifiedEpoch: status.initialCertifiedEpoch,
        },
      };
    case "deletable":
      return {
        deletable: {
          initialCertifiedEpoch: status.initialCertifiedEpoch,
          deletableCounts: countsJson(status.deletableCounts),
        },
      };
    default:
      return status satisfies never;
  }
}

const eventJson = (event: StatusEvent) => ({ txDigest: event.txDigest, eventSeq: event.eventSeq });
const countsJson = (counts: DeletableCounts) => ({
  count_deletable_total: counts.count_deletable_total,
  count_deletable_certified: counts.count_deletable_certified,
});

const RANK = { invalid: 3, permanent: 2, deletable: 1, nonexistent: 0 } as const;

/**
 * The status that nodes vouch for: answers must weigh a quorum together; of the groups of equal answers, the
 * highest-ranking one (invalid > permanent > deletable > nonexistent) that alone reaches validity.
 *
 * @returns undefined while no such group exists
 */
export function combineStatuses(
  answers: readonly { readonly status: BlobStatus; readonly weight: number }[],
  nShards: number,
): BlobStatus | undefined {
  const groups = new Map<string, { status: BlobStatus; weight: number }>();
  let total = 0;
  for (const { status, weight } of answers) {
    total += weight;
    const key = JSON.stringify(blobStatusToJson(status));
    const group = groups.get(key) ?? { status, weight: 0 };
    group.weight += weight;
    groups.set(key, group);
  }
  if (!isQuorum(total, nShards)) return undefined;
  return [...groups.values()]
    .filter((group) => isValidity(group.weight, nShards))
    .sort((a, b) => RANK[b.status.kind] - RANK[a.status.kind] || b.weight - a.weight)[0]?.status;
}
