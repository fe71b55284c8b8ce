/**
 * What a storage node knows about a blob ID, and how the answers of several nodes combine.
 *
 * The key order of the JSON is part of the protocol: the official SDK groups answers by `JSON.stringify`.
 */

import { ProtocolError } from "../base/errors.ts";
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

/**
 * Reads a node's answer; unknown keys are ignored, so that a newer node stays readable.
 *
 * @throws ProtocolError `INVALID_STATUS` naming the field that is missing or wrong
 */
export function parseBlobStatus(json: unknown): BlobStatus {
  if (json === "nonexistent") return { kind: "nonexistent" };
  const root = fields(json, "status");
  if ("invalid" in root) {
    return { kind: "invalid", event: parseEvent(fields(root["invalid"], "invalid")["event"]) };
  }
  if ("permanent" in root) {
    const permanent = fields(root["permanent"], "permanent");
    const isCertified = permanent["isCertified"];
    if (typeof isCertified !== "boolean") invalidStatus("isCertified");
    return {
      kind: "permanent",
      endEpoch: u32Field(permanent, "endEpoch"),
      isCertified,
      statusEvent: parseEvent(permanent["statusEvent"]),
      deletableCounts: parseCounts(permanent["deletableCounts"]),
      initialCertifiedEpoch: epochOrNull(permanent),
    };
  }
  if ("deletable" in root) {
    const deletable = fields(root["deletable"], "deletable");
    return {
      kind: "deletable",
      initialCertifiedEpoch: epochOrNull(deletable),
      deletableCounts: parseCounts(deletable["deletableCounts"]),
    };
  }
  invalidStatus("variant");
}

type Fields = Readonly<Record<string, unknown>>;

function fields(value: unknown, field: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) invalidStatus(field);
  return value as Fields;
}

function u32Field(record: Fields, field: string): number {
  const value = record[field];
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
    invalidStatus(field);
  }
  return value;
}

const epochOrNull = (record: Fields): number | null =>
  record["initialCertifiedEpoch"] === null ? null : u32Field(record, "initialCertifiedEpoch");

function parseCounts(value: unknown): DeletableCounts {
  const counts = fields(value, "deletableCounts");
  return {
    count_deletable_total: u32Field(counts, "count_deletable_total"),
    count_deletable_certified: u32Field(counts, "count_deletable_certified"),
  };
}

function parseEvent(value: unknown): StatusEvent {
  const { txDigest, eventSeq } = fields(value, "event");
  if (typeof txDigest !== "string" || !/^[1-9A-HJ-NP-Za-km-z]{32,44}$/.test(txDigest))
    invalidStatus("txDigest");
  if (typeof eventSeq !== "string" || !/^[0-9]{1,20}$/.test(eventSeq)) invalidStatus("eventSeq");
  return { txDigest, eventSeq };
}

function invalidStatus(field: string): never {
  throw new ProtocolError("INVALID_STATUS", `blob status: ${field} is missing or wrong`, {
    details: { field },
  });
}

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
