// If this fails, an accused node is not told how to answer, or a vote is offered on claims that carry none.
import { Transaction } from "@mysten/sui/transactions";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ClaimChain } from "../../../auditor/claims/claim-chain.ts";
import { answer } from "../../../auditor/face/routes.ts";
import { dropRefutations, keepRefutation } from "../../../auditor/ledger/claim-records.ts";
import { openLedger } from "../../../auditor/ledger/ledger-sql.ts";
import { NodeRecords } from "../../../auditor/ledger/node-records.ts";
import { Rounds } from "../../../auditor/ledger/rounds.ts";
import { PopulationLists } from "../../../auditor/population/population-tables.ts";
import { nodeLedger } from "../../../host/node-sqlite.ts";
import { AUDIT_PROFILES } from "../../../shared/audit/parameters.ts";
import type { Challenge } from "../../../shared/audit/selection.ts";
import type { Sql } from "../../../shared/base/sql.ts";
import { parseObjectId } from "../../../shared/protocol/ids.ts";
import type { SharedRef } from "../../../shared/sui/audit/contracts.ts";
import { escalationIdsOf } from "../../../shared/sui/audit/escalation.ts";
import { parseBundle } from "../../../shared/sui/audit/parse-bundle.ts";
import { attestTransaction, finalizeTransaction } from "../../../shared/sui/audit/transactions.ts";
import type { ChainReader } from "../../../shared/sui/walrus/chain-reader.ts";
import { readChainSnapshot } from "../../../shared/sui/walrus/chain-snapshot.ts";
import { AUDIT_PARAMS, AuditWorld } from "../../support/audit/world.ts";

const P = AUDIT_PROFILES.local;
let world: AuditWorld;
let sql: Sql;
let claim: SharedRef;
let challenge: Challenge;

beforeEach(async () => {
  world = await AuditWorld.open();
  await world.beginReported();
  const [good] = await world.claimable();
  if (good === undefined) throw new Error("the round has claimable draws");
  challenge = good;
  claim = await world.file(world.auditors[0], challenge);
  sql = nodeLedger();
  openLedger(sql);
  await note("pending");
});
afterEach(() => world.close());

/** Notes the claim in the ledger, as an auditor does that has looked at it. */
async function note(state: string): Promise<void> {
  const found = await world.claimState(claim);
  if (found === undefined) throw new Error("the claim is on chain");
  sql.exec(
    `INSERT OR REPLACE INTO claim (id, round, mode, shard, t, node, epoch, accuser, deadline_ms, role, state)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'watcher', ?)`,
    claim.objectId,
    found.round,
    found.mode,
    found.shard,
    found.t,
    found.node,
    found.epoch,
    found.accuser,
    found.deadlineMs,
    state,
  );
}

async function ask(path: string, options: { hasGate?: boolean; hasKey?: boolean } = {}) {
  const ids = world.standIn.networkIds;
  const { client } = world.network;
  const { clock } = world;
  const contract = { packageId: ids.auditPackageId, registryId: ids.auditRegistryId };
  const gatePackageId = options.hasGate === false ? undefined : ids.auditGatePackageId;
  const claimChain = new ClaimChain({
    client,
    // Of the chain's reader the routes need the snapshot alone.
    chain: { snapshot: () => readChainSnapshot(client, ids, clock.nowMs()) } as unknown as ChainReader,
    clock,
    parameters: P,
    contract,
    escalationIds: escalationIdsOf(ids, { ...contract, gatePackageId }),
    auditor: parseObjectId(world.auditors[1].toSuiAddress()),
  });
  const response = await answer(new Request(`http://auditor/v1/audit/claims/${path}`), {
    sql,
    rounds: new Rounds(sql),
    nodes: new NodeRecords(sql, P),
    lists: new PopulationLists(sql),
    parameters: P,
    ids,
    nowMs: clock.nowMs(),
    claimChain: options.hasKey === false ? undefined : claimChain,
  });
  const text = await response.text();
  // Tests read what the routes document.
  const json = JSON.parse(text) as {
    error?: { code: string };
    isOpen?: boolean;
    ask?: { symbol: string };
    arguments?: { symbol: string } | null;
    transactionKind?: string | null;
  };
  return { status: response.status, code: json.error?.code, json, text };
}
const refutation = () => ask(`${claim.objectId}/refutation`);

