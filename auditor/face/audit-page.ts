/**
 * The `/audit` page: one HTML document without script, images or anything from elsewhere.
 *
 * Every text that comes from outside (node names stand on chain, and anybody may write them) is escaped, and the content
 * policy forbids whatever escaping might miss. Every figure links to the JSON it was made from.
 */
import type { NodeState } from "../../shared/audit/statistics.ts";
import type { PassedOver } from "../chain/chain-follower.ts";
import type { Reading } from "../chain/reading.ts";
import type { NodeRound } from "../ledger/node-records.ts";
import {
  claimsOf,
  failuresOf,
  type NodeSummary,
  nodesView,
  publishedRounds,
  type ViewParts,
  type WatchReason,
} from "./views.ts";

const HEAT_ROUNDS = 24;
const FAILURES_SHOWN = 20;
const CLAIMS_SHOWN = 20;

export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "public, max-age=5",
};

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => ENTITIES[c] ?? c);

/** Scrolls by itself where the screen is narrower than the table. */
const table = (rows: string, kind = ""): string => `<div class="wide"><table${kind}>${rows}</table></div>`;
const percent = (value: number, digits = 1): string => `${(value * 100).toFixed(digits)} %`;
const link = (href: string, text: string): string => `<a href="${escapeHtml(href)}">${escapeHtml(text)}</a>`;

const STYLE = `
.wide{overflow-x:auto}code{overflow-wrap:anywhere}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:62rem;padding:0 1rem;color:#1b1f24;background:#fff}
table{border-collapse:collapse;margin:.6rem 0 1.6rem}th,td{padding:.25rem .7rem;text-align:left;border-bottom:1px solid #d8dde3}
td.n{text-align:right;font-variant-numeric:tabular-nums}.heat td{padding:0;border:1px solid #fff}
.heat a{display:block;width:1.05rem;height:1.05rem}.heat th{font-weight:400;padding:0 .6rem 0 0}
.s-unaudited{background:#d8dde3}.s-healthy{background:#6fbf73}.s-watch{background:#f2c14e}.s-suspect{background:#e8703a}
.s-confirmed{background:#b3261e}.tag{padding:.05rem .45rem;border-radius:.6rem}.s-confirmed.tag{color:#fff}
@media(prefers-color-scheme:dark){body{background:#14171a;color:#e3e6ea}th,td{border-color:#333a41}.heat td{border-color:#14171a}
.tag{color:#111}.s-confirmed.tag{color:#fff}a{color:#8ab4f8}}`;

