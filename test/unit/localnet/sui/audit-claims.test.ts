// If this fails, an auditor or a node that is right on the embedded network is wrong on the real contract, or the reverse.
import { Transaction, type TransactionArgument } from "@mysten/sui/transactions";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Challenge } from "../../../../shared/audit/selection.ts";
import { concatBytes, fromBase64 } from "../../../../shared/base/bytes.ts";
import { parseObjectId } from "../../../../shared/protocol/ids.ts";
import type { SharedRef } from "../../../../shared/sui/audit/contracts.ts";
import {
  deactivateAuditorsTransaction,
  setPausedTransaction,
} from "../../../../shared/sui/audit/panel-transactions.ts";
import {
  readDeclaredPopulation,
  readOpenClaims,
  readReport,
  readRound,
} from "../../../../shared/sui/audit/reader.ts";
import { readSlashingProposal, readSlashingState } from "../../../../shared/sui/audit/slashing.ts";
import {
  attestTransaction,
  bindTransaction,
  type ClaimToFile,
  fileClaimTransaction,
  finalizeTransaction,
  prunePopulationTransaction,
  pruneRoundTransaction,
  purgeClaimTransaction,
  refuteTransaction,
  voteTransaction,
  withdrawTransaction,
} from "../../../../shared/sui/audit/transactions.ts";
import { AUDIT_PARAMS, AuditWorld, EPOCH, EXPIRING_LENGTH, ROUND } from "../../../support/audit/world.ts";
import { testWallet } from "../../../support/sui/network.ts";

let world: AuditWorld;
let good: Challenge[];
let first: Challenge;
const BOND = AUDIT_PARAMS.bondMist;
const addressOf = (key: { toSuiAddress(): string }) => parseObjectId(key.toSuiAddress());

beforeEach(async () => {
  world = await AuditWorld.open({ governance: addressOf(testWallet("operator")) });
  await world.beginReported();
  good = await world.claimable();
  const [challenge] = good;
  if (challenge === undefined) throw new Error("the round has claimable draws");
  first = challenge;
});
afterEach(() => world.close());

const refuting = (
  claim: SharedRef,
  challenge: Challenge,
  change: Partial<ReturnType<AuditWorld["answer"]>> = {},
) =>
  refuteTransaction(
    world.contracts,
    claim,
    { ...world.answer(challenge), ...change },
    addressOf(world.stranger),
  );

