/**
 * The `/audit` page: one HTML document without script, images or anything from elsewhere.
 *
 * Every text that comes from outside (node names stand on chain, and anyone may write them) is escaped by the `html` tag,
 * and the content policy forbids what escaping might miss. Every figure links to the JSON it was made from.
 */
import type { NodeState } from "../../shared/audit/statistics.ts";
import type { PassedOver } from "../chain/chain-follower.ts";
import type { Reading } from "../chain/reading.ts";
import type { NodeRound } from "../ledger/node-records.ts";
import { type Html, html, joined, NOTHING, trusted } from "./html.ts";
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

/** Scrolls by itself where the screen is narrower than the table. */
const table = (rows: readonly Html[], kind = NOTHING): Html =>
  html`<div class="wide"><table${kind}>${joined(rows, "\n")}</table></div>`;
const percent = (value: number, digits = 1): string => `${(value * 100).toFixed(digits)} %`;
const link = (href: string, text: string): Html => html`<a href="${href}">${text}</a>`;

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
      ? html`<p><strong>Not audited yet.</strong> No round has been closed; nothing is known about any node.</p>`
      : joined(
          [
            html`<p>Newest published round: ${link(`/v1/audit/rounds/${round}`, `round ${round}`)} of epoch ${String(epoch)}.
           All of it can be recomputed: ${link(`/v1/audit/rounds/${round}/export`, "export")},
           checked by <code>floe audit verify ${round}</code>.</p>`,
            detectionWords(nodes, round),
            nodeTable(nodes, round),
            heatMap(parts, nodes),
            failureTable(parts),
            claimTable(parts, nodes),
          ],
          "\n",
        );
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Floe storage audit</title><style>${trusted(STYLE)}</style></head>
<body><h1>Storage audit</h1>
<p>Storage nodes are asked for unpredictable symbols of blobs they must hold, and every answer is checked against the blob
ID. A round shows that data could be retrieved from the node at that time, not where the node keeps it.</p>
${readingWords(reading)}${unknownWords(unknownEvent)}${body}
<p>${link("/v1/audit/nodes", "nodes as JSON")} · ${link("/v1/audit/rounds", "rounds")} · ${link("/v1/audit/claims", "claims")} · ${link("/metrics", "metrics")}</p>
</body></html>
`.toString();
}

const whole = (value: number): string => value.toLocaleString("en-US");

/** A first reading takes hours: a reader should not have to guess whether it goes on. */
function readingWords(reading: Reading | null): Html {
  if (reading === null) return NOTHING;
  const { checkpoint, target, backTo, trouble } = reading;
  const back =
    backTo === null
      ? NOTHING
      : html` Event blobs are looked up backwards, so far to checkpoint ${whole(backTo)}.`;
  const stop =
    trouble === null
      ? NOTHING
      : html` <strong>It does not go on</strong> since ${new Date(trouble.atMs).toISOString()}: ${trouble.message} (${trouble.code}).`;
  return html`<p>Reading the history: checkpoint ${whole(checkpoint)} of ${whole(target)}; the next round waits for it.${back}${stop}</p>
`;
}

const unknownWords = (passed: PassedOver | null): Html =>
  passed === null
    ? NOTHING
    : html`<p><strong>This program is older than the contracts.</strong> Since checkpoint ${whole(passed.checkpoint)} they emit
events it does not know (<code>${passed.name}</code>); what those mean for blobs is not in the results here.</p>
`;

/** What the figures can and cannot show, in words. */
function detectionWords(nodes: readonly NodeSummary[], round: number): Html {
  const audited = nodes.filter(({ trials }) => trials > 0);
  const unaudited = nodes.length - audited.length;
  const weakest = [...audited].sort((a, b) => b.detectableLoss - a.detectableLoss)[0];
  const power =
    weakest === undefined
      ? html`No node has answered a challenge that counts in this epoch, so nothing would have been detected.`
      : html`In this epoch, a node that had lost ${percent(weakest.detectableLoss)} of what it must hold would have failed
         at least one challenge with 95 % probability, whichever node it is; the least tested one, ${link(
           `/v1/audit/nodes/${weakest.nodeId}`,
           weakest.name,
         )}, answered ${weakest.trials}. Smaller losses may well be there unseen.`;
  const rest =
    unaudited === 0
      ? NOTHING
      : html` ${unaudited} of ${nodes.length} nodes: <strong>not audited yet</strong>, because no challenge that counts reached them.`;
  return html`<h2>What this shows</h2><p>${power}${rest} ${link(`/v1/audit/rounds/${round}/draws`, "All challenges")}.</p>`;
}

const stateTag = (state: NodeState): Html =>
  html`<span class="tag s-${state}">${state === "unaudited" ? "not audited yet" : state}</span>`;

/** Blobs that the node owed edges, and how many it gave. Of others it may say with right that it has not got them. */
function edgeCell({ nodeId, edgeReads }: NodeSummary): Html | string {
  if (edgeReads === null) return "–";
  const { passed, failedBlobs, silent, refused } = edgeReads;
  const asked = passed + failedBlobs + silent + refused;
  return link(`/v1/audit/nodes/${nodeId}`, `${passed} of ${asked}`);
}

const REASON_WORDS: Readonly<Record<WatchReason, string>> = {
  "early-warning": "its last challenges failed",
  "edge-reads-diverge": "serves readers worse than the auditor",
};

const reasonsOf = (node: NodeSummary): Html =>
  joined(
    node.watchReasons.map((reason) => html` ${REASON_WORDS[reason]}`),
    ";",
  );

function nodeTable(nodes: readonly NodeSummary[], round: number): Html {
  const rows = nodes.map((node) => {
    const { nodeId, name, state, score, trials, failures, availability, outcomes } = node;
    const history = `/v1/audit/nodes/${nodeId}/history`;
    const interval = `${percent(score.mean, 2)} (${percent(score.low, 2)} to ${percent(score.high, 2)})`;
    return html`<tr><td>${link(`/v1/audit/nodes/${nodeId}`, name)}</td><td>${stateTag(state)}${reasonsOf(node)}</td>
