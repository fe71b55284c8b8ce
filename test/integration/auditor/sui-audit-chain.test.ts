// If this fails, an auditor stands still for good, takes a seed that is not its round's, or files claims in vain.
import { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import type { Transaction } from "@mysten/sui/transactions";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readOnlyAuditChain } from "../../../auditor/chain/audit-chain.ts";
import { SuiAuditChain } from "../../../auditor/chain/sui-audit-chain.ts";
import { listName } from "../../../auditor/population/population-tables.ts";
import { ownedAdminCap } from "../../../cli/audit/admin-cap.ts";
import { systemClock } from "../../../host/clock.ts";
import { type Network, startNetwork } from "../../../localnet/network.ts";
import { encodeCursor } from "../../../localnet/sui/rpc/list-service.ts";
import { AUDIT_PROFILES } from "../../../shared/audit/parameters.ts";
import { serializeEntry } from "../../../shared/audit/population.ts";
import type { DrawKey } from "../../../shared/audit/selection.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { type ObjectId, parseObjectId } from "../../../shared/protocol/ids.ts";
import { parseAuditEvent } from "../../../shared/sui/audit/events.ts";
import { findAuditEvent, findRoundOpened } from "../../../shared/sui/audit/find-events.ts";
import {
  createRegistryTransaction,
  setParamsTransaction,
  setPausedTransaction,
} from "../../../shared/sui/audit/panel-transactions.ts";
import { readRegistry, readRound } from "../../../shared/sui/audit/reader.ts";
import { openRoundTransaction } from "../../../shared/sui/audit/transactions.ts";
import { createSuiClient } from "../../../shared/sui/client/sui-client.ts";
import { buildChecked, sendOnce } from "../../../shared/sui/wallet/send-once.ts";
import { createWalletChain } from "../../../shared/sui/wallet/wallet-chain.ts";
import { suiChainReader } from "../../../shared/sui/walrus/chain-reader.ts";
import { auditorWithKey, chainWithKey } from "../../support/audit/accuse.ts";
import { testAuditor } from "../../support/audit/system.ts";
import { prng, type System, startSystem } from "../../support/system.ts";

const HOUR_MS = 3_600_000;
const P = AUDIT_PROFILES.local;

/** What the holder of the AdminCap does. */
function adminOf(network: Network) {
  const { audit, sui, wallet } = network.file;
  if (audit === undefined || wallet === undefined) throw new Error("the network has a panel and a wallet");
  const client = createSuiClient({ url: sui.url, fetch });
  const key = Ed25519Keypair.fromSecretKey(wallet.secretKey);
  const owner = parseObjectId(key.toSuiAddress());
  const chain = createWalletChain(client, [client]);
  const registry = () => readRegistry(client, audit);
  return {
    audit,
    client,
    registry,
    send: async (transaction: Transaction) =>
      sendOnce(chain, systemClock, await buildChecked(chain, transaction, owner), key),
    cap: async () => {
      const cap = await ownedAdminCap(client, owner, (await registry()).contracts.originalPackageId);
      if (cap === undefined) throw new Error("the wallet holds the AdminCap");
      return cap;
    },
  };
}

describe("an auditor", () => {
  let system: System;
  beforeAll(async () => {
    system = await startSystem({ seed: "sui-audit-chain", nodes: 4, shards: 13, refute: false });
    await system.publishBlob(prng(1, 60_000), "epochs=9&permanent=true");
    await system.network.advanceEpoch();
  }, 60_000);
  afterAll(() => system[Symbol.asyncDispose]());

  it("that is on no panel holds its rounds all the same, and reports none", async () => {
    const { network } = system;
    const { audit, sui } = network.file;
    if (audit === undefined) throw new Error("the network has a panel");
    const stranger = Ed25519Keypair.fromSecretKey(new Uint8Array(32).fill(7));
    await network.faucet(parseObjectId(stranger.toSuiAddress()), { suiMist: 10_000_000_000n });
    const auditor = testAuditor({
      network: network.file,
      auditChain: (chain) =>
        new SuiAuditChain({
          client: createSuiClient({ url: sui.url, fetch }),
          contract: audit,
          secretKey: stranger.getSecretKey(),
          clock: systemClock,
          log: () => {},
          fallback: readOnlyAuditChain(chain),
          periodMs: P.roundPeriodMs,
        }),
    });
    const rounds = [await auditor.run(), await auditor.run()];
    const closed = rounds.map((no) => auditor.auditor.rounds.round(no));
    expect(closed).toMatchObject([
      { state: "done", tx: null },
      { state: "done", tx: null },
    ]);
  }, 60_000);

  it("goes on with the claims that are still known after a time without any", async () => {
    const { network } = system;
    const { chain } = auditorWithKey(network, 0);
    const { claims } = chainWithKey(network, 0, chain);
    const longAgo = encodeCursor({ checkpoint: 0n, index: 0 });
    network.setSuiFault({ kind: "prune", before: await chain.tip() });
    try {
      expect(await claims?.filed(longAgo)).toEqual({ ids: [], cursor: undefined, hasMore: false });
    } finally {
      network.setSuiFault({ kind: "none" });
    }
  });

  it("files with the bond of the round, whatever the panel asks of later rounds", async () => {
    const { network } = system;
    const admin = adminOf(network);
    const auditor = auditorWithKey(network, 0);
    const chain = chainWithKey(network, 0, auditor.chain);
    // The population must stand on chain before the round that is claimed was opened, and that round on chain at all.
    await auditor.run();
    let no = await auditor.run();
    while (auditor.auditor.rounds.round(no)?.tx === null) no = await auditor.run();
    const { contracts, params } = await admin.registry();
    await admin.send(
      setParamsTransaction(contracts, await admin.cap(), { ...params, bondMist: params.bondMist * 2n }),
    );
    const [row] = auditor.sql.exec(
      "SELECT draw.* FROM verdict JOIN draw USING (round, mode, shard, t) WHERE round = ? AND mode = 0 AND outcome = 'passed' LIMIT 1",
      no,
    );
    if (row === undefined) throw new Error("a draw passed");
    const population = auditor.auditor.lists.index(listName("permanent", 2));
    const leaf = Number(row["leaf"]);
    const isFiled = await chain.claims?.file({
      round: no,
      draw: { mode: 0, shard: row["shard"], t: row["t"] } as DrawKey,
      node: String(row["node"]) as ObjectId,
      index: leaf,
      entry: serializeEntry(population.leafAt(leaf)),
      path: population.path(leaf),
      confirmation: undefined,
    });
    expect(isFiled).toBe(true);
  }, 60_000);
});

