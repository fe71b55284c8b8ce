// If this fails, what the auditors confirmed leads to no vote, or an operator votes on what nobody confirmed.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { readOnlyAuditChain } from "../../auditor/chain/audit-chain.ts";
import { SuiAuditChain } from "../../auditor/chain/sui-audit-chain.ts";
import { audit } from "../../cli/audit/audit.ts";
import { ROOT } from "../../host/project-root.ts";
import { canonicalJson } from "../../shared/audit/canonical-json.ts";
import { FloeError } from "../../shared/base/errors.ts";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import type { EscalationBundle } from "../../shared/sui/audit/escalation-bundle.ts";
import { readAuditEventPage } from "../../shared/sui/audit/event-pages.ts";
import { readSlashingProposal, readSlashingState } from "../../shared/sui/audit/slashing.ts";
import { createSuiClient } from "../../shared/sui/client/sui-client.ts";
import { runTogether, tend } from "../support/audit/accuse.ts";
import { type TestAuditor, testAuditor } from "../support/audit/system.ts";
import { JumpingClock, LONG_SLOTS, PATIENT } from "../support/jumping-clock.ts";
import { runScript } from "../support/run-script.ts";
import { prng, type System, startSystem } from "../support/system.ts";

/** Small rounds: what matters here comes after them. */
const P = {
  ...PATIENT,
  drawsPerBlob: 2,
  drawsPerByte: 1,
  drawsDeletable: 0,
  drawsFresh: 0,
  attemptSpreadMs: 100,
};
const clock = new JumpingClock();
const ROUNDS = 10;
const SOME_ID = `0x${"5".repeat(64)}`;

interface ClaimJson {
  readonly id: ObjectId;
  readonly state: string;
}
/** A bundle that somebody changes without regard for its type. */
interface Loose {
  candidate: string;
  error?: unknown;
  network: Record<string, unknown>;
  claims: Record<string, unknown>[];
  evidence: Record<string, unknown>[];
  vote: Record<string, unknown>;
}
interface ErrorJson {
  readonly error: { readonly code: string };
}

let system: System;
let auditors: TestAuditor[];
let bundle: EscalationBundle;
/** The answer of the bundle route while its claim was still pending. */
const early: string[] = [];
const scratch = mkdtempSync(join(tmpdir(), "floe-vote-"));
const path = (name: string): string => join(scratch, name);

beforeAll(async () => {
  system = await startSystem({
    seed: "audit-vote",
    nodes: 4,
    shards: 13,
    clock,
    auditParams: LONG_SLOTS,
  });
  for (let i = 0; i < 3; i++)
    await system.publishBlob(prng(300 + i, 60_000 * (i + 1)), "epochs=9&permanent=true");
  await system.network.advanceEpoch();
  // Everything is lost, so that the node is suspect after its first round.
  system.network.setNodeFault("node-3", { kind: "drop-slivers", fraction: 1, heal: false });
  writeFileSync(path("network.json"), JSON.stringify(system.network.file));
  for (const node of system.network.file.nodes ?? [])
    writeFileSync(path(`${node.name}.key`), `${node.wallet?.secretKey}\n`);
  auditors = [auditorWithKey(0), auditorWithKey(1)];
  await holdRounds();
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});

function auditorWithKey(position: number): TestAuditor {
  const { audit, auditors: keys, sui, walrus } = system.network.file;
  const secretKey = keys?.[position]?.secretKey;
  if (audit?.gatePackageId === undefined || secretKey === undefined)
    throw new Error("the network has no such auditor");
  const { gatePackageId: packageId } = audit;
  return testAuditor({
    network: system.network.file,
    clock,
    parameters: P,
    auditChain: (chain) =>
      new SuiAuditChain({
        client: createSuiClient({ url: sui.url, fetch }),
        contract: audit,
        gate: { packageId, stakingObjectId: walrus.stakingObjectId },
        secretKey,
        clock,
        fallback: readOnlyAuditChain(chain),
        log: () => {},
        periodMs: P.roundPeriodMs,
      }),
  });
}

const first = (): TestAuditor => auditors[0] as TestAuditor;
const claims = async (): Promise<ClaimJson[]> =>
  (await first().get<{ claims: ClaimJson[] }>("/v1/audit/claims")).claims;
const codeOf = async (route: string): Promise<string | undefined> =>
  (await first().get<Partial<ErrorJson>>(route)).error?.code;

/** Rounds of both auditors until a bundle is offered; on the way, what is answered before. */
async function holdRounds(): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    await runTogether(auditors);
    for (const auditor of auditors) await tend(auditor);
    const known = await claims();
    const pending = known.find(({ state }) => state === "pending");
    const code = pending && (await codeOf(`/v1/audit/claims/${pending.id}/bundle`));
    // None when the other auditor has finalized it since.
    if (code !== undefined) early.push(code);
    const confirmed = known.find(({ state }) => state === "confirmed");
    if (confirmed === undefined) continue;
    const text = await first().text(`/v1/audit/claims/${confirmed.id}/bundle`);
    const answer = JSON.parse(text) as EscalationBundle | ErrorJson;
    if ("error" in answer) {
      early.push(answer.error.code);
      continue;
    }
    expect(canonicalJson(answer)).toBe(text);
    bundle = answer;
    writeFileSync(path("bundle.json"), text);
    return;
  }
  throw new Error(`no bundle after ${ROUNDS} rounds: ${JSON.stringify(await claims())}`);
}

