/** Running totals for metrics, which a judged round adds to: table `counter`. */
import type { Sql } from "../../shared/base/sql.ts";
import { countRequestsWithin, requestCounts, requestTotals } from "./attempts.ts";
import { countVacuousDraws } from "./draws.ts";

const SECONDS_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Enough of a node ID to tell nodes apart. */
const NODE_LABEL_CHARACTERS = 10;

export const shortNode = (node: string): string => node.slice(0, NODE_LABEL_CHARACTERS);

function add(sql: Sql, name: string, value: number): void {
  if (value === 0) return;
  sql.exec(
    "INSERT INTO counter (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
    name,
    value,
  );
}

/** Adds a round's requests; runs inside the transaction that judges the round. */
export function countRound(sql: Sql, round: number, isVoid: boolean): void {
  for (const { node, kind, outcome, count } of requestCounts(sql, round)) {
    const labels = `node="${shortNode(node)}",type="${kind}",outcome="${outcome}"`;
    add(sql, `floe_audit_challenges_total{${labels}}`, count);
  }
  const { count, ms, bytes } = requestTotals(sql, round);
  for (const bound of SECONDS_BUCKETS) {
    const within = countRequestsWithin(sql, round, bound * 1000);
    add(sql, `floe_audit_challenge_seconds_bucket{le="${bound}"}`, within);
  }
  add(sql, 'floe_audit_challenge_seconds_bucket{le="+Inf"}', count);
  add(sql, "floe_audit_challenge_seconds_count", count);
  add(sql, "floe_audit_challenge_seconds_sum", ms / 1000);
  add(sql, "floe_audit_bytes_total", bytes);
  add(sql, "floe_audit_vacuous_total", countVacuousDraws(sql, round));
  add(sql, "floe_audit_self_suspect_total", isVoid ? 1 : 0);
}

export interface Counter {
  /** With its labels, as metrics are written. */
  readonly name: string;
  readonly value: number;
}

/** By name. */
export const counters = (sql: Sql): Counter[] =>
  sql
    .exec("SELECT name, value FROM counter ORDER BY name")
    .map((row) => ({ name: String(row["name"]), value: Number(row["value"]) }));
