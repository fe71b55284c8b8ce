// If this fails, transactions behave differently here than on Sui: double use of objects, wrong gas, lost funds.
import { bcs } from "@mysten/sui/bcs";
import type { SuiClientTypes } from "@mysten/sui/client";
import { Transaction, type TransactionArgument } from "@mysten/sui/transactions";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  Calls,
  encodedBytes,
  inventedBlob,
  registerBlob,
  type TestNetwork,
  testNetwork,
  testWallet,
} from "../../../support/sui/network.ts";

let network: TestNetwork;
const BYTES = encodedBytes(1000);
const OTHER_CHAIN = "4btiuiMPvEENsttpZC7CZ53DruC3MAgfznDbASZ7DR6S";
const friend = testWallet("friend");
const stranger = testWallet("stranger");
const sponsor = testWallet("sponsor");

beforeAll(async () => {
  network = await testNetwork();
  network.standIn.faucet(sponsor.toSuiAddress(), { suiMist: 10_000_000_000n });
  network.standIn.advanceSuiEpoch();
});
afterAll(() => network.standIn.close());

/** Kind of failure, with its detail, that building (simulating) ends with. */
async function failureOf(calls: Calls): Promise<string> {
  try {
    await calls.tx.build({ client: network.client });
    return "success";
  } catch (error) {
    const { executionError: failure } = error as {
      executionError?: Record<string, { name?: string }> & { $kind: string; message: string };
    };
    if (failure === undefined) return (error as Error).message;
    return `${failure.$kind} ${failure[failure.$kind]?.name ?? failure.message}`;
  }
}

const sui = async (owner: string): Promise<bigint> =>
  BigInt((await network.client.getBalance({ owner })).balance.balance);

/** What the payer lost. */
const cost = (used: SuiClientTypes.GasCostSummary | undefined): bigint =>
  BigInt(used?.computationCost ?? 0) + BigInt(used?.storageCost ?? 0) - BigInt(used?.storageRebate ?? 0);

describe("values", () => {
  const rows: [string, RegExp, (calls: Calls) => void][] = [
    [
      "storage that nobody takes",
      /Unused result/,
      (calls) => {
        const coin = calls.wal(100_000n);
        calls.reserve(BYTES, 1, coin);
        calls.give([coin]);
      },
    ],
    [
      "a result used twice",
      /InvalidValueUsage/,
      (calls) => {
        const coin = calls.wal(100_000n);
        const storage = calls.reserve(BYTES, 1, coin);
        calls.call("storage_resource::destroy", [storage]);
        calls.give([coin, storage]);
      },
    ],
    [
      "one value borrowed mutably twice by one command",
      /InvalidValueUsage/,
      (calls) => {
        const coin = calls.wal(100_000n);
        calls.tx.mergeCoins(coin, [coin]);
        calls.give([coin]);
      },
    ],
    [
      "a value of another type",
      /TypeMismatch/,
      (calls) => {
        const coin = calls.tx.splitCoins(calls.tx.gas, [1000])[0];
        calls.give([calls.reserve(BYTES, 1, coin), coin]);
      },
    ],
    [
      "a result that is not there",
      /SecondaryIndexOutOfBounds/,
      (calls) => calls.give([calls.tx.splitCoins(calls.tx.gas, [1])[1] as never]),
    ],
    [
      "a system object borrowed mutably as an immutable input",
      /InvalidObjectByMutRef/,
      (calls) => {
        const { systemObjectId: objectId } = network.standIn.networkIds;
        const system = calls.tx.sharedObjectRef({ objectId, initialSharedVersion: 1, mutable: false });
        const coin = calls.wal(100_000n);
        const args = [system, calls.tx.pure.u64(BYTES), calls.tx.pure.u32(1), coin];
        calls.give([calls.call("system::reserve_space", args), coin]);
      },
    ],
    [
      "bytes that are no u64",
      /InvalidBcsBytes/,
      (calls) => {
        const coin = calls.wal(100_000n);
        const args = [calls.system, calls.tx.pure(new Uint8Array(9)), calls.tx.pure.u32(1), coin];
        calls.give([calls.call("system::reserve_space", args), coin]);
      },
    ],
    [
      "the gas coin taken by a call",
      /InvalidGasCoinUsage/,
      (calls) => calls.call("coin::destroy_zero", [calls.tx.gas], ["0x2::sui::SUI"]),
    ],
    [
      "more than a coin holds",
      /InsufficientCoinBalance/,
      (calls) => calls.give([calls.tx.splitCoins(calls.wal(5n), [6])]),
    ],
    ["a function that does not exist", /FunctionNotFound/, (calls) => calls.call("blob::share", [])],
    ["too few arguments", /ArityMismatch/, (calls) => calls.call("metadata::insert_or_update", [])],
    [
      "an attribute value handed to a friend",
      /InvalidTransferObject/,
      (calls) => calls.give([calls.call("metadata::new", [])]),
    ],
  ];
  it.each(rows)("%s fails", async (_name, expected, build) => {
    const calls = new Calls(network);
    build(calls);
    expect(await failureOf(calls)).toMatch(expected);
  });

  it("an unused pure input is fine, and attributes that nobody takes are dropped", async () => {
    const calls = new Calls(network);
    calls.tx.pure.string("tip payload");
    calls.call("metadata::new", []);
    const result = await calls.succeed();
    expect(result.effects?.changedObjects).toHaveLength(1);
  });
});

