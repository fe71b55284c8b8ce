// If this fails, a node's name runs code in a reader's browser, or an auditor starts with settings that do harm.
import { describe, expect, it } from "vitest";
import { type Env, parseConfig } from "../../../auditor/env.ts";
import { auditPage } from "../../../auditor/face/audit-page.ts";
import { escapeHtml, html, joined } from "../../../auditor/face/html.ts";
import { metricsText } from "../../../auditor/face/metrics.ts";
import { nodesView } from "../../../auditor/face/views.ts";
import { openLedger } from "../../../auditor/ledger/ledger-sql.ts";
import { NodeRecords } from "../../../auditor/ledger/node-records.ts";
import { Rounds } from "../../../auditor/ledger/rounds.ts";
import { PopulationLists } from "../../../auditor/population/population-tables.ts";
import { nodeLedger } from "../../../host/node-sqlite.ts";
import { AUDIT_PROFILES, parametersHash } from "../../../shared/audit/parameters.ts";
import { NO_OUTCOMES, serializeRow } from "../../../shared/audit/report-rows.ts";
import { newPossession } from "../../../shared/audit/statistics.ts";
import { objectIdOf } from "../audit/fixtures.ts";

const HOSTILE = `<script>alert(1)</script>" onmouseover='x' &amp;`;

function ledgerWith(rounds: readonly number[], parameters = AUDIT_PROFILES.local) {
  const sql = nodeLedger();
  openLedger(sql);
  const parts = {
    sql,
    rounds: new Rounds(sql),
    nodes: new NodeRecords(sql, parameters),
    lists: new PopulationLists(sql),
    parameters,
    nowMs: 1_000_000,
  };
  for (const no of rounds) {
    parts.rounds.open(no, no, parametersHash(parameters));
    const columns = { evidence_root: "00", nodes_root: "00", epoch: 1, finished_ms: no };
    parts.rounds.update(no, "opening", "done", columns);
    const after = { ...newPossession(), trials: no, failures: 0 };
    const row = {
      ...NO_OUTCOMES,
      passed: no,
      node: objectIdOf(1),
      logLikelihoodRatio: 0,
      state: "healthy" as const,
      availability: 1,
    };
    parts.nodes.save({
      round: no,
      node: row.node,
      name: HOSTILE,
      epoch: 1,
      before: newPossession(),
      after,
      state: row.state,
      availability: 1,
      row: serializeRow(row),
    });
  }
  return parts;
}

