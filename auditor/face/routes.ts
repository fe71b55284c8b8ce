/**
 * The auditor's public face. Everything is read from the ledger, claims also from the chain; nothing here changes
 * either, except `run` on a local network and, with the token, `edge-reads`.
 *
 * | method and path                                     | answer                                                     |
 * |-----------------------------------------------------|------------------------------------------------------------|
 * | GET  /v1/audit/nodes                                | score, interval and state of every node                    |
 * | GET  /v1/audit/nodes/{id}                           | one of them, with its last failures                        |
 * | GET  /v1/audit/nodes/{id}/history?days=             | its rows, newest first                                     |
 * | GET  /v1/audit/rounds[?before=]                     | rounds, newest first                                       |
 * | GET  /v1/audit/rounds/{no}                          | one round                                                  |
 * | GET  /v1/audit/rounds/{no}/draws[?node=]            | its draws with verdicts and every request made for them    |
 * | GET  /v1/audit/rounds/{no}/proof/{mode}/{shard}/{t} | leaf and path under the evidence root                      |
 * | GET  /v1/audit/rounds/{no}/export                   | everything that `floe audit verify` recomputes             |
 * | GET  /v1/audit/bodies/{hash}                        | a kept answer body                                         |
 * | GET  /v1/audit/population/{epoch}[?from=]           | size, root and a page of entries                           |
 * | GET  /v1/audit/claims[/{id}]                        | claims on chain that this auditor has dealt with           |
 * | GET  /v1/audit/claims/{id}/bundle[?voter=]          | confirmed claims, evidence, unsigned vote for slashing     |
 * | GET  /v1/audit/claims/{id}/refutation               | what it takes to refute a pending claim                    |
 * | GET  /metrics                                       | Prometheus                                                 |
 * | GET  /audit                                         | the page; / leads there                                    |
 * | POST /v1/audit/run                                  | local networks only: holds one round now                   |
 * | POST /v1/audit/edge-reads                           | a batch of an edge of ours; answers: edge-reads-route.ts   |
 *
 * Errors are `{"error": {"code", "message"}}`.
 */
import { EDGE_READS_PATH } from "../../shared/audit/edge-reads.ts";
import type { AuditParameters } from "../../shared/audit/parameters.ts";
import { FloeError } from "../../shared/base/errors.ts";
import type { Sql } from "../../shared/base/sql.ts";
import { type ObjectId, parseObjectId } from "../../shared/protocol/ids.ts";
import { EscalationError } from "../../shared/sui/audit/escalation.ts";
import { SuiError } from "../../shared/sui/client/sui-error.ts";
import type { WalrusObjectIds } from "../../shared/sui/walrus/chain-snapshot.ts";
import { checkSystem, LedgerNetworkError } from "../chain/ledger-network.ts";
import type { ClaimChain } from "../claims/claim-chain.ts";
import { escalationBundle } from "../claims/escalation.ts";
import { refutationView } from "../claims/refutation-view.ts";
import { type EdgeReadsDoor, EdgeReadsRouteError, takeEdgeReads } from "../edge-reads/edge-reads-route.ts";
import { keptBody } from "../ledger/attempts.ts";
import type { NodeRecords } from "../ledger/node-records.ts";
import type { Round, Rounds } from "../ledger/rounds.ts";
import type { PopulationLists } from "../population/population-tables.ts";
import { exportRound } from "../round/publish-round.ts";
import { auditPage, PAGE_HEADERS } from "./audit-page.ts";
import { metricsText } from "./metrics.ts";
import {
  claimsView,
  drawsView,
  edgeReadsNow,
  historyView,
  nodesView,
  nodeView,
  populationView,
  proofView,
  publishedRound,
  roundView,
} from "./views.ts";

export interface RouteParts {
  readonly sql: Sql;
  readonly rounds: Rounds;
  readonly nodes: NodeRecords;
  readonly lists: PopulationLists;
  readonly parameters: AuditParameters;
  readonly ids: WalrusObjectIds;
  readonly nowMs: number;
  /** Absent without a key: then no claim is known. */
  readonly claimChain?: ClaimChain | undefined;
  /** Absent without a token: then no edge can tell anything. */
  readonly edgeReads?: EdgeReadsDoor | undefined;
  /** Absent on a public network. @returns the round's number; undefined when it is still under way */
  readonly runRound?: () => Promise<number | undefined>;
}

const ROUNDS_PER_PAGE = 50;
/** Rounds do not change once closed, and the newest is at most this much behind. */
const CACHE_SECONDS = 5;

