/** Prometheus metrics: the running totals of the ledger, and gauges read when asked. */

import { EDGE_READ_OUTCOMES } from "../../shared/audit/edge-reads.ts";
import type { Sql } from "../../shared/base/sql.ts";
import type { EdgeReadsSummary } from "../edge-reads/edge-reads.ts";
import { countClaims } from "../ledger/claim-records.ts";
import { counters, shortNode } from "../ledger/counters.ts";
import type { NodeRound } from "../ledger/node-records.ts";

/** As the ledger has them; gone = refuted or withdrawn. */
const CLAIM_STATES = ["pending", "confirmed", "lapsed", "gone"] as const;
const HELP: readonly (readonly [string, "counter" | "gauge" | "histogram", string])[] = [
  ["floe_audit_challenges_total", "counter", "Requests to storage nodes by node, type and outcome."],
  ["floe_audit_challenge_seconds", "histogram", "Duration of requests to storage nodes."],
  ["floe_audit_bytes_total", "counter", "Bytes received from storage nodes."],
  ["floe_audit_vacuous_total", "counter", "Draws that hit padding and were asked of nobody."],
  ["floe_audit_self_suspect_total", "counter", "Rounds voided because of the auditor's own network."],
  ["floe_audit_possession_loglr", "gauge", "Log-likelihood ratio of loss against honest noise, this epoch."],
  ["floe_audit_availability_ratio", "gauge", "Share of windows in which the node answered."],
  [
    "floe_audit_edge_reads",
    "gauge",
    "Blobs asked of a node by edge reads in the last day, by what came back.",
  ],
  ["floe_audit_edge_reads_diverge", "gauge", "1 when a node serves readers worse than the auditor."],
  ["floe_audit_claims", "gauge", "Claims on chain that this auditor has dealt with, by state."],
  ["floe_audit_round_lag_seconds", "gauge", "Since the last round was closed."],
];

const NO_BUCKET = 0;
function bucketBound(name: string): number {
  const bound = /_bucket\{le="([^"]+)"\}$/.exec(name)?.[1];
  if (bound === undefined) return NO_BUCKET;
  return bound === "+Inf" ? Number.MAX_VALUE : Number(bound);
}

/** The text exposition. @param nodes of the newest published round */
export function metricsText(
  sql: Sql,
  nodes: readonly NodeRound[],
  lagMs: number | undefined,
  edgeReads: ReadonlyMap<string, EdgeReadsSummary>,
): string {
  const samples = new Map<string, string[]>(HELP.map(([name]) => [name, []]));
  // Buckets of a histogram by their bounds, which no order of texts gives: 0.5, 1, 2.5, 10, +Inf.
  for (const { name, value } of counters(sql).sort((a, b) => bucketBound(a.name) - bucketBound(b.name))) {
    const family = HELP.find(([each]) => name.startsWith(each))?.[0];
    if (family !== undefined) samples.get(family)?.push(`${name} ${value}`);
  }
  for (const { node, after, availability } of nodes) {
    const label = `{node="${shortNode(node)}"}`;
    samples
      .get("floe_audit_possession_loglr")
      ?.push(`floe_audit_possession_loglr${label} ${after.logLikelihoodRatio}`);
    if (availability !== undefined)
      samples
        .get("floe_audit_availability_ratio")
        ?.push(`floe_audit_availability_ratio${label} ${availability}`);
  }
  for (const [node, seen] of edgeReads) {
    const label = `node="${shortNode(node)}"`;
    for (const outcome of EDGE_READ_OUTCOMES)
      samples
        .get("floe_audit_edge_reads")
        ?.push(`floe_audit_edge_reads{${label},outcome="${outcome}"} ${seen[outcome]}`);
    samples
      .get("floe_audit_edge_reads_diverge")
      ?.push(`floe_audit_edge_reads_diverge{${label}} ${seen.diverges ? 1 : 0}`);
  }
  for (const state of CLAIM_STATES) {
    const count = countClaims(sql, state);
    samples.get("floe_audit_claims")?.push(`floe_audit_claims{state="${state}"} ${count}`);
  }
  if (lagMs !== undefined)
    samples.get("floe_audit_round_lag_seconds")?.push(`floe_audit_round_lag_seconds ${lagMs / 1000}`);
  const lines = HELP.flatMap(([name, type, help]) => [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...(samples.get(name) ?? []),
  ]);
  return `${lines.join("\n")}\n`;
}