describe("the life of a claim", () => {
  it("filed, attested and past its deadline it is confirmed; the bond returns, nobody gains", async () => {
    const [a, b] = world.auditors;
    const before = await world.balance(a);
    const claim = await world.file(a, first, { confirmation: new Uint8Array(136).fill(1) });
    expect(before - (await world.balance(a))).toBeGreaterThan(BOND);
    expect(await world.claimState(claim)).toMatchObject({
      state: "pending",
      blobId: first.blobId,
      pair: first.pair,
      axis: first.axis,
      symbol: first.symbol,
      bondMist: BOND,
      attestors: [addressOf(a)],
    });
    expect(
      await readOpenClaims(world.network.client, await world.registry(), world.nodeOf(first.shard)),
    ).toBe(1);
    await world.succeed(b, attestTransaction(world.contracts, claim));
    await world.clock.advance(AUDIT_PARAMS.windowMs + 1);
    const ended = await world.succeed(world.stranger, finalizeTransaction(world.contracts, claim));
    expect(ended.events).toMatchObject([
      {
        kind: "ClaimConfirmed",
        claim: claim.objectId,
        attestors: [addressOf(a), addressOf(b)],
        bound: false,
      },
    ]);
    expect(await world.claimState(claim)).toMatchObject({ state: "confirmed", bondMist: 0n });
    expect(
      await readOpenClaims(world.network.client, await world.registry(), world.nodeOf(first.shard)),
    ).toBe(0);
    const { coins } = { coins: await world.network.client.listCoins({ owner: a.toSuiAddress() }) };
    expect(coins.objects.map(({ balance }) => BigInt(balance))).toContain(BOND);
  });

  it("without a quorum it lapses; an auditor that was deactivated does not count", async () => {
    const [a, b] = world.auditors;
    const claim = await world.file(a, first);
    await world.succeed(b, attestTransaction(world.contracts, claim));
    await world.succeed(
      world.admin,
      deactivateAuditorsTransaction(world.contracts, world.cap, [addressOf(b)]),
    );
    await world.clock.advance(AUDIT_PARAMS.windowMs + 1);
    const ended = await world.succeed(world.stranger, finalizeTransaction(world.contracts, claim));
    expect(ended.events.map(({ kind }) => kind)).toEqual(["ClaimLapsed"]);
  });

  it("anybody who shows the symbol ends it and takes the whole bond; the accuser's record shows it", async () => {
    const [a] = world.auditors;
    for (const challenge of [first, good.find((each) => each.axis !== first.axis) ?? first]) {
      const claim = await world.file(a, challenge);
      await world.clock.advance(7);
      const refuted = await world.succeed(world.stranger, refuting(claim, challenge));
      expect(refuted.events).toEqual([
        {
          kind: "ClaimRefuted",
          claim: claim.objectId,
          node: world.nodeOf(challenge.shard),
          by: addressOf(world.stranger),
          latency_ms: 7n,
        },
      ]);
      expect(refuted.changes.find(({ id }) => id === claim.objectId)?.isDeleted).toBe(true);
      expect(await world.claimState(claim)).toBeUndefined();
    }
    const { objects } = await world.network.client.listCoins({ owner: world.stranger.toSuiAddress() });
    expect(objects.filter(({ balance }) => BigInt(balance) === BOND)).toHaveLength(2);
    expect((await world.registry()).auditors[0]).toMatchObject({ claimsFiled: 2, claimsRefuted: 2 });
  });

  it("the accuser takes it back while alone, and may not claim that draw again", async () => {
    const [a, b] = world.auditors;
    const claim = await world.file(a, first);
    const back = withdrawTransaction(world.contracts, claim, addressOf(a));
    expect((await world.send(b, withdrawTransaction(world.contracts, claim, addressOf(b)))).failure).toBe(
      "audit 10",
    );
    expect((await world.succeed(a, back)).events.map(({ kind }) => kind)).toEqual(["ClaimWithdrawn"]);
    const again = fileClaimTransaction(world.contracts, world.claim(first));
    expect((await world.send(a, again)).failure).toBe("audit 19");
    const others = await world.file(b, first);
    await world.succeed(a, attestTransaction(world.contracts, others));
    expect((await world.send(b, withdrawTransaction(world.contracts, others, addressOf(b)))).failure).toBe(
      "audit 18",
    );
  });

  it("pausing stops new claims, never their end", async () => {
    const [a, b] = world.auditors;
    const claim = await world.file(a, first);
    await world.succeed(world.admin, setPausedTransaction(world.contracts, world.cap, true));
    const refused = await world.send(b, fileClaimTransaction(world.contracts, world.claim(first)));
    expect(refused.failure).toBe("audit 24");
    await world.succeed(world.stranger, refuting(claim, first));
  });

  it("bound to the committee it says so; another node's shard or another epoch does not bind", async () => {
    const [a] = world.auditors;
    const { stakingObjectId, auditGatePackageId } = world.standIn.networkIds;
    const staking = { objectId: stakingObjectId, initialSharedVersion: 1n };
    const bind = (claim: SharedRef): Transaction =>
      bindTransaction(world.contracts, auditGatePackageId, claim, staking);
    const claim = await world.file(a, first);
    const bound = await world.succeed(world.stranger, bind(claim));
    expect(bound.events).toMatchObject([{ kind: "ClaimBound", shard: first.shard, epoch: EPOCH }]);
    expect(await world.claimState(claim)).toMatchObject({ isBound: true });
    const [, second = first] = good;
    const wrong = await world.file(a, second, { node: world.nodeOf((second.shard + 1) % 13) });
    expect((await world.send(world.stranger, bind(wrong))).failure).toBe("gate 2");
    world.standIn.advanceEpoch();
    expect((await world.send(world.stranger, bind(claim))).failure).toBe("gate 1");
  });

  it("rounds, populations and ended claims go when their retention is over, not before", async () => {
    const [a] = world.auditors;
    const claim = await world.file(a, first);
    await world.clock.advance(AUDIT_PARAMS.windowMs + 1);
    const purge = (): Transaction => purgeClaimTransaction(world.contracts, claim);
    const prune = (): Transaction => pruneRoundTransaction(world.contracts, ROUND);
    const prunePopulation = (): Transaction => prunePopulationTransaction(world.contracts, EPOCH);
    expect((await world.send(a, purge())).failure).toBe("audit 18");
    await world.succeed(a, finalizeTransaction(world.contracts, claim));
    for (const early of [purge, prune, prunePopulation]) {
      expect((await world.send(a, early())).failure).toBe("audit 12");
    }
    await world.clock.advance((AUDIT_PARAMS.retentionRounds + 1) * AUDIT_PARAMS.periodMs);
    await world.succeed(world.stranger, prune());
    await world.succeed(world.stranger, prunePopulation());
    await world.succeed(world.stranger, purge());
    const registry = await world.registry();
    const { client } = world.network;
    expect(await readRound(client, registry, ROUND)).toBeUndefined();
    expect(await readDeclaredPopulation(client, registry, EPOCH, addressOf(a))).toBeUndefined();
    expect(await world.claimState(claim)).toBeUndefined();
    expect((await world.send(a, prune())).failure).toBe("audit 13");
    expect((await world.send(a, prunePopulation())).failure).toBe("audit 20");
  });
});