describe("what is refused before it runs", () => {
  const coinOf = async (owner: string) => {
    const { objects } = await network.client.listCoins({ owner });
    const coin = objects[0];
    if (coin === undefined) throw new Error("no coin");
    return coin;
  };

  async function transfer(change: (tx: Transaction) => void): Promise<Transaction> {
    const tx = new Transaction();
    tx.setSender(network.address);
    tx.transferObjects([tx.splitCoins(tx.gas, [5])], friend.toSuiAddress());
    tx.setGasBudget(10_000_000);
    tx.setGasPrice(1000);
    tx.setGasPayment([await coinOf(network.address)]);
    change(tx);
    return tx;
  }
  const send = async (
    tx: Transaction,
    ...signers: { signTransaction(bytes: Uint8Array): Promise<{ signature: string }> }[]
  ) => {
    const transaction = await tx.build();
    const signatures = await Promise.all(
      signers.map(async (each) => (await each.signTransaction(transaction)).signature),
    );
    return network.client.executeTransaction({ transaction, signatures, include: { effects: true } });
  };

  it("somebody else's signature, none, or one too many", async () => {
    const tx = await transfer(() => {});
    await expect(send(tx, stranger)).rejects.toThrow("signature");
    await expect(send(tx)).rejects.toThrow("0 signatures; 1 are needed");
    await expect(send(tx, network.wallet, stranger)).rejects.toThrow("2 signatures");
  });

  it("gas of a sponsor who did not sign; with both signatures the sponsor pays", async () => {
    const coin = await coinOf(sponsor.toSuiAddress());
    const tx = new Transaction();
    tx.setSender(network.address);
    tx.setGasOwner(sponsor.toSuiAddress());
    tx.setGasPayment([coin]);
    tx.setGasBudget(10_000_000);
    tx.setGasPrice(1000);
    tx.moveCall({ target: `${network.standIn.packageId}::metadata::new` });
    await expect(send(tx, network.wallet)).rejects.toThrow("1 signatures; 2 are needed");
    const before = [await sui(network.address), await sui(sponsor.toSuiAddress())];
    const sent = await send(tx, network.wallet, sponsor);
    expect(sent.$kind).toBe("Transaction");
    expect(await sui(network.address)).toBe(before[0]);
    expect(await sui(sponsor.toSuiAddress())).toBeLessThan(before[1] ?? 0n);
  });

  const validDuring = (chain: string, change: { maxEpoch?: string; maxTimestamp?: string } = {}) => ({
    ValidDuring: {
      minEpoch: "0",
      maxEpoch: "9",
      minTimestamp: null,
      maxTimestamp: null,
      chain,
      nonce: 1,
      ...change,
    },
  });

  it.each<[string, string, (tx: Transaction) => void]>([
    ["a price below the reference", "reference price", (tx) => tx.setGasPrice(999)],
    ["a budget below the computation", "gas budget", (tx) => tx.setGasBudget(999_999)],
    ["a budget above the largest", "gas budget", (tx) => tx.setGasBudget(50_000_000_001n)],
    ["an epoch that has passed", "expired", (tx) => tx.setExpiration({ Epoch: 0 })],
    ["another chain", "is for chain", (tx) => tx.setExpiration(validDuring(OTHER_CHAIN))],
    [
      "a range of epochs that has passed",
      "expired",
      (tx) => tx.setExpiration(validDuring(network.standIn.networkIds.chainId, { maxEpoch: "0" })),
    ],
    [
      "a time that has passed",
      "expired",
      (tx) => tx.setExpiration(validDuring(network.standIn.networkIds.chainId, { maxTimestamp: "5" })),
    ],
  ])("%s", async (_name, message, change) => {
    await expect(send(await transfer(change), network.wallet)).rejects.toThrow(message);
  });

  it("a version of a gas coin that is gone, and a budget above what the coins hold", async () => {
    const poor = testWallet("poor");
    network.standIn.faucet(poor.toSuiAddress(), { suiMist: 1_000_000_000n });
    const stale = await coinOf(poor.toSuiAddress());
    const spend = (coin: typeof stale, budget: bigint) =>
      transfer((tx) => {
        tx.setSender(poor.toSuiAddress());
        tx.setGasPayment([coin]);
        tx.setGasBudget(budget);
      });
    await expect(send(await spend(stale, 1_000_000_001n), poor)).rejects.toThrow("lower than the needed");
    expect((await send(await spend(stale, 10_000_000n), poor)).$kind).toBe("Transaction");
    const again = await spend(stale, 10_000_001n);
    await expect(send(again, poor)).rejects.toThrow("not available for consumption");
  });

  it("objects of somebody else, of a parent, or twice", async () => {
    const mine = await registerBlob(network, inventedBlob(1000, 21));
    const [object] = (await network.client.getObjects({ objectIds: [mine] })).objects;
    if (object === undefined || object instanceof Error) throw new Error("no object");
    const burn = async (by: typeof stranger) => {
      network.standIn.faucet(by.toSuiAddress(), { suiMist: 1_000_000_000n });
      const tx = new Transaction();
      tx.setSender(by.toSuiAddress());
      tx.moveCall({ target: `${network.standIn.packageId}::blob::burn`, arguments: [tx.objectRef(object)] });
      return tx.build({ client: network.client });
    };
    await expect(burn(stranger)).rejects.toThrow("not owned by the sender");
    const twice = await transfer((tx) =>
      tx.transferObjects([tx.objectRef(object), tx.objectRef(object)], friend.toSuiAddress()),
    );
    // The SDK itself merges equal references into one input: the transfer then uses it twice.
    expect((await send(twice, network.wallet)).$kind).toBe("FailedTransaction");
  });
});