interface Said {
  readonly code: number;
  readonly output: string;
}

const floe = (...args: string[]): Promise<Said> =>
  command(["vote", "--network", path("network.json"), ...args]);

/** The command in this process, as `floe` runs it; errors become their line and code. */
async function command(args: string[]): Promise<Said> {
  const lines: string[] = [];
  const collect = (line: string): unknown => lines.push(`${line}\n`);
  const spies = [vi.spyOn(console, "log"), vi.spyOn(console, "error")];
  for (const spy of spies) spy.mockImplementation(collect);
  try {
    const code = await audit.run(args);
    return { code, output: lines.join("") };
  } catch (error) {
    if (!(error instanceof FloeError)) throw error;
    return { code: 1, output: `${lines.join("")}${error.message} [${error.code}]\n` };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
const nodeId = (name: string): ObjectId => {
  const found = system.network.file.nodes?.find((node) => node.name === name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found.nodeId;
};
function tampered(change: (bundle: Loose) => unknown): string {
  const copy = JSON.parse(readFileSync(path("bundle.json"), "utf8")) as Loose;
  change(copy);
  writeFileSync(path("tampered.json"), JSON.stringify(copy));
  return path("tampered.json");
}

async function votes(): Promise<readonly ObjectId[]> {
  const { sui, walrus } = system.network.file;
  const client = createSuiClient({ url: sui.url, fetch });
  if (walrus.slashingManagerId === undefined) throw new Error("the network names its slashing manager");
  const state = await readSlashingState(client, walrus.slashingManagerId);
  return (await readSlashingProposal(client, state, bundle.candidate))?.voters ?? [];
}

describe("the escalation bundle", () => {
  it("is refused before enough claims are confirmed, with the reason", () => {
    expect(early).toContain("CLAIM_NOT_CONFIRMED");
    expect(["CLAIM_NOT_CONFIRMED", "TOO_FEW_CLAIMS"]).toEqual(expect.arrayContaining(early));
  });

  it("names the lost node, bound claims of several rounds, and evidence under the reported roots", async () => {
    expect(bundle.candidate).toBe(nodeId("node-3"));
    expect(bundle.claims.every(({ isBound, state }) => isBound && state === "confirmed")).toBe(true);
    expect(bundle.claims.length).toBeGreaterThanOrEqual(P.confirmedForEscalation);
    expect(new Set(bundle.claims.map(({ round }) => round)).size).toBeGreaterThanOrEqual(
      P.roundsForEscalation,
    );
    expect(bundle.evidence.map(({ claim }) => claim)).toEqual(bundle.claims.map(({ id }) => id));
    expect(bundle.vote.voter).toBeNull();
    expect(await codeOf(`/v1/audit/claims/${bundle.claim}/refutation`)).toBe("CLAIM_OVER");
    expect(await codeOf(`/v1/audit/claims/${nodeId("node-0")}/bundle`)).toBe("CLAIM_NOT_FOUND");
    expect(await codeOf(`/v1/audit/claims/${bundle.claim}/bundle?voter=0x1`)).toBe("NOT_IN_COMMITTEE");
  });

  it("is counted in the metrics", async () => {
    const metrics = await first().text("/metrics");
    const confirmed = (await claims()).filter(({ state }) => state === "confirmed").length;
    expect(metrics).toContain(`floe_audit_claims{state="confirmed"} ${confirmed}\n`);
  });
});

/** Arguments of each `floe audit vote` in the docs, with the placeholders filled in. */
function documented(): string[][] {
  const { sui, walrus, audit: contracts } = system.network.file;
  const values: Record<string, string | undefined> = {
    "--bundle": path("bundle.json"),
    "--network": path("network.json"),
    "--key-file": path("node-0.key"),
    "--node": nodeId("node-0"),
    "--sui": sui.url,
    "--system": walrus.systemObjectId,
    "--staking": walrus.stakingObjectId,
    "--slashing-manager": walrus.slashingManagerId,
    "--package": contracts?.packageId,
    "--registry": contracts?.registryId,
    "--gate": contracts?.gatePackageId,
  };
  const text = readFileSync(join(ROOT, "docs/audit.md"), "utf8");
  return [...text.matchAll(/^npm run floe -- audit (vote .*)$/gm)].map(([, line = ""]) => {
    const words = line.split(" ");
    return words.map((word, i) => values[words[i - 1] ?? ""] ?? word);
  });
}

describe("floe audit vote", () => {
  it("works as documented, with and without a key", async () => {
    const commands = documented();
    expect(commands).toHaveLength(4);
    for (const args of commands.slice(0, 3))
      expect(await command(args), args.join(" ")).toMatchObject({ code: 0 });
    expect(await votes()).toEqual([]);
  });

  it("prints the vote that the auditor offers for this voter, unsigned, and casts nothing", async () => {
    const voter = nodeId("node-0");
    const { vote } = await first().get<EscalationBundle>(
      `/v1/audit/claims/${bundle.claim}/bundle?voter=${voter}`,
    );
    const { code, output } = await floe("--bundle", path("bundle.json"), "--node", voter);
    expect(output).toContain(`\n${vote.transactionKind}\n`);
    expect(code).toBe(0);
    const dry = await floe("--bundle", path("bundle.json"), "--key-file", path("node-0.key"), "--dry-run");
    expect(dry).toMatchObject({ code: 0, output: expect.stringContaining("nothing was sent") });
    expect(await votes()).toEqual([]);
  });

  it.each<[string, string, (bundle: Loose) => unknown]>([
    ["another candidate", "BUNDLE_DIFFERS", (b) => Object.assign(b, { candidate: nodeId("node-1") })],
    ["another draw", "BUNDLE_DIFFERS", (b) => Object.assign(b.claims[0] ?? {}, { shard: 99 })],
    ["another vote", "BUNDLE_DIFFERS", (b) => Object.assign(b.vote, { transactionKind: "AAAA" })],
    ["another record", "BUNDLE_DIFFERS", (b) => Object.assign(b.evidence[0] ?? {}, { leaf: "{}" })],
    ["another root", "BUNDLE_DIFFERS", (b) => Object.assign(b.evidence[0] ?? {}, { root: "00".repeat(32) })],
    [
      "other contracts",
      "BUNDLE_OF_ANOTHER_NETWORK",
      (b) => Object.assign(b.network, { auditPackageId: SOME_ID }),
    ],
    [
      "a claim that is not there",
      "CLAIM_NOT_FOUND",
      (b) => Object.assign(b.claims[0] ?? {}, { id: SOME_ID }),
    ],
    ["claims left out", "TOO_FEW_CLAIMS", (b) => b.claims.splice(1)],
    ["an error instead", "MALFORMED_BUNDLE", (b) => Object.assign(b, { error: { code: "X", message: "Y" } })],
  ])("refuses a bundle with %s", async (_what, code, change) => {
    const file = tampered(change);
    expect(await floe("--bundle", file, "--key-file", path("node-0.key"))).toMatchObject({
      code: 1,
      output: expect.stringContaining(`[${code}]`),
    });
    expect(await votes()).toEqual([]);
  });

  it("refuses a wallet that may not vote for the node, and repeats nothing of a broken key", async () => {
    const other = await floe(
      ...["--bundle", path("bundle.json"), "--node", nodeId("node-1"), "--key-file", path("node-0.key")],
    );
    expect(other).toMatchObject({ code: 1, output: expect.stringContaining("[NOT_AUTHORIZED]") });
    writeFileSync(path("broken.key"), "suiprivkey1secretsecret");
    const broken = await floe("--bundle", path("bundle.json"), "--key-file", path("broken.key"));
    expect(broken).toMatchObject({ code: 1, output: expect.stringContaining("[INVALID_KEY]") });
    expect(broken.output).not.toContain("secretsecret");
  });

  it("casts the vote beside its evidence though the reply is lost, and refuses a second one", async () => {
    system.network.setSuiFault({ kind: "lose-reply", count: 1 });
    // As a process of its own, the way an operator runs it.
    const args = documented().at(-1) ?? [];
    const { code, output } = await runScript("cli/main.ts", ["audit", ...args]);
    expect(output).toContain("voted: ");
    expect(output).not.toContain("suiprivkey");
    expect(code).toBe(0);
    expect(await votes()).toEqual([nodeId("node-0")]);
    const { sui } = system.network.file;
    const client = createSuiClient({ url: sui.url, fetch });
    const originalPackageId = bundle.network.auditPackageId;
    const page = await readAuditEventPage(client, {
      originalPackageId,
      kind: "Escalated",
      after: undefined,
      signal: AbortSignal.timeout(5_000),
    });
    const escalated = page.events.flatMap(({ event }) => (event.kind === "Escalated" ? event : []));
    expect(escalated.map(({ claim }) => claim)).toEqual(bundle.claims.map(({ id }) => id));
    expect(escalated[0]).toMatchObject({ node: bundle.candidate, voter_node: nodeId("node-0") });
    const again = await floe("--bundle", path("bundle.json"), "--key-file", path("node-0.key"));
    expect(again).toMatchObject({ code: 1, output: expect.stringContaining("[ALREADY_VOTED]") });
  });

  it("refuses it once the epoch is over", async () => {
    await system.network.advanceEpoch();
    expect(await floe("--bundle", path("bundle.json"), "--key-file", path("node-1.key"))).toMatchObject({
      code: 1,
      output: expect.stringContaining("[CLAIM_OF_ANOTHER_EPOCH]"),
    });
  });
});