describe("filing", () => {
  const filing = (changes: Partial<ClaimToFile>, challenge = first): Transaction =>
    fileClaimTransaction(world.contracts, world.claim(challenge, changes));

  it("refuses whatever is not the draw of a reported round, each with its code", async () => {
    const [a] = world.auditors;
    const other = good.find(({ blobId }) => blobId !== first.blobId) ?? first;
    const foreign = world.claim(other);
    const entry = world.claim(first).entry.slice();
    entry[41] = 99;
    const rows: readonly (readonly [string, Transaction])[] = [
      ["audit 14", filing({ bondMist: BOND + 1n })],
      ["audit 13", filing({ round: ROUND + 1 })],
      ["audit 16", filing({ draw: { ...first, t: AUDIT_PARAMS.drawsPerShard } })],
      ["audit 16", filing({ draw: { ...first, shard: 13 as never } })],
      ["audit 16", filing({ draw: { ...first, mode: 2 } })],
      ["audit 20", filing({ entry })],
      ["audit 20", filing({ index: (first.leaf + 1) % world.population.size })],
      ["proof 2", filing({ index: world.population.size })],
      ["proof 1", filing({ path: world.population.path(first.leaf).slice(1) })],
      ["proof 4", filing({ path: world.population.path(first.leaf).map((each) => each.subarray(1)) })],
      ["select 16", filing({ index: foreign.index, entry: foreign.entry, path: foreign.path })],
      ["audit 28", filing({ confirmation: new Uint8Array(135) })],
    ];
    for (const [abort, transaction] of rows) expect((await world.send(a, transaction)).failure).toBe(abort);
    expect((await world.send(world.stranger, filing({}))).failure).toBe("audit 10");
  });

  it("refuses padding, blobs about to end, and more than the caps", async () => {
    const [a] = world.auditors;
    const all = await world.challenges();
    const vacuous = all.find((each) => each.isVacuous && each.endEpoch >= EPOCH + 2);
    const expiring = all.find((each) => !each.isVacuous && each.unencodedLength === EXPIRING_LENGTH);
    if (vacuous === undefined || expiring === undefined) throw new Error("the seed draws both");
    expect((await world.send(a, filing({}, vacuous))).failure).toBe("audit 21");
    expect((await world.send(a, filing({}, expiring))).failure).toBe("audit 22");
    const node = world.nodeOf(0);
    for (const challenge of good.slice(0, AUDIT_PARAMS.maxOpenPerNode)) {
      await world.file(a, challenge, { node });
    }
    const fourth = good[AUDIT_PARAMS.maxOpenPerNode] ?? first;
    expect((await world.send(a, filing({ node }, fourth))).failure).toBe("audit 23");
    for (const challenge of good.slice(3, AUDIT_PARAMS.maxPerAuditorEpoch)) {
      await world.file(a, challenge, { node: world.nodeOf(1) });
    }
    const sixth = good[AUDIT_PARAMS.maxPerAuditorEpoch] ?? first;
    expect((await world.send(a, filing({ node: world.nodeOf(2) }, sixth))).failure).toBe("audit 23");
    const report = await readReport(
      world.network.client,
      (await readRound(world.network.client, await world.registry(), ROUND)) ?? { reportsTable: node },
      addressOf(a),
    );
    expect(report?.claimed).toHaveLength(AUDIT_PARAMS.maxPerAuditorEpoch);
  });

  it("refuses an auditor without report, and a round too old for its deadline", async () => {
    const late = testWallet("late auditor");
    await world.fund(late);
    world.addAuditor(late);
    expect((await world.send(late, filing({}))).failure).toBe("audit 27");
    await world.clock.advance(AUDIT_PARAMS.retentionRounds * AUDIT_PARAMS.periodMs);
    expect((await world.send(world.auditors[0], filing({}))).failure).toBe("audit 26");
  });
});