describe("effects", () => {
  it("all written objects get the lamport version, untouched owned inputs too", async () => {
    const [first, second] = [
      await registerBlob(network, inventedBlob(1000, 31)),
      await registerBlob(network, inventedBlob(1000, 32)),
    ];
    const calls = new Calls(network);
    calls.tx.object(second);
    calls.call("blob::insert_or_update_metadata_pair", [
      calls.tx.object(first),
      calls.tx.pure.string("k"),
      calls.tx.pure.string("v"),
    ]);
    const { effects } = await calls.succeed();
    const lamport = effects?.lamportVersion;
    const changed = effects?.changedObjects ?? [];
    expect(changed.every((change) => change.outputVersion === lamport)).toBe(true);
    expect(changed.map((change) => change.objectId)).toEqual(expect.arrayContaining([first, second]));
    const highest = Math.max(...changed.map((change) => Number(change.inputVersion ?? 0)));
    expect(lamport).toBe(String(highest + 1));
  });

  it("a failed transaction only pays gas and bumps its inputs", async () => {
    const blob = await registerBlob(network, inventedBlob(1000, 41));
    const read = async () => {
      const [object] = (await network.client.getObjects({ objectIds: [blob], include: { content: true } }))
        .objects;
      if (object === undefined || object instanceof Error) throw new Error("no blob");
      return object;
    };
    const [before, old] = [await sui(network.address), await read()];
    const tx = new Transaction();
    const call = (name: string, ...args: TransactionArgument[]) =>
      tx.moveCall({
        target: `${network.standIn.packageId}::blob::${name}`,
        arguments: [tx.objectRef(old), ...args],
      });
    call("insert_or_update_metadata_pair", tx.pure.string("k"), tx.pure.string("v"));
    call("take_metadata");
    call("take_metadata");
    // Everything is resolved by hand, so that no simulation stops the transaction before it is sent.
    tx.setGasBudget(20_000_000);
    tx.setGasPrice(1000);
    tx.setGasPayment((await network.client.listCoins({ owner: network.address })).objects);
    const { FailedTransaction: failed } = await network.client.signAndExecuteTransaction({
      transaction: tx,
      signer: network.wallet,
      include: { effects: true },
    });
    expect(failed?.status.error?.$kind).toBe("MoveAbort");
    expect(failed?.status.error?.command).toBe(2);
    const used = failed?.effects?.gasUsed;
    expect(await sui(network.address)).toBe(before - cost(used));
    // 99 % of the storage that had been paid comes back, the rest never does.
    const [rebate, lost] = [BigInt(used?.storageRebate ?? 0), BigInt(used?.nonRefundableStorageFee ?? 0)];
    expect(((rebate + lost) * 99n) / 100n).toBe(rebate);
    const now = await read();
    expect(now.content).toEqual(old.content);
    expect(BigInt(now.version)).toBe(BigInt(failed?.effects?.lamportVersion ?? 0));
    expect(BigInt(now.version)).toBeGreaterThan(BigInt(old.version));
  });

  it("the same bytes sent twice give one transaction and the same answer", async () => {
    const calls = new Calls(network);
    calls.tx.transferObjects([calls.tx.splitCoins(calls.tx.gas, [7])], friend.toSuiAddress());
    const transaction = await calls.tx.build({ client: network.client });
    const { signature } = await network.wallet.signTransaction(transaction);
    const send = () =>
      network.client.executeTransaction({ transaction, signatures: [signature], include: { effects: true } });
    const before = await sui(friend.toSuiAddress());
    const [first, second] = [await send(), await send()];
    expect(second).toEqual(first);
    expect(await sui(friend.toSuiAddress())).toBe(before + 7n);
  });

  it("effects bytes parse as the SDK's TransactionEffects and say the same", async () => {
    const calls = new Calls(network);
    calls.tx.transferObjects([calls.tx.splitCoins(calls.tx.gas, [7])], friend.toSuiAddress());
    const { effects } = await calls.succeed();
    const parsed = bcs.TransactionEffects.parse(effects?.bcs ?? new Uint8Array());
    expect(parsed.V2?.lamportVersion).toBe(effects?.lamportVersion);
    expect(parsed.V2?.changedObjects.map(([id]) => id)).toEqual(
      effects?.changedObjects.map((change) => change.objectId),
    );
    expect(parsed.V2?.changedObjects[parsed.V2.gasObjectIndex ?? -1]?.[0]).toBe(effects?.gasObject?.objectId);
  });
});

