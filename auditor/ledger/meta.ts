/**
 * The ledger's single values: table `meta`, which this file alone reads and writes. Numbers are kept as decimal text.
 *
 * | key              | is                                                                                          |
 * |------------------|---------------------------------------------------------------------------------------------|
 * | schema_version   | version of the tables                                                                        |
 * | system_object_id | the Walrus System object that the ledger's events are of                                     |
 * | chain_id         | the chain identifier that the endpoint gave                                                  |
 * | genesis          | digest of checkpoint 0, hex, as soon as an endpoint has shown it                              |
 * | place            | `checkpoint:count`: all of the checkpoints before are applied, and `count` events of this one |
 * | place_tx         | digest of the last event's transaction                                                        |
 * | cursor           | where the endpoint's next page starts, base64; absent when that is the place                  |
 * | epoch            | the newest Walrus epoch that an event named                                                   |
 * | read_to          | events of all checkpoints before this one are applied, because a reading up to it was asked for |
 * | read_to_ms       | time of the checkpoint up to which the chain was read for a judgement                          |
 * | history          | where in the event blobs the last applied element stands, as JSON                              |
 * | building_epoch   | the epoch whose population is being built                                                      |
 * | unknown_event    | the first event passed over because its kind is not known, and its checkpoint, as JSON          |
 * | reading_trouble  | why the last step of a reading failed, as JSON; absent after a good one                         |
 * | judge_to         | checkpoint up to which the chain is read for the judgement under way                            |
 * | young_from       | the checkpoint from which on certifications are kept                                            |
 * | edge_settled_ms  | failures of edge reads up to then are settled                                                   |
 * | claims_cursor    | where the next page of filed claims starts, base64                                              |
 * | claims_turn      | the claim looked at last; empty when all had their turn                                         |
 * | pruned_round     | rounds up to this one were deleted on chain, by this auditor or another                          |
 * | pruned_epoch     | populations up to this epoch were deleted on chain, by this auditor or another                   |
 */
import type { Sql } from "../../shared/base/sql.ts";

const META = {
  schema_version: "text",
  system_object_id: "text",
  chain_id: "text",
  genesis: "text",
  place: "text",
  place_tx: "text",
  cursor: "text",
  epoch: "number",
  read_to: "number",
  read_to_ms: "number",
  history: "text",
  building_epoch: "number",
  unknown_event: "text",
  reading_trouble: "text",
  judge_to: "number",
  young_from: "number",
  edge_settled_ms: "number",
  claims_cursor: "text",
  claims_turn: "text",
  pruned_round: "number",
  pruned_epoch: "number",
} as const;

export type MetaKey = keyof typeof META;
type MetaValue<Key extends MetaKey> = (typeof META)[Key] extends "number" ? number : string;

export function readMeta<Key extends MetaKey>(sql: Sql, key: Key): MetaValue<Key> | undefined {
  const [row] = sql.exec("SELECT value FROM meta WHERE name = ?", key);
  if (row === undefined) return undefined;
  const text = String(row["value"]);
  // `META` decides about the type and about the conversion alike.
  return (META[key] === "number" ? Number(text) : text) as MetaValue<Key>;
}

export function writeMeta<Key extends MetaKey>(sql: Sql, key: Key, value: MetaValue<Key>): void {
  sql.exec("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", key, `${value}`);
}

/** Writes a value that stays: nothing when there is one. */
export function writeMetaOnce<Key extends MetaKey>(sql: Sql, key: Key, value: MetaValue<Key>): void {
  sql.exec("INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)", key, `${value}`);
}

export function dropMeta(sql: Sql, key: MetaKey): void {
  sql.exec("DELETE FROM meta WHERE name = ?", key);
}

/** How far the chain's events are applied: objects are the same as long as it is. */
export const ledgerPlace = (sql: Sql): string =>
  readMeta(sql, "place") ?? readMeta(sql, "cursor") ?? "nothing";
