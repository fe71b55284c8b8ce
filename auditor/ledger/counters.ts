/** Running totals for metrics, which a judged round adds to. */
import type { Sql } from "../../shared/base/sql.ts";

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
  for (const row of sql.exec(
    "SELECT node, kind, outcome, COUNT(*) AS count FROM attempt WHERE round = ? GROUP BY node, kind, outcome",
    round,
  )) {
    const labels = `node="${shortNode(String(row["node"]))}",type="${row["kind"]}",outcome="${row["outcome"]}"`;
    add(sql, `floe_audit_challenges_total{${labels}}`, Number(row["count"]));
  }
  const [sums] = sql.exec(
    "SELECT COUNT(*) AS count, SUM(ms) AS ms, SUM(bytes) AS bytes FROM attempt WHERE round = ?",
    round,
  );
  for (const bound of SECONDS_BUCKETS) {
    const [row] = sql.exec(
      "SELECT COUNT(*) AS count FROM attempt WHERE round = ? AND ms <= ?",
      round,
      bound * 1000,
    );
    add(sql, `floe_audit_challenge_seconds_bucket{le="${bound}"}`, Number(row?.["count"]));
  }
  add(sql, 'floe_audit_challenge_seconds_bucket{le="+Inf"}', Number(sums?.["count"]));
  add(sql, "floe_audit_challenge_seconds_count", Number(sums?.["count"]));
  add(sql, "floe_audit_challenge_seconds_sum", Number(sums?.["ms"] ?? 0) / 1000);
  add(sql, "floe_audit_bytes_total", Number(sums?.["bytes"] ?? 0));
  const [vacuous] = sql.exec("SELECT COUNT(*) AS count FROM draw WHERE round = ? AND vacuous = 1", round);
  add(sql, "floe_audit_vacuous_total", Number(vacuous?.["count"]));
  add(sql, "floe_audit_self_suspect_total", isVoid ? 1 : 0);
}