/** Cost: some rounds' rows; no draw is read but the last failures. */
export function auditPage(parts: ViewParts): string {
  const { nodes, round, epoch, reading, unknownEvent } = nodesView(parts);
  const body =
    round === null
      ? `<p><strong>Not audited yet.</strong> No round has been closed; nothing is known about any node.</p>`
      : [
          `<p>Newest published round: ${link(`/v1/audit/rounds/${round}`, `round ${round}`)} of epoch ${epoch}.
           All of it can be recomputed: ${link(`/v1/audit/rounds/${round}/export`, "export")},
           checked by <code>floe audit verify ${round}</code>.</p>`,
          detectionWords(nodes, round),
          nodeTable(nodes, round),
          heatMap(parts, nodes),
          failureTable(parts),
          claimTable(parts, nodes),
        ].join("\n");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Floe storage audit</title><style>${STYLE}</style></head>
<body><h1>Storage audit</h1>
<p>Storage nodes are asked for unpredictable symbols of blobs they must hold, and every answer is checked against the blob
ID. A round shows that data could be retrieved from the node at that time, not where the node keeps it.</p>
${readingWords(reading)}${unknownWords(unknownEvent)}${body}
<p>${link("/v1/audit/nodes", "nodes as JSON")} · ${link("/v1/audit/rounds", "rounds")} · ${link("/v1/audit/claims", "claims")} · ${link("/metrics", "metrics")}</p>
</body></html>
`;
}

const whole = (value: number): string => value.toLocaleString("en-US");

/** A first reading takes hours: nobody should have to guess whether it goes on. */
function readingWords(reading: Reading | null): string {
  if (reading === null) return "";
  const { checkpoint, target, backTo, trouble } = reading;
  const back =
    backTo === null ? "" : ` Event blobs are looked up backwards, so far to checkpoint ${whole(backTo)}.`;
  const stop =
    trouble === null
      ? ""
      : ` <strong>It does not go on</strong> since ${new Date(trouble.atMs).toISOString()}: ${escapeHtml(trouble.message)} (${escapeHtml(trouble.code)}).`;
  return `<p>Reading the history: checkpoint ${whole(checkpoint)} of ${whole(target)}; the next round waits for it.${back}${stop}</p>
`;
}

const unknownWords = (passed: PassedOver | null): string =>
  passed === null
    ? ""
    : `<p><strong>This program is older than the contracts.</strong> Since checkpoint ${whole(passed.checkpoint)} they emit
events it does not know (<code>${escapeHtml(passed.name)}</code>); what those mean for blobs is not in the results here.</p>
`;

/** What the figures can and cannot show, in words. */
function detectionWords(nodes: readonly NodeSummary[], round: number): string {
  const audited = nodes.filter(({ trials }) => trials > 0);
  const unaudited = nodes.length - audited.length;
  const weakest = [...audited].sort((a, b) => b.detectableLoss - a.detectableLoss)[0];
  const power =
    weakest === undefined
      ? "No node has answered a challenge that counts in this epoch, so nothing would have been detected."
      : `In this epoch, a node that had lost ${percent(weakest.detectableLoss)} of what it must hold would have failed
         at least one challenge with 95 % probability, whichever node it is; the least tested one, ${link(
           `/v1/audit/nodes/${weakest.nodeId}`,
           weakest.name,
         )}, answered ${weakest.trials}. Smaller losses may well be there unseen.`;
  const rest =
    unaudited === 0
      ? ""
      : ` ${unaudited} of ${nodes.length} nodes: <strong>not audited yet</strong>, because no challenge that counts reached them.`;
  return `<h2>What this shows</h2><p>${power}${rest} ${link(`/v1/audit/rounds/${round}/draws`, "All challenges")}.</p>`;
}

const stateTag = (state: NodeState): string =>
  `<span class="tag s-${state}">${state === "unaudited" ? "not audited yet" : state}</span>`;

/** Blobs that the node owed edges, and how many it gave. Of others it may say with right that it has not got them. */
function edgeCell({ nodeId, edgeReads }: NodeSummary): string {
  if (edgeReads === null) return "–";
  const { passed, failedBlobs, silent, refused } = edgeReads;
  const asked = passed + failedBlobs + silent + refused;
  return link(`/v1/audit/nodes/${nodeId}`, `${passed} of ${asked}`);
}

const REASON_WORDS: Readonly<Record<WatchReason, string>> = {
  "early-warning": "its last challenges failed",
  "edge-reads-diverge": "serves readers worse than the auditor",
};

const reasonsOf = (node: NodeSummary): string =>
  node.watchReasons.map((reason) => ` ${escapeHtml(REASON_WORDS[reason])}`).join(";");

function nodeTable(nodes: readonly NodeSummary[], round: number): string {
  const rows = nodes.map((node) => {
    const { nodeId, name, state, score, trials, failures, availability, outcomes } = node;
    const history = `/v1/audit/nodes/${nodeId}/history`;
    const interval = `${percent(score.mean, 2)} (${percent(score.low, 2)} to ${percent(score.high, 2)})`;
    return `<tr><td>${link(`/v1/audit/nodes/${nodeId}`, name)}</td><td>${stateTag(state)}${reasonsOf(node)}</td>
<td class="n">${trials === 0 ? "–" : link(history, interval)}</td>
<td class="n">${link(history, `${trials - failures} of ${trials}`)}</td>
<td class="n">${link(`/v1/audit/rounds/${round}/draws?node=${nodeId}`, `${outcomes.timeouts + outcomes.refused}`)}</td>
<td class="n">${availability === null ? "–" : link(history, percent(availability))}</td>
<td class="n">${edgeCell(node)}</td></tr>`;
  });
  const head = `<tr><th>Node</th><th>State</th><th>Score, 95 % interval</th><th>Passed this epoch</th>
<th>Unavailable, last round</th><th>Availability</th><th>Edge reads passed</th></tr>`;
  return `<h2>Nodes</h2>${table([head, ...rows].join("\n"))}
<p>The state follows from the challenges of this epoch alone: <em>suspect</em> when so many failed that a node which has
answers as it should comes to it less than once in a million epochs, <em>confirmed</em> when a claim against it stood unrefuted on Sui.
The score is a slow average over epochs that begins close to 100 %; nothing follows from it.</p>
<p>Edge reads are what this operator's own edges saw while they served readers in the last day, in blobs asked of the node.
Nobody else can recompute them, so they are in no round, no score and no report.</p>`;
}

/** Nodes down, rounds across, oldest left. */
function heatMap(parts: ViewParts, nodes: readonly NodeSummary[]): string {
  const rounds = publishedRounds(parts, HEAT_ROUNDS).reverse();
  const byRound = rounds.map(
    ({ no }) => new Map<string, NodeRound>(parts.nodes.ofRound(no).map((record) => [record.node, record])),
  );
  const rows = nodes.map(({ nodeId, name }) => {
    const cells = rounds.map(({ no }, i) => {
      const state = byRound[i]?.get(nodeId)?.state ?? "unaudited";
      const text = escapeHtml(`${name}, round ${no}: ${state}`);
      const href = escapeHtml(`/v1/audit/rounds/${no}/draws?node=${nodeId}`);
      return `<td class="s-${state}"><a href="${href}" title="${text}" aria-label="${text}"></a></td>`;
    });
    return `<tr><th>${escapeHtml(name)}</th>${cells.join("")}</tr>`;
  });
  return `<h2>${rounds.length === 1 ? "The last round" : `The last ${rounds.length} rounds`}</h2>${table(rows.join("\n"), ' class="heat"')}`;
}

function failureTable(parts: ViewParts): string {
  const failures = failuresOf(parts, undefined, FAILURES_SHOWN);
  if (failures.length === 0) return "<h2>Last failures</h2><p>None.</p>";
  const rows = failures.map(
    ({ round, mode, shard, t, node, outcome, excuse, blobId, proof }) => `<tr><td class="n">${round}</td>
<td>${link(`/v1/audit/nodes/${node}`, node.slice(0, 10))}</td><td>${escapeHtml(outcome)}${
      excuse === null ? "" : ` (${escapeHtml(excuse)})`
    }</td><td><code>${escapeHtml(blobId)}</code></td><td>${link(proof, `${mode}/${shard}/${t}`)}</td></tr>`,
  );
  const head = "<tr><th>Round</th><th>Node</th><th>Outcome</th><th>Blob</th><th>Evidence</th></tr>";
  return `<h2>Last failures</h2>${table([head, ...rows].join("\n"))}`;
}

const CLAIM_WORDS: Readonly<Record<string, string>> = {
  pending: "pending",
  confirmed: "confirmed",
  lapsed: "lapsed: too few auditors stood behind it",
  gone: "refuted or withdrawn",
};

/** What the accused looks for: until when, and how it is contested. */
function claimTable(parts: ViewParts, nodes: readonly NodeSummary[]): string {
  const claims = claimsOf(parts.sql, CLAIMS_SHOWN);
  if (claims.length === 0) return "<h2>Claims on Sui</h2><p>None.</p>";
  const nameOf = new Map<string, string>(nodes.map(({ nodeId, name }) => [nodeId, name]));
  const rows = claims.map(({ id, node, state, deadlineMs, proof, bundle, refutation }) => {
    const ways = [
      link(proof, "evidence"),
      ...(refutation === null ? [] : [link(refutation, "how to refute it")]),
      ...(bundle === null ? [] : [link(bundle, "vote")]),
    ];
    return `<tr><td>${link(`/v1/audit/claims/${id}`, id.slice(0, 10))}</td>
<td>${link(`/v1/audit/nodes/${node}`, nameOf.get(node) ?? node.slice(0, 10))}</td><td>${escapeHtml(CLAIM_WORDS[state] ?? state)}</td>
<td>${new Date(deadlineMs).toISOString()}</td><td>${ways.join(", ")}</td></tr>`;
  });
  const head = "<tr><th>Claim</th><th>Against</th><th>State</th><th>Deadline</th><th></th></tr>";
  return `<h2>Claims on Sui</h2>${table([head, ...rows].join("\n"))}
<p>Whoever shows the symbol before the deadline ends a claim and is paid the accuser's bond.</p>`;
}