describe("the seed of a round", () => {
  let network: Network;
  beforeAll(async () => {
    // A slot that no test outlives by being slow.
    network = await startNetwork({
      seed: "seed-of-a-round",
      nodes: 4,
      auditParams: { periodMs: HOUR_MS, windowMs: HOUR_MS },
    });
  });
  afterAll(() => network.close());

  const chainAt = (clock: Clock) => {
    const { audit, auditors, sui, walrus } = network.file;
    const secretKey = auditors?.[0]?.secretKey;
    if (audit === undefined || secretKey === undefined) throw new Error("the network has an auditor");
    const client = createSuiClient({ url: sui.url, fetch });
    const fallback = readOnlyAuditChain(suiChainReader(client, walrus, systemClock));
    const log = (): void => {};
    return new SuiAuditChain({ client, contract: audit, secretKey, clock, log, fallback, periodMs: HOUR_MS });
  };
  const slot = (): number => Math.floor(Date.now() / HOUR_MS);

  it("is drawn while the chain says there is time, though the auditor's own clock is ahead", async () => {
    const ahead = { ...systemClock, nowMs: () => Date.now() + 2 * HOUR_MS, sleep: systemClock.sleep };
    for (let seed: { source: string } | undefined; seed?.source !== "open_round"; ) {
      const no = slot();
      seed = await chainAt(ahead).seedOf(no, no * HOUR_MS);
      // Unless the hour ended in between, which it can do once.
      if (slot() === no) expect(seed).toMatchObject({ source: "open_round" });
    }
  });

  it("is the one that the auditor's own registry holds, whatever others of the same package drew", async () => {
    const { audit, client, cap, registry, send } = adminOf(network);
    const { params } = await registry();
    const executed = await send(createRegistryTransaction(audit.packageId, await cap(), params));
    const created = executed.events
      .map(({ type, contents }) => parseAuditEvent(type, contents, audit.packageId))
      .find((event) => event?.kind === "RegistryCreated");
    if (created?.kind !== "RegistryCreated") throw new Error("a registry was created");
    const other = await readRegistry(client, {
      packageId: audit.packageId,
      registryId: parseObjectId(created.registry),
    });
    const chain = chainAt(systemClock);
    for (let isCompared = false; !isCompared; ) {
      const no = slot();
      await chain.seedOf(no, no * HOUR_MS);
      if (slot() !== no) continue;
      await send(openRoundTransaction(other.contracts, no));
      const [own, another] = [
        await readRound(client, await registry(), no),
        await readRound(client, other, no),
      ];
      const seed = await chain.seedOf(no, no * HOUR_MS);
      expect(seed?.seed).toEqual(own?.seed);
      expect(seed?.seed).not.toEqual(another?.seed);
      // Also when the round was pruned, and only the event still says what was drawn.
      const opened = await findRoundOpened(client, await registry(), no, no * HOUR_MS, undefined);
      expect(opened?.event.seed).toEqual(own?.seed);
      isCompared = true;
    }
  });

  it("is found however many events came after it", async () => {
    const { client, cap, registry, send } = adminOf(network);
    const { contracts } = await registry();
    for (let i = 0; i < 60; i++) await send(setPausedTransaction(contracts, await cap(), i % 2 === 0));
    const oldest = await findAuditEvent(client, { contracts }, "RegistryCreated", () => true);
    const changes: boolean[] = [];
    await findAuditEvent(client, { contracts }, "ParamsChanged", ({ paused }) => {
      changes.push(paused);
      return false;
    });
    expect(oldest?.event.kind).toBe("RegistryCreated");
    // Newest first, each once.
    expect(changes).toEqual(Array.from({ length: 60 }, (_, i) => i % 2 === 1));
  }, 30_000);
});