class RouteError extends FloeError<
  "NOT_FOUND" | "METHOD_NOT_ALLOWED" | "INVALID_REQUEST" | "NOT_CONFIGURED"
> {
  readonly status: number;
  constructor(status: number, code: RouteError["code"], message: string) {
    super(code, message, { details: { status } });
    this.status = status;
  }
}
const notFound = (what: string): RouteError => new RouteError(404, "NOT_FOUND", `there is no ${what}`);

/** While a setting is missing or wrong: there is no ledger to ask. */
export const notConfigured = (): Response =>
  json({ error: { code: "NOT_CONFIGURED", message: "the service is not configured" } }, 500);

/** Answers one request; operating errors become their JSON form. */
export async function answer(request: Request, parts: RouteParts): Promise<Response> {
  try {
    // What a ledger of another network says would be taken for this one's.
    checkSystem(parts.sql, parts.ids.systemObjectId);
    return await dispatch(request, parts);
  } catch (error) {
    if (error instanceof RouteError || error instanceof EdgeReadsRouteError) {
      const response = json({ error: { code: error.code, message: error.message } }, error.status);
      if (error.code === "UNAUTHORIZED") response.headers.set("www-authenticate", "Bearer");
      return response;
    }
    if (error instanceof EscalationError) {
      const { code, message } = error;
      return json({ error: { code, message } }, code === "CLAIM_NOT_FOUND" ? 404 : 409);
    }
    if (error instanceof LedgerNetworkError) {
      const { code, message } = error;
      return json({ error: { code, message } }, 500);
    }
    if (error instanceof SuiError) {
      // An endpoint's own words are for the log, not for clients.
      return json({ error: { code: error.code, message: "the chain cannot be read now" } }, 503);
    }
    throw error;
  }
}

async function dispatch(request: Request, parts: RouteParts): Promise<Response> {
  const url = new URL(request.url);
  const [root, version, area, what, id, detail, ...more] = url.pathname.split("/");
  if (url.pathname === "/v1/audit/run") return run(request, parts);
  if (url.pathname === EDGE_READS_PATH) return edgeReads(request, parts);
  if (request.method !== "GET" && request.method !== "HEAD")
    throw new RouteError(405, "METHOD_NOT_ALLOWED", "this takes GET");
  if (url.pathname === "/") return new Response(null, { status: 302, headers: { location: "/audit" } });
  if (url.pathname === "/audit") return new Response(auditPage(parts), { headers: PAGE_HEADERS });
  if (url.pathname === "/metrics") return metrics(parts);
  if (root !== "" || version !== "v1" || area !== "audit") throw notFound("such path");
  switch (what) {
    case "nodes":
      return json(nodesRoute(parts, url, id, detail));
    case "rounds":
      return json(roundsRoute(parts, url, id, detail, more));
    case "bodies":
      return bodyRoute(parts.sql, id ?? "");
    case "population":
      return json(populationRoute(parts, url, id));
    case "claims":
      return claimsRoute(parts, url, id, detail);
    default:
      throw notFound("such path");
  }
}

async function run(request: Request, { runRound, rounds }: RouteParts): Promise<Response> {
  if (runRound === undefined) throw notFound("such path");
  if (request.method !== "POST") throw new RouteError(405, "METHOD_NOT_ALLOWED", "this takes POST");
  const no = await runRound();
  const round = no === undefined ? undefined : rounds.round(no);
  if (round === undefined) return json({ state: "under way" }, 202);
  return json(roundView(round));
}

async function edgeReads(request: Request, parts: RouteParts): Promise<Response> {
  if (parts.edgeReads === undefined) throw notFound("such path");
  if (request.method !== "POST") throw new RouteError(405, "METHOD_NOT_ALLOWED", "this takes POST");
  const response = json(await takeEdgeReads(parts, parts.edgeReads, request));
  response.headers.set("cache-control", "no-store");
  return response;
}