it("tells the accused what to ask, and the whole transaction once the symbol is in the ledger", async () => {
  const before = await refutation();
  expect(before.json).toMatchObject({ isOpen: true, arguments: null, transactionKind: null });
  expect(before.json.ask?.symbol).toContain(`/v1/blobs/${challenge.blobId}/recoverySymbols?id=`);
  keepRefutation(sql, claim.objectId, world.answer(challenge));
  const { json } = await refutation();
  if (json.transactionKind === null || json.transactionKind === undefined)
    throw new Error("it is ready made");
  const sent = await world.succeed(world.stranger, Transaction.fromKind(json.transactionKind));
  expect(sent.events.map(({ kind }) => kind)).toEqual(["ClaimRefuted"]);
  const { objects: coins } = await world.network.client.listCoins({ owner: world.stranger.toSuiAddress() });
  expect(coins.map(({ balance }) => BigInt(balance))).toContain(AUDIT_PARAMS.bondMist);
  expect(await refutation()).toMatchObject({ status: 404, code: "CLAIM_NOT_FOUND" });
  sql.exec("UPDATE claim SET state = 'gone'");
  dropRefutations(sql);
  expect(sql.exec("SELECT * FROM refutation")).toEqual([]);
});

it("offers no transaction past the deadline, and nothing for a claim that has ended", async () => {
  keepRefutation(sql, claim.objectId, world.answer(challenge));
  await world.clock.advance(AUDIT_PARAMS.windowMs + 1);
  expect((await refutation()).json).toMatchObject({ isOpen: false, transactionKind: null });
  await world.succeed(world.stranger, finalizeTransaction(world.contracts, claim));
  expect(await refutation()).toMatchObject({ status: 409, code: "CLAIM_OVER" });
});

it("offers a vote on nothing that is pending, lapsed, unbound or unknown", async () => {
  const bundle = `${claim.objectId}/bundle`;
  expect(await ask(bundle)).toMatchObject({ status: 409, code: "CLAIM_NOT_CONFIRMED" });
  await world.succeed(world.auditors[1], attestTransaction(world.contracts, claim));
  await world.clock.advance(AUDIT_PARAMS.windowMs + 1);
  await world.succeed(world.stranger, finalizeTransaction(world.contracts, claim));
  await note("confirmed");
  const unbound = await ask(bundle);
  expect(unbound).toMatchObject({ status: 409, code: "CLAIM_NOT_BOUND" });
  expect(() => parseBundle(unbound.text)).toThrow("the auditor answered CLAIM_NOT_BOUND");
  expect(await ask(bundle, { hasGate: false })).toMatchObject({ status: 409, code: "NOT_CONFIGURED" });
  expect(await ask(bundle, { hasKey: false })).toMatchObject({ status: 404, code: "NOT_FOUND" });
  expect(await ask(`${bundle}?voter=nobody`)).toMatchObject({ status: 400, code: "INVALID_REQUEST" });
  expect(await ask(`0x${"7".repeat(64)}/bundle`)).toMatchObject({ status: 404, code: "CLAIM_NOT_FOUND" });
  for (const path of ["nonsense/bundle", `${claim.objectId}/ballot`])
    expect(await ask(path)).toMatchObject({ status: 404, code: "NOT_FOUND" });
});

it("says that the chain cannot be read when it cannot, without what an endpoint said", async () => {
  world.standIn.setFault({ kind: "error", code: "UNAVAILABLE" });
  const answered = await refutation();
  expect(answered).toMatchObject({ status: 503, code: "SUI_UNREACHABLE" });
  expect(answered.text).not.toContain("injected");
});