<td class="n">${trials === 0 ? "–" : link(history, interval)}</td>
<td class="n">${link(history, `${trials - failures} of ${trials}`)}</td>
<td class="n">${link(`/v1/audit/rounds/${round}/draws?node=${nodeId}`, `${outcomes.timeouts + outcomes.refused}`)}</td>
<td class="n">${availability === null ? "–" : link(history, percent(availability))}</td>
<td class="n">${edgeCell(node)}</td></tr>`;
  });
  const head = html`<tr><th>Node</th><th>State</th><th>Score, 95 % interval</th><th>Passed this epoch</th>
<th>Unavailable, last round</th><th>Availability</th><th>Edge reads passed</th></tr>`;
  return html`<h2>Nodes</h2>${table([head, ...rows])}
<p>The state follows from the challenges of this epoch alone: <em>suspect</em> when so many failed that a node which has
answers as it should comes to it less than once in a million epochs, <em>confirmed</em> when a claim against it stood unrefuted on Sui.
The score is a slow average over epochs that begins close to 100 %; nothing follows from it.</p>
<p>Edge reads are what this operator's own edges saw while they served readers in the last day, in blobs asked of the node.
Nobody else can recompute them, so they are in no round, no score and no report.</p>`;
}

/** Nodes down, rounds across, oldest left. */
function heatMap(parts: ViewParts, nodes: readonly NodeSummary[]): Html {
  const rounds = publishedRounds(parts, HEAT_ROUNDS).reverse();
  const byRound = rounds.map(
    ({ no }) => new Map<string, NodeRound>(parts.nodes.ofRound(no).map((record) => [record.node, record])),
  );
  const rows = nodes.map(({ nodeId, name }) => {
    const cells = rounds.map(({ no }, i) => {
      const state = byRound[i]?.get(nodeId)?.state ?? "unaudited";
      const text = `${name}, round ${no}: ${state}`;
      const href = `/v1/audit/rounds/${no}/draws?node=${nodeId}`;
      return html`<td class="s-${state}"><a href="${href}" title="${text}" aria-label="${text}"></a></td>`;
    });
    return html`<tr><th>${name}</th>${cells}</tr>`;
  });
  const title = rounds.length === 1 ? "The last round" : `The last ${rounds.length} rounds`;
  return html`<h2>${title}</h2>${table(rows, html` class="heat"`)}`;
}

function failureTable(parts: ViewParts): Html {
  const failures = failuresOf(parts, undefined, FAILURES_SHOWN);
  if (failures.length === 0) return html`<h2>Last failures</h2><p>None.</p>`;
  const rows = failures.map(
    ({ round, mode, shard, t, node, outcome, excuse, blobId, proof }) => html`<tr><td class="n">${round}</td>
<td>${link(`/v1/audit/nodes/${node}`, node.slice(0, 10))}</td><td>${outcome}${
      excuse === null ? "" : ` (${excuse})`
    }</td><td><code>${blobId}</code></td><td>${link(proof, `${mode}/${shard}/${t}`)}</td></tr>`,
  );
  const head = html`<tr><th>Round</th><th>Node</th><th>Outcome</th><th>Blob</th><th>Evidence</th></tr>`;
  return html`<h2>Last failures</h2>${table([head, ...rows])}`;
}

const CLAIM_WORDS: Readonly<Record<string, string>> = {
  pending: "pending",
  confirmed: "confirmed",
  lapsed: "lapsed: too few auditors stood behind it",
  gone: "refuted or withdrawn",
};

/** What the accused looks for: until when, and how it is contested. */
function claimTable(parts: ViewParts, nodes: readonly NodeSummary[]): Html {
  const claims = claimsOf(parts.sql, CLAIMS_SHOWN);
  if (claims.length === 0) return html`<h2>Claims on Sui</h2><p>None.</p>`;
  const nameOf = new Map<string, string>(nodes.map(({ nodeId, name }) => [nodeId, name]));
  const rows = claims.map(({ id, node, state, deadlineMs, proof, bundle, refutation }) => {
    const ways = [
      link(proof, "evidence"),
      ...(refutation === null ? [] : [link(refutation, "how to refute it")]),
      ...(bundle === null ? [] : [link(bundle, "vote")]),
    ];
    return html`<tr><td>${link(`/v1/audit/claims/${id}`, id.slice(0, 10))}</td>
<td>${link(`/v1/audit/nodes/${node}`, nameOf.get(node) ?? node.slice(0, 10))}</td><td>${CLAIM_WORDS[state] ?? state}</td>
<td>${new Date(deadlineMs).toISOString()}</td><td>${joined(ways, ", ")}</td></tr>`;
  });
  const head = html`<tr><th>Claim</th><th>Against</th><th>State</th><th>Deadline</th><th></th></tr>`;
  return html`<h2>Claims on Sui</h2>${table([head, ...rows])}
<p>Whoever shows the symbol before the deadline ends a claim and is paid the accuser's bond.</p>`;
}