async function claimsRoute(
  parts: RouteParts,
  url: URL,
  id: string | undefined,
  detail: string | undefined,
): Promise<Response> {
  if (detail === undefined) return json(claimsView(parts.sql, id) ?? fail(notFound("such claim")));
  if (detail !== "bundle" && detail !== "refutation") throw notFound("such path");
  const { claimChain, nowMs } = parts;
  const claimId = objectIdOf(id ?? "") ?? fail(notFound("such claim"));
  if (claimChain === undefined) throw notFound("such claim: this auditor has no key and files none");
  if (detail === "refutation") return json(await refutationView({ ...parts, claimChain }, claimId, nowMs));
  const voter = url.searchParams.get("voter");
  const voterId = voter === null ? null : objectIdOf(voter);
  if (voterId === undefined) throw new RouteError(400, "INVALID_REQUEST", "voter is the ID of a node");
  const { escalationIds } = claimChain;
  if (escalationIds === undefined)
    throw new RouteError(409, "NOT_CONFIGURED", "this auditor knows no gate or no slashing manager");
  return jsonText(await escalationBundle({ ...parts, claimChain }, escalationIds, claimId, voterId), 200);
}

function objectIdOf(text: string): ObjectId | undefined {
  try {
    return parseObjectId(text);
  } catch (error) {
    if (error instanceof FloeError) return undefined;
    throw error;
  }
}

function nodesRoute(
  parts: RouteParts,
  url: URL,
  id: string | undefined,
  detail: string | undefined,
): unknown {
  if (id === undefined) return nodesView(parts);
  if (detail !== undefined && detail !== "history") throw notFound("such path");
  const view =
    detail === undefined ? nodeView(parts, id) : historyView(parts, id, wholeNumber(url, "days", 30, 366));
  return view ?? fail(notFound(`node ${id.slice(0, 66)}`));
}

function roundsRoute(
  parts: RouteParts,
  url: URL,
  id: string | undefined,
  detail: string | undefined,
  more: readonly string[],
): unknown {
  if (id === undefined) {
    const before = wholeNumber(url, "before", Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    return { rounds: parts.rounds.list(before, ROUNDS_PER_PAGE).map(roundView) };
  }
  const round = knownRound(parts, id);
  switch (detail) {
    case undefined:
      return roundView(round);
    case "draws":
      return drawsView(parts, round, url.searchParams.get("node"));
    case "export":
      return exportRound(parts, round) ?? fail(notFound("export: the round is not closed, or was abandoned"));
    case "proof":
      return proofView(parts, round, more.map(Number)) ?? fail(notFound("such draw"));
    default:
      throw notFound("such path");
  }
}

function knownRound(parts: RouteParts, id: string): Round {
  const round = /^[0-9]{1,15}$/.test(id) ? parts.rounds.round(Number(id)) : undefined;
  return round ?? fail(notFound("such round"));
}

function populationRoute(parts: RouteParts, url: URL, id: string | undefined): unknown {
  if (id === undefined || !/^[0-9]{1,9}$/.test(id)) throw notFound("such epoch");
  const from = wholeNumber(url, "from", 0, Number.MAX_SAFE_INTEGER);
  return populationView(parts, Number(id), from) ?? fail(notFound("population of this epoch"));
}

function bodyRoute(sql: Sql, hash: string): Response {
  const body = keptBody(sql, hash);
  if (body === undefined) throw notFound("such body");
  // A copy: the response owns its bytes. An untrusted node made them, so no browser may take them for a page.
  return new Response(body.slice(), {
    headers: {
      "content-type": "application/octet-stream",
      "content-disposition": "attachment",
      "x-content-type-options": "nosniff",
    },
  });
}

function metrics(parts: RouteParts): Response {
  const round = publishedRound(parts);
  const nodes = round === undefined ? [] : parts.nodes.ofRound(round.no);
  const finishedMs = round?.finishedMs ?? undefined;
  const lagMs = finishedMs === undefined ? undefined : Math.max(0, parts.nowMs - finishedMs);
  return new Response(metricsText(parts.sql, nodes, lagMs, edgeReadsNow(parts)), {
    headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
  });
}

function wholeNumber(url: URL, name: string, otherwise: number, most: number): number {
  const text = url.searchParams.get(name);
  if (text === null) return otherwise;
  const value = Number(text);
  if (!/^[0-9]{1,16}$/.test(text) || value > most)
    throw new RouteError(400, "INVALID_REQUEST", `${name} is a whole number up to ${most}`);
  return value;
}

function fail(error: Error): never {
  throw error;
}

const json = (value: unknown, status = 200): Response => jsonText(JSON.stringify(value), status);

const jsonText = (text: string, status: number): Response =>
  new Response(text, {
    status,
    headers: {
      "content-type": "application/json",
      "access-control-allow-origin": "*",
      "cache-control": status === 200 ? `public, max-age=${CACHE_SECONDS}` : "no-store",
      "x-content-type-options": "nosniff",
    },
  });