describe("attesting and refuting", () => {
  it("takes a second auditor's own report and population, once, before the deadline", async () => {
    const [a, b] = world.auditors;
    const claim = await world.file(a, first);
    const attest = (): Transaction => attestTransaction(world.contracts, claim);
    expect((await world.send(world.stranger, attest())).failure).toBe("audit 10");
    expect((await world.send(a, attest())).failure).toBe("audit 19");
    await world.succeed(b, attest());
    expect((await world.send(b, attest())).failure).toBe("audit 19");
    const late = testWallet("late auditor");
    await world.fund(late);
    world.addAuditor(late);
    expect((await world.send(late, attest())).failure).toBe("audit 27");
    await world.clock.advance(AUDIT_PARAMS.windowMs);
    await world.succeed(world.auditors[2], attest());
    expect((await world.send(a, finalizeTransaction(world.contracts, claim))).failure).toBe("audit 15");
    await world.clock.advance(1);
    expect((await world.send(late, attest())).failure).toBe("audit 15");
    expect((await world.send(world.stranger, refuting(claim, first))).failure).toBe("audit 15");
    await world.succeed(a, finalizeTransaction(world.contracts, claim));
    expect((await world.send(late, attest())).failure).toBe("audit 18");
    expect((await world.send(world.stranger, refuting(claim, first))).failure).toBe("audit 18");
    expect((await world.send(a, finalizeTransaction(world.contracts, claim))).failure).toBe("audit 18");
  });

  it("refuses proofs that are malformed or prove something else", async () => {
    const claim = await world.file(world.auditors[0], first);
    const { prefixedSymbol, sliverPath, otherRoot, pairPath } = world.answer(first);
    const flipped = prefixedSymbol.slice();
    flipped[1] = (flipped[1] ?? 0) ^ 1;
    const prefixed = prefixedSymbol.slice();
    prefixed[0] = 1;
    const rows = [
      ["audit 17", { prefixedSymbol: flipped }],
      ["audit 17", { otherRoot: new Uint8Array(32) }],
      ["proof 5", { prefixedSymbol: prefixed }],
      ["proof 6", { prefixedSymbol: prefixedSymbol.subarray(0, prefixedSymbol.length - 1) }],
      ["proof 4", { otherRoot: otherRoot.subarray(1) }],
      ["proof 1", { sliverPath: sliverPath.slice(1) }],
      ["proof 1", { pairPath: [...pairPath, otherRoot] }],
    ] as const;
    for (const [abort, change] of rows) {
      expect((await world.send(world.stranger, refuting(claim, first, change))).failure).toBe(abort);
    }
    await world.succeed(world.stranger, refuting(claim, first));
  });

  it("puts a symbol together in the order of its chunks", async () => {
    const claim = await world.file(world.auditors[0], first);
    const answer = world.answer(first);
    const { prefixedSymbol } = answer;
    const middle = Math.ceil(prefixedSymbol.length / 2);
    const halves = [prefixedSymbol.subarray(0, middle), prefixedSymbol.subarray(middle)] as const;
    for (const [failure, order] of [
      ["proof 5", [halves[1], halves[0]]],
      [undefined, halves],
    ] as const) {
      const transaction = inChunks(claim, answer, order);
      expect((await world.send(world.stranger, transaction)).failure).toBe(failure);
    }
  });

  it("sends a symbol above one argument in as many as it needs", () => {
    const claim = { objectId: world.nodeOf(0), initialSharedVersion: 1n };
    const prefixedSymbol = Uint8Array.from({ length: 40_000 }, (_, i) => i);
    const { commands, inputs } = refuting(claim, first, { prefixedSymbol }).getData();
    const names = commands.map((each) => each.MoveCall?.function ?? each.$kind);
    expect(names).toEqual(["symbol_buf", "push", "push", "into_symbol", "refute", "TransferObjects"]);
    const chunks = commands.slice(0, 3).map(({ MoveCall: call }) => {
      const argument = call?.arguments.at(-1);
      const input = argument?.$kind === "Input" ? inputs[argument.Input]?.Pure?.bytes : undefined;
      const bytes = fromBase64(input ?? "");
      expect(bytes.length).toBeLessThanOrEqual(16 * 1024);
      // Behind the two bytes of its length.
      return bytes.subarray(2);
    });
    expect(concatBytes(...chunks)).toEqual(prefixedSymbol);
  });
});

