/**
 * The blobs of a stratum as the ledger's objects have them, in the order of their IDs, a stretch at a time.
 *
 * A stretch is bounded twice, by the blobs that it finds and by the objects that it looks at: where one object in
 * thousands qualifies, finding 1,024 blobs would mean reading the whole table at once.
 */

import type { PopulationBlob } from "../../shared/audit/population.ts";
import type { Stratum } from "../../shared/audit/population-events.ts";
import type { Sql } from "../../shared/base/sql.ts";
import { blobIdFromBytes } from "../../shared/protocol/ids.ts";
import { ENCODING_TYPE_RS2 } from "../../shared/protocol/metadata.ts";
import { bytesOf } from "../ledger/ledger-sql.ts";

export interface StretchLimits {
  /** Blobs found. */
  readonly blobs: number;
  /** Objects looked at; those of one blob are never split. */
  readonly objects: number;
}

export interface Stretch {
  readonly blobs: readonly PopulationBlob[];
  /** Everything up to this blob ID has been looked at; null when nothing is behind it. */
  readonly upTo: Uint8Array | null;
}

/** The SQL twin of `isInStratum`; `?2` is the epoch, `ends` the object's end epoch or its pool's. */
const STRATUM_RULE: Readonly<Record<Stratum, string>> = {
  permanent: "is_deletable = 0 AND ends >= ?2 + 2",
  deletable: "is_deletable = 1 AND ends > ?2",
  fresh: "certified_epoch = ?2 AND ends > ?2",
};
/** Behind every blob ID, which has a byte less. */
const BEHIND_ALL = new Uint8Array(33).fill(0xff);

/**
 * @param epoch the stratum's
 * @param after the last blob ID looked at before; empty at the beginning
 * Cost: reads each object once, with its pool, and of `limits.objects` the index: some 8 us an object.
 */
export function blobsOfStratum(
  sql: Sql,
  stratum: Stratum,
  epoch: number,
  after: Uint8Array,
  limits: StretchLimits,
): Stretch {
  const [bound] = sql.exec(
    "SELECT blob_id FROM object WHERE blob_id > ? ORDER BY blob_id LIMIT 1 OFFSET ?",
    after,
    limits.objects - 1,
  );
  const last = bound === undefined ? null : bytesOf(bound["blob_id"]);
  const found = sql.exec(
    `SELECT blob_id, MAX(length) AS length, MAX(ends) AS ends FROM (
       SELECT object.*, COALESCE(pool.end_epoch, object.end_epoch) AS ends
       FROM object LEFT JOIN pool USING (pool_id) WHERE blob_id > ?1 AND blob_id <= ?3)
     WHERE certified_epoch IS NOT NULL AND encoding = ${ENCODING_TYPE_RS2} AND ${STRATUM_RULE[stratum]}
       AND blob_id NOT IN (SELECT blob_id FROM excluded)
     GROUP BY blob_id ORDER BY blob_id LIMIT ?4`,
    after,
    epoch,
    last ?? BEHIND_ALL,
    limits.blobs,
  );
  const blobs = found.map((row) => ({
    blobId: blobIdFromBytes(bytesOf(row["blob_id"])),
    unencodedLength: Number(row["length"]),
    endEpoch: Number(row["ends"]),
  }));
  const lastFound = found.at(-1);
  const isFull = lastFound !== undefined && found.length === limits.blobs;
  return { blobs, upTo: isFull ? bytesOf(lastFound["blob_id"]) : last };
}
