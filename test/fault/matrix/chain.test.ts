// If this fails, a full node that errs, lags or loses answers makes uploads pay twice or claim what is not on chain.

import { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import { Transaction } from "@mysten/sui/transactions";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { parseObjectId } from "../../../shared/protocol/ids.ts";
import { FaultSystem } from "../../support/edge/fault-system.ts";
import { StateChecker } from "../../support/edge/state-checker.ts";
import { suiClient } from "../../support/sui/chain.ts";
import { SUI_FAULTS, type SuiFaultName, withheldTransactions } from "../../support/sui/fault-sui.ts";
import { prng } from "../../support/system.ts";
import { OutcomeTable } from "./outcomes.ts";

const LONG = process.env["FLOE_LONG"] === "1";
const EPOCHS = 3;

let system: FaultSystem;
let checker: StateChecker;
const table = new OutcomeTable();
let seed = 2000;

beforeAll(async () => {
  system = await FaultSystem.start({ nodes: 4, shards: 4, seed: "chain" });
  checker = await StateChecker.create(system);
});
afterEach(() => {
  system.sui.heal();
  system.failPoints.disarm();
  system.network.setSuiFault({ kind: "none" });
});
afterAll(async () => {
  console.log(table.toString());
  await system[Symbol.asyncDispose]();
});

/** Publishes until 200, healing before the second try, and checks the state. @returns the statuses */
async function publishThrough(row: string, step: string, fault: string): Promise<number[]> {
  const content = prng(seed++, 300);
  const startMs = performance.now();
  const statuses: number[] = [];
  for (let attempt = 0; attempt < 2 && statuses.at(-1) !== 200; attempt++) {
    if (attempt === 1) system.sui.heal();
    const response = await system.publish(content, `epochs=${EPOCHS}`);
    const text = await response.text();
    if (response.status !== 200) expectTyped(response.status, text);
    statuses.push(response.status);
  }
  const recoveryMs = performance.now() - startMs;
  table.add({ row, step, fault, outcome: statuses.join(", then "), recoveryMs });
  expect(statuses.at(-1)).toBe(200);
  expect(await checker.violations({ content, epochs: EPOCHS, deletable: true })).toEqual([]);
  return statuses;
}

function expectTyped(status: number, text: string): void {
  const { error } = JSON.parse(text) as {
    error: { status: string; code: number; details: { reason: string }[] };
  };
  expect(error.code).toBe(status);
  expect(error.details[0]?.reason).toMatch(/^[A-Z_]+$/);
  expect(text).not.toMatch(/suiprivkey|\.ts:|at async/);
}

/** Every method that publishing calls while nothing fails. The first ones make the snapshot, which is then reused. */
const SNAPSHOT_METHODS = ["BatchGetObjects", "GetFunction"];
const METHODS = [
  ...SNAPSHOT_METHODS,
  "GetEpoch",
  "GetBalance",
  "ListOwnedObjects",
  "SimulateTransaction",
  "ExecuteTransaction",
];

it("C1: publishing calls the methods listed here and no other", async () => {
  await publishThrough("C1", "-", "none");
  expect([...system.sui.calls.keys()].sort()).toEqual([...METHODS].sort());
});

describe("C1 C2: one failed call of a full node is repeated, and nothing is paid twice", () => {
  const names = Object.keys(SUI_FAULTS) as SuiFaultName[];
  const few: SuiFaultName[] = ["UNAVAILABLE", "a truncated reply"];
  const cases = METHODS.flatMap((method) =>
    (LONG || method === "ExecuteTransaction" ? names : few).map((fault) => ({ method, fault })),
  );
  it.each(cases)("$method once with $fault", async ({ method, fault }) => {
    if (SNAPSHOT_METHODS.includes(method)) {
      await system.kill();
      await system.revive();
    }
    system.sui.fail(SUI_FAULTS[fault], { methods: [method], count: 1 });
    const statuses = await publishThrough("C1", method, fault);
    expect(system.sui.met).toBe(1);
    // An endpoint that refuses by a status of its own may be right: the client is told, once and typed.
    const isRefusal = SNAPSHOT_METHODS.includes(method) && ["INTERNAL", "NOT_FOUND"].includes(fault);
    expect(statuses).toEqual(isRefusal ? [503, 200] : [200]);
  });
});

describe("C2: a transaction whose outcome is unknown is the only one", () => {
  const lost: SuiFaultName[] = LONG
    ? ["UNAVAILABLE", "a lost reply", "a truncated reply", "HTTP 200 with HTML"]
    : ["UNAVAILABLE", "a lost reply"];
  it.each(lost)("while four sendings in a row end with %s", async (fault) => {
    system.sui.fail(SUI_FAULTS[fault], { methods: ["ExecuteTransaction"], count: 4 });
    expect(await publishThrough("C2", "ExecuteTransaction x4", fault)).toEqual([200]);
    expect(system.sui.met).toBeGreaterThanOrEqual(fault === "UNAVAILABLE" ? 4 : 1);
  });

  const WITHHELD_MS = LONG ? 60_000 : 4_000;
  it(`while full nodes say "not found" for ${WITHHELD_MS / 1000} s before it lands`, async () => {
    const withheld = withheldTransactions();
    system.sui.fail(withheld.rule, { methods: ["ExecuteTransaction"] });
    const landed = sleep(WITHHELD_MS).then(async () => {
      system.sui.heal();
      await withheld.land();
    });
    const content = prng(seed++, 300);
    const startMs = performance.now();
    const statuses: number[] = [];
    // The wallet asks for patience (503) when it has waited long enough for one request.
    while (statuses.at(-1) !== 200 && performance.now() - startMs < 2 * WITHHELD_MS + 60_000) {
      const response = await system.publish(content, `epochs=${EPOCHS}`);
      const text = await response.text();
      if (response.status !== 200) expectTyped(response.status, text);
      statuses.push(response.status);
      if (response.status !== 200) await sleep(1_000);
    }
    const recoveryMs = performance.now() - startMs;
    const fault = `not found for ${WITHHELD_MS} ms`;
    table.add({ row: "C2", step: "ExecuteTransaction", fault, outcome: statuses.join(", "), recoveryMs });
    expect(statuses.at(-1)).toBe(200);
    await landed;
    expect(await checker.violations({ content, epochs: EPOCHS, deletable: true })).toEqual([]);
  }, 300_000);

  it("while reads trail the tip", async () => {
    system.network.setSuiFault({ kind: "lag", checkpoints: 3 });
    const caughtUp = sleep(1_500).then(() => system.network.setSuiFault({ kind: "none" }));
    await publishThrough("C1", "reads", "lag of 3 checkpoints");
    await caughtUp;
  });

  it("while the network is congested", async () => {
    system.network.setSuiFault({ kind: "congestion", count: 2 });
    expect(await publishThrough("C2", "consensus", "congestion x2")).toEqual([200]);
  });

  it("unless somebody else uses up its gas coin: then another takes its place and pays once", async () => {
    const stolen = system.failPoints.arm("wallet.after-persist", async () => {
      await spendGasCoin(system);
      return true;
    });
    expect(await publishThrough("C2", "wallet.after-persist", "gas coin used up elsewhere")).toEqual([200]);
    await stolen;
  });
});

describe("C2: a wallet that cannot pay", () => {
  it("refuses with both balances, pays nothing, and publishes once it is funded", async () => {
    const poor = Ed25519Keypair.fromSecretKey(new Uint8Array(32).fill(77));
    const address = parseObjectId(poor.toSuiAddress());
    const poorSystem = await FaultSystem.start({
      nodes: 4,
      shards: 4,
      seed: "poor",
      bindings: { WALLET_SECRET_KEY: poor.getSecretKey() },
    });
    try {
      const content = prng(seed++, 300);
      const publish = () => poorSystem.publish(content, `epochs=${EPOCHS}`);
      for (const funds of [{ suiMist: 10n ** 10n }, { walFrost: 10n ** 9n }] as const) {
        const refused = await publish();
        const text = await refused.text();
        expect(refused.status).toBe(500);
        expect(text).toMatch(
          /could not find WAL coins with sufficient balance; .*FROST of WAL, [0-9]+ MIST of SUI/,
        );
        await poorSystem.network.faucet(address, funds);
      }
      const paid = await publish();
      expect([paid.status, await paid.text()]).toEqual([200, expect.stringContaining("newlyCreated")]);
    } finally {
      await poorSystem[Symbol.asyncDispose]();
    }
  });
});

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A transaction of the wallet's key that the Wallet knows nothing of: it splits one MIST off the gas coin. */
async function spendGasCoin({ network }: FaultSystem): Promise<void> {
  const signer = Ed25519Keypair.fromSecretKey(network.file.wallet?.secretKey ?? "");
  const transaction = new Transaction();
  const [coin] = transaction.splitCoins(transaction.gas, [1]);
  if (coin === undefined) throw new Error("no coin was split off");
  transaction.transferObjects([coin], signer.toSuiAddress());
  await suiClient(network.file).signAndExecuteTransaction({ transaction, signer });
}