describe("address balances", () => {
  it("funds sent to an address pay gas and WAL without any coin", async () => {
    const own = await testNetwork({ seed: "funds" });
    const { walType, chainId } = own.standIn.networkIds;
    const deposit = new Calls(own);
    const { tx } = deposit;
    const [coin] = tx.splitCoins(tx.gas, [1_000_000_000n]);
    deposit.call("coin::send_funds", [coin, tx.pure.address(own.address)], ["0x2::sui::SUI"]);
    deposit.call("coin::send_funds", [deposit.wal(1_000_000n), tx.pure.address(own.address)], [walType]);
    await deposit.succeed();
    const read = async (coinType: string) =>
      (await own.client.getBalance({ owner: own.address, coinType })).balance;
    expect((await read("0x2::sui::SUI")).addressBalance).toBe("1000000000");
    const calls = new Calls(own);
    calls.tx.setGasPayment([]);
    calls.tx.setGasBudget(100_000_000);
    const range = {
      minEpoch: "0",
      maxEpoch: "1",
      minTimestamp: null,
      maxTimestamp: null,
      chain: chainId,
      nonce: 5,
    };
    calls.tx.setExpiration({ ValidDuring: range });
    const space = calls.wal(11_000n);
    calls.give([calls.reserve(BYTES, 1, space)]);
    calls.destroy(space);
    const { effects } = await calls.succeed();
    expect(effects?.gasObject).toBeNull();
    const left = 1_000_000_000n - cost(effects?.gasUsed);
    expect(BigInt((await read("0x2::sui::SUI")).addressBalance)).toBe(left);
    expect((await read(walType)).addressBalance).toBe(String(1_000_000n - 11_000n));
    own.standIn.close();
  });

  it("a withdrawal above the balance, or gas from a balance without expiration, is refused", async () => {
    const empty = testWallet("empty");
    const tx = new Transaction();
    tx.setSender(empty.toSuiAddress());
    tx.setGasPayment([]);
    tx.setGasBudget(10_000_000);
    tx.setGasPrice(1000);
    tx.moveCall({ target: `${network.standIn.packageId}::metadata::new` });
    tx.setExpiration({ None: true });
    const send = async () => {
      const transaction = await tx.build();
      const { signature } = await empty.signTransaction(transaction);
      return network.client.executeTransaction({ transaction, signatures: [signature] });
    };
    await expect(send()).rejects.toThrow("ValidDuring");
    const { chainId } = network.standIn.networkIds;
    const range = {
      minEpoch: "0",
      maxEpoch: "1",
      minTimestamp: null,
      maxTimestamp: null,
      chain: chainId,
      nonce: 5,
    };
    tx.setExpiration({ ValidDuring: range });
    await expect(send()).rejects.toThrow("address balance");
  });
});