/** A refutation whose symbol comes in these pieces. */
function inChunks(
  claim: SharedRef,
  answer: ReturnType<AuditWorld["answer"]>,
  chunks: readonly Uint8Array[],
): Transaction {
  const whole = refuteTransaction(world.contracts, claim, answer, addressOf(world.stranger)).getData();
  const tx = new Transaction();
  const call = (name: string, values: TransactionArgument[]) =>
    tx.moveCall({ target: `${world.contracts.packageId}::audit::${name}`, arguments: values });
  const [firstChunk = new Uint8Array(), ...rest] = chunks;
  const buffer = call("symbol_buf", [tx.pure.vector("u8", [...firstChunk])]);
  for (const chunk of rest) call("push", [buffer, tx.pure.vector("u8", [...chunk])]);
  const symbol = call("into_symbol", [buffer]);
  // Its other arguments are those of the whole transaction, in their order.
  const shared = (position: number, mutable: boolean) => {
    const object = whole.inputs[position]?.Object?.SharedObject;
    if (object === undefined) throw new Error(`input ${position} is a shared object`);
    return tx.sharedObjectRef({ ...object, mutable });
  };
  const pure = (position: number) => tx.pure(fromBase64(whole.inputs[position]?.Pure?.bytes ?? ""));
  const bond = call("refute", [
    shared(0, true),
    shared(1, true),
    symbol,
    pure(3),
    pure(4),
    pure(5),
    shared(6, false),
  ]);
  tx.transferObjects([bond], world.stranger.toSuiAddress());
  return tx;
}

describe("a vote", () => {
  it("stands in one transaction with its evidence, weighs the voter's shards, counts once", async () => {
    const [a, b] = world.auditors;
    const claim = await world.file(a, first);
    await world.succeed(b, attestTransaction(world.contracts, claim));
    const operator = testWallet("operator");
    await world.fund(operator);
    const ids = world.standIn.networkIds;
    const { client, nodes } = world.network;
    const state = await readSlashingState(client, ids.slashingManagerId);
    const slashing = {
      walrusPackageId: ids.packageId,
      slashingManager: state.manager,
      staking: { objectId: ids.stakingObjectId, initialSharedVersion: 1n },
    };
    const candidate = world.nodeOf(first.shard);
    const voter = nodes.find(({ nodeId }) => nodeId !== candidate);
    if (voter === undefined) throw new Error("there are other nodes");
    const vote = (): Transaction =>
      voteTransaction(world.contracts, slashing, { voter: voter.nodeId, candidate }, [claim]);
    expect((await world.send(operator, vote())).failure).toBe("audit 18");
    await world.clock.advance(AUDIT_PARAMS.windowMs + 1);
    await world.succeed(a, finalizeTransaction(world.contracts, claim));
    expect((await world.send(world.stranger, vote())).failure).toBe("slashing 0");
    const sent = await world.succeed(operator, vote());
    expect(sent.events).toMatchObject([
      { kind: "Escalated", claim: claim.objectId, node: candidate, voter_node: voter.nodeId },
    ]);
    expect(await readSlashingProposal(client, state, candidate)).toEqual({
      epoch: EPOCH,
      candidate,
      votingWeight: voter.shards.length,
      voters: [voter.nodeId],
    });
    expect((await world.send(operator, vote())).failure).toBe("slashing 1");
    world.standIn.advanceEpoch();
    await world.succeed(operator, vote());
    expect(await readSlashingProposal(client, state, candidate)).toMatchObject({
      epoch: EPOCH + 1,
      voters: [voter.nodeId],
    });
  });
});
