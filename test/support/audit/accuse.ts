/**
 * Auditors with keys of their own against nodes that confirm, report healthy, and lost slivers: rounds are held until
 * the published rule calls the nodes suspect and claims against them are confirmed on chain.
 */
import { expect } from "vitest";
import { type AuditChain, readOnlyAuditChain } from "../../../auditor/chain/audit-chain.ts";
import { SuiAuditChain } from "../../../auditor/chain/sui-audit-chain.ts";
import { systemClock } from "../../../host/clock.ts";
import type { Network } from "../../../localnet/network.ts";
import { AUDIT_PROFILES, type AuditParameters } from "../../../shared/audit/parameters.ts";
import { addTrial, newPossession, nodeState, possessionTest } from "../../../shared/audit/statistics.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import type { ObjectId } from "../../../shared/protocol/ids.ts";
import type { ClaimOnChain } from "../../../shared/sui/audit/reader.ts";
import { createSuiClient } from "../../../shared/sui/client/sui-client.ts";
import type { ChainReader } from "../../../shared/sui/walrus/chain-reader.ts";
import { type TestAuditor, testAuditor } from "./system.ts";

const TEST = possessionTest(AUDIT_PROFILES.local);

/** The network's clock, and the rules that go with its slots. */
export interface AuditTime {
  readonly clock: Clock;
  readonly parameters: AuditParameters;
}
const REAL_TIME: AuditTime = { clock: systemClock, parameters: AUDIT_PROFILES.local };

export interface ClaimJson {
  readonly id: string;
  readonly node: string;
  readonly role: string;
  readonly state: string;
}

/** @param position of the auditor in the network file */
export function chainWithKey(
  network: Network,
  position: number,
  chain: ChainReader,
  { clock, parameters } = REAL_TIME,
): AuditChain {
  const { audit, auditors, sui } = network.file;
  const secretKey = auditors?.[position]?.secretKey;
  if (audit === undefined || secretKey === undefined) throw new Error("the network has no such auditor");
  return new SuiAuditChain({
    client: createSuiClient({ url: sui.url, fetch }),
    contract: audit,
    secretKey,
    clock,
    fallback: readOnlyAuditChain(chain),
    log: () => {},
    periodMs: parameters.roundPeriodMs,
  });
}

export const auditorWithKey = (network: Network, position: number, time = REAL_TIME): TestAuditor =>
  testAuditor({
    network: network.file,
    ...time,
    auditChain: (chain) => chainWithKey(network, position, chain, time),
  });

export const claimsOf = async (auditor: TestAuditor): Promise<ClaimJson[]> =>
  (await auditor.get<{ claims: ClaimJson[] }>("/v1/audit/claims")).claims;
/** However long it takes: the budget in requests is what bounds it. */
export const tend = (auditor: TestAuditor): Promise<number | undefined> =>
  auditor.auditor.work({ untilMs: Number.MAX_SAFE_INTEGER, requests: 100 });

/** One round of all of them. */
export async function runTogether(auditors: readonly TestAuditor[]): Promise<void> {
  const fromMs = Math.max(...auditors.map(({ auditor }) => auditor.nextBeginMs()));
  await Promise.all(auditors.map((auditor) => auditor.run(fromMs)));
}

/** Claims that exist on chain. */
export async function allClaims({ claims }: AuditChain): Promise<readonly ClaimOnChain[]> {
  if (claims === undefined) throw new Error("this auditor has no key");
  const ids: ObjectId[] = [];
  for (let after: Uint8Array | undefined; ; ) {
    const page = await claims.filed(after);
    ids.push(...page.ids);
    after = page.cursor ?? after;
    if (!page.hasMore) return claims.read(ids);
  }
}

/**
 * Counted draws, in the order they count, until the published rule calls the node suspect; then anew from there.
 *
 * @returns one number per time it was called suspect
 */
function drawsUntilSuspect(auditor: TestAuditor, node: string): number[] {
  const runs: number[] = [];
  let state = newPossession();
  const verdicts = auditor.sql.exec(
    "SELECT outcome FROM verdict WHERE node = ? ORDER BY round, mode, shard, t",
    node,
  );
  for (const { outcome } of verdicts) {
    if (outcome !== "passed" && outcome !== "missing" && outcome !== "invalid") continue;
    state = addTrial(state, outcome !== "passed", TEST);
    if (nodeState(state, TEST, 0) !== "suspect") continue;
    runs.push(state.trials);
    state = newPossession();
  }
  return runs;
}

export interface Accusation {
  readonly network: Network;
  readonly time?: AuditTime;
  /** Names of the nodes; no other has lost anything. */
  readonly guilty: readonly string[];
  readonly fraction: number;
  readonly maxRounds: number;
  /** Times that each must have been called suspect. */
  readonly times: number;
}

/**
 * Two auditors hold rounds until each guilty node was called suspect often enough and a claim is confirmed; fails the
 * test when that does not come, or when anybody else is accused or loses its good state.
 *
 * @returns counted draws until suspect, all nodes and times together
 */
export async function accuse(accusation: Accusation): Promise<number[]> {
  const { network, time = REAL_TIME, guilty, fraction, maxRounds, times } = accusation;
  for (const name of guilty) network.setNodeFault(name, { kind: "drop-slivers", fraction, heal: false });
  const ids = guilty.map((name) => String(network.file.nodes?.find((node) => node.name === name)?.nodeId));
  const first = auditorWithKey(network, 0, time);
  const both = [first, auditorWithKey(network, 1, time)];
  const isConfirmed = async (): Promise<boolean> =>
    (await claimsOf(first)).some(({ state }) => state === "confirmed");
  const isOver = async (): Promise<boolean> =>
    ids.every((id) => drawsUntilSuspect(first, id).length >= times) && (await isConfirmed());
  for (let round = 0; round < maxRounds && !(await isOver()); round++) {
    await runTogether(both);
    // Each has seen its own round; now each looks at what the other filed.
    for (const auditor of both) await tend(auditor);
  }
  expect(await isConfirmed()).toBe(true);
  const claims = await claimsOf(first);
  expect(ids).toEqual(expect.arrayContaining([...new Set(claims.map(({ node }) => node))]));
  expect(claims.map(({ role }) => role)).toEqual(expect.arrayContaining(["accuser", "attestor"]));
  const onChain = await allClaims(chainWithKey(network, 0, first.chain, time));
  const confirmed = onChain.filter(({ state }) => state === "confirmed");
  expect(confirmed.length).toBeGreaterThan(0);
  for (const { attestors } of confirmed) expect(attestors.length).toBeGreaterThanOrEqual(2);
  // The state is that of the last round; a claim that was confirmed after it shows in the next.
  await first.run();
  const { nodes } = await first.get<{ nodes: { nodeId: string; state: string }[] }>("/v1/audit/nodes");
  const accused = claims.find(({ state }) => state === "confirmed")?.node;
  expect(nodes.find(({ nodeId }) => nodeId === accused)?.state).toBe("confirmed");
  for (const { nodeId, state } of nodes) if (!ids.includes(nodeId)) expect(state).toBe("healthy");
  return ids.flatMap((id) => drawsUntilSuspect(first, id));
}