describe("the audit page", () => {
  it("says that nothing is known before the first round", () => {
    expect(auditPage(ledgerWith([]))).toContain("Not audited yet");
  });

  it("says that the program is older than the contracts, once it passed over an event", () => {
    const parts = ledgerWith([3]);
    expect(auditPage(parts)).not.toContain("older than the contracts");
    parts.sql.exec("INSERT INTO meta VALUES ('unknown_event', ?)", '{"name":"<b>Blob","checkpoint":70}');
    expect(auditPage(parts)).toContain("older than the contracts");
    expect(auditPage(parts)).toContain("<code>&lt;b&gt;Blob</code>");
    expect(nodesView(parts).unknownEvent).toEqual({ name: "<b>Blob", checkpoint: 70 });
  });

  it("shows a hostile node name as text", () => {
    const page = auditPage(ledgerWith([3]));
    expect(page).toContain(escapeHtml(HOSTILE));
    expect(page).not.toContain("<script");
    // Outside of quoted attribute values no tag has a handler.
    expect(page.replace(/"[^"]*"/g, '""')).not.toMatch(/<[^>]*\son[a-z]+=/i);
  });

  it("is made by a template that escapes all but what a template made", () => {
    const item = html`<li title="${"'"}">${"<b> & co"}</li>`;
    expect(`${item}`).toBe('<li title="&#39;">&lt;b&gt; &amp; co</li>');
    expect(`${html`<ul>${[item, item]}${1}</ul>`}`).toBe(`<ul>${item}${item}1</ul>`);
    expect(`${joined([item, item], "<")}`).toBe(`${item}&lt;${item}`);
  });

  it("links every figure of a node to its evidence, and puts the power of the test in words", () => {
    const page = auditPage(ledgerWith([3, 4]));
    const id = objectIdOf(1);
    for (const path of [
      `/v1/audit/nodes/${id}`,
      `/v1/audit/nodes/${id}/history`,
      "/v1/audit/rounds/4/export",
    ])
      expect(page).toContain(`href="${path}"`);
    expect(page).toContain(`/v1/audit/rounds/3/draws?node=${id}`);
    expect(page).toContain("with 95 % probability");
  });
});

describe("a claim", () => {
  it("is shown to the accused with its deadline and the way to refute it, until it has ended", () => {
    const parts = ledgerWith([3]);
    expect(auditPage(parts)).toContain("<h2>Claims on Sui</h2><p>None.</p>");
    const [id, node] = [objectIdOf(9), objectIdOf(1)];
    parts.sql.exec(
      `INSERT INTO claim (id, round, mode, shard, t, node, epoch, accuser, deadline_ms, role, state)
       VALUES (?, 3, 0, 1, 2, ?, 1, ?, 86400000, 'accuser', 'pending')`,
      id,
      node,
      objectIdOf(2),
    );
    const page = auditPage(parts);
    expect(page).toContain(`href="/v1/audit/claims/${id}/refutation"`);
    expect(page).toContain('href="/v1/audit/rounds/3/proof/0/1/2"');
    expect(page).toContain("1970-01-02T00:00:00.000Z");
    parts.sql.exec("UPDATE claim SET state = 'confirmed'");
    expect(auditPage(parts)).not.toContain("/refutation");
    expect(auditPage(parts)).toContain(`href="/v1/audit/claims/${id}/bundle"`);
  });
});

it("lists the buckets of a histogram by their bounds", () => {
  const { sql } = ledgerWith([]);
  for (const bound of ["+Inf", "0.5", "10", "2.5", "30"])
    sql.exec("INSERT INTO counter VALUES (?, 1)", `floe_audit_challenge_seconds_bucket{le="${bound}"}`);
  const text = metricsText(sql, [], undefined, new Map());
  const bounds = [...text.matchAll(/_bucket\{le="([^"]+)"/g)].map(([, bound]) => bound);
  expect(bounds).toEqual(["0.5", "2.5", "10", "30", "+Inf"]);
});

describe("the publication delay", () => {
  it("keeps the newest round back where the profile says so", () => {
    const delayed = { ...AUDIT_PROFILES.local, publicationDelayRounds: 1 };
    expect(nodesView(ledgerWith([3, 4], delayed)).round).toBe(3);
    expect(nodesView(ledgerWith([3], delayed)).nodes).toEqual([]);
    expect(nodesView(ledgerWith([3, 4])).round).toBe(4);
  });
});

describe("the auditor's settings", () => {
  const id = `0x${"1".repeat(64)}`;
  const valid = {
    NETWORK_KIND: "public",
    AUDIT_PROFILE: "public",
    SUI_RPC_URLS: "https://a.example, https://b.example",
    SYSTEM_OBJECT_ID: id,
    STAKING_OBJECT_ID: id,
  };
  const parse = (change: Partial<Record<keyof Env, string>>) =>
    parseConfig({ ...valid, ...change } as unknown as Env);

  it("are read without a key and without a contract: then nothing is written to the chain", () => {
    expect(parse({})).toMatchObject({ secretKey: undefined, contract: undefined, networkKind: "public" });
    expect(parse({ AUDITOR_SECRET_KEY: "" }).secretKey).toBeUndefined();
    expect(parse({}).edgeReadsToken).toBeUndefined();
    expect(parse({ EDGE_READS_TOKEN: "t".repeat(32) }).edgeReadsToken).toBe("t".repeat(32));
  });

  it.each<[string, Partial<Record<keyof Env, string>>]>([
    ["the local profile on a public network, which would flood its nodes", { AUDIT_PROFILE: "local" }],
    ["an endpoint without TLS", { SUI_RPC_URLS: "http://a.example" }],
    ["an endpoint that is no URL", { SUI_RPC_URLS: "a.example" }],
    ["a missing object", { SYSTEM_OBJECT_ID: "" }],
    ["an object ID that is none", { STAKING_OBJECT_ID: "0xzz" }],
    ["a package without its registry", { AUDIT_PACKAGE_ID: id }],
    ["an unknown network", { NETWORK_KIND: "mainnet" }],
    ["a token that could be guessed", { EDGE_READS_TOKEN: "secret" }],
  ])("refuse %s, by name and without the value", (_what, change) => {
    const [name = ""] = Object.keys(change);
    const expected = name === "AUDIT_PACKAGE_ID" ? "AUDIT_REGISTRY_ID" : name;
    expect(() => parse(change)).toThrow(expected);
  });
});
