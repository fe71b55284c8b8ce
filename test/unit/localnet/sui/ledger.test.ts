// If this fails, a restarted network forgets paid blobs, or two runs of the same seed differ and nothing can be reproduced.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GrpcTypes } from "@mysten/sui/grpc";
import { Transaction } from "@mysten/sui/transactions";
import { afterEach, describe, expect, it } from "vitest";
import { parseSignature, typeName } from "../../../../localnet/sui/move/signature.ts";
import { applyMask } from "../../../../localnet/sui/rpc/wire/field-mask.ts";
import { StakingPoolLayout } from "../../../../shared/sui/walrus/layouts.ts";
import {
  Calls,
  certifiedBlob,
  inventedBlob,
  N_SHARDS,
  registerBlob,
  type TestNetwork,
  testNetwork,
  testNodes,
  testWallet,
} from "../../../support/sui/network.ts";

const directories: string[] = [];
function directory(): string {
  const made = mkdtempSync(join(tmpdir(), "floe-sui-"));
  directories.push(made);
  return made;
}
afterEach(() => {
  for (const each of directories.splice(0)) rmSync(each, { recursive: true });
});

/** Everything a client can see of the ledger. */
async function picture(network: TestNetwork): Promise<string> {
  const { client } = network;
  const checkpoints: GrpcTypes.Checkpoint[] = [];
  for await (const frame of client.ledgerService.listCheckpoints({ readMask: { paths: ["*"] } }).responses) {
    if (frame.checkpoint !== undefined) checkpoints.push(frame.checkpoint);
  }
  const owned = await client.stateService.listOwnedObjects({
    owner: network.address,
    readMask: { paths: ["*"] },
  }).response;
  const balances = await client.stateService.listBalances({ owner: network.address }).response;
  return JSON.stringify([checkpoints, owned.objects, balances.balances], (_key, value) =>
    typeof value === "bigint" ? String(value) : value,
  );
}

async function live(network: TestNetwork): Promise<string> {
  const id = await certifiedBlob(network, inventedBlob(1000));
  const deposit = new Calls(network);
  const { tx } = deposit;
  deposit.call(
    "coin::send_funds",
    [tx.splitCoins(tx.gas, [5_000_000])[0] as never, tx.pure.address(network.address)],
    ["0x2::sui::SUI"],
  );
  await deposit.succeed();
  network.standIn.advanceEpoch();
  return id;
}

describe("the ledger", () => {
  it("is the same for the same seed and calls", async () => {
    const networks = [await testNetwork({ seed: "same" }), await testNetwork({ seed: "same" })];
    const pictures = [];
    for (const network of networks) {
      await live(network);
      pictures.push(await picture(network));
      network.standIn.close();
    }
    expect(pictures[1]).toBe(pictures[0]);
    const other = await testNetwork({ seed: "other" });
    expect(other.standIn.networkIds.chainId).not.toBe(networks[0]?.standIn.networkIds.chainId);
    other.standIn.close();
  });

  it("survives a restart in every detail, and goes on", async () => {
    const dataDir = directory();
    const first = await testNetwork({ dataDir });
    const id = await live(first);
    const upgraded = first.standIn.upgradePackage();
    const before = await picture(first);
    first.standIn.close();
    const second = await testNetwork({ dataDir });
    expect(second.standIn.epoch).toBe(2);
    expect(second.standIn.packageId).toBe(upgraded);
    expect(await picture(second)).toBe(before);
    const remove = new Calls(second);
    remove.give([remove.call("system::delete_blob", [remove.system, remove.tx.object(id)])]);
    await remove.succeed();
    await registerBlob(second, inventedBlob(1000, 8));
    second.standIn.close();
  });

  it("follows nodes that moved, and refuses another network's file", async () => {
    const dataDir = directory();
    (await testNetwork({ dataDir })).standIn.close();
    const moved = testNodes(4, N_SHARDS).map((node, i) => ({
      ...node,
      networkAddress: `127.0.0.1:${7000 + i}`,
    }));
    const { standIn, client } = await testNetwork({ dataDir, nodes: moved });
    const nodeId = moved[1]?.nodeId ?? "";
    const [pool] = (await client.getObjects({ objectIds: [nodeId], include: { content: true } })).objects;
    if (pool === undefined || pool instanceof Error) throw new Error("no pool");
    expect(StakingPoolLayout.parse(pool.content).node_info.network_address).toBe("127.0.0.1:7001");
    standIn.close();
    await expect(testNetwork({ dataDir, seed: "another" })).rejects.toMatchObject({
      code: "LEDGER_OF_ANOTHER_NETWORK",
    });
  });
});

describe("resolution", () => {
  it("asks for System mutably only where a function changes it", async () => {
    const network = await testNetwork();
    const id = await registerBlob(network, inventedBlob(1000));
    const mutability = async (calls: Calls) => {
      const transaction = Transaction.from(await calls.tx.build({ client: network.client }));
      return transaction.getData().inputs.flatMap((input) => input.Object?.SharedObject?.mutable ?? []);
    };
    const reserve = new Calls(network);
    const coin = reserve.wal(11_000n);
    reserve.give([reserve.reserve(1000, 1, coin), coin]);
    expect(await mutability(reserve)).toEqual([true]);
    const remove = new Calls(network);
    remove.give([remove.call("system::delete_blob", [remove.system, remove.tx.object(id)])]);
    expect(await mutability(remove)).toEqual([false]);
    network.standIn.close();
  });

  it("pays with all coins of the gas owner but the inputs; without coins from the balance, with an expiration", async () => {
    const network = await testNetwork();
    network.standIn.faucet(network.address, { suiMist: 2_000_000_000n });
    const { objects: coins } = await network.client.listCoins({ owner: network.address });
    expect(coins).toHaveLength(2);
    const calls = new Calls(network);
    calls.tx.transferObjects([coins[0]?.objectId ?? ""], testWallet("friend").toSuiAddress());
    const data = Transaction.from(await calls.tx.build({ client: network.client })).getData();
    expect(data.gasData.payment?.map((each) => each.objectId)).toEqual([coins[1]?.objectId]);
    const poor = testWallet("poor");
    const deposit = new Calls(network);
    const { tx } = deposit;
    deposit.call(
      "coin::send_funds",
      [tx.splitCoins(tx.gas, [50_000_000])[0] as never, tx.pure.address(poor.toSuiAddress())],
      ["0x2::sui::SUI"],
    );
    await deposit.succeed();
    const free = new Transaction();
    free.setSender(poor.toSuiAddress());
    free.moveCall({ target: `${network.standIn.packageId}::metadata::new` });
    const resolved = Transaction.from(await free.build({ client: network.client })).getData();
    expect(resolved.gasData.payment).toEqual([]);
    expect(resolved.expiration?.$kind).toBe("ValidDuring");
    const nobody = new Transaction();
    nobody.setSender(testWallet("nobody").toSuiAddress());
    nobody.moveCall({ target: `${network.standIn.packageId}::metadata::new` });
    await expect(nobody.build({ client: network.client })).rejects.toThrow("unable to select sufficient gas");
    network.standIn.close();
  });
});

describe("field masks", () => {
  it("keep what is named at any depth, empty lists, drop the rest", () => {
    const message: GrpcTypes.ExecutedTransaction = {
      digest: "d",
      signatures: [],
      balanceChanges: [{ address: "a", coinType: "c", amount: "1" }],
      effects: GrpcTypes.TransactionEffects.create({
        epoch: 3n,
        digest: "e",
        status: { success: true },
        changedObjects: [{ objectId: "o", objectType: "t" }],
      }),
    };
    const masked = applyMask(GrpcTypes.ExecutedTransaction, message, {
      paths: ["effects.changed_objects.object_id", "effects.status"],
    });
    expect(masked).toEqual({
      signatures: [],
      balanceChanges: [],
      effects: {
        changedObjects: [{ objectId: "o" }],
        status: { success: true },
        dependencies: [],
        unchangedConsensusObjects: [],
        unchangedLoadedRuntimeObjects: [],
      },
    });
    expect(applyMask(GrpcTypes.ExecutedTransaction, message, undefined, ["digest"]).digest).toBe("d");
  });
});

describe("signatures of Move functions", () => {
  it("are read with references, type parameters, tuples and the context left out", () => {
    const signature = parseSignature(
      "m::f<T>(&mut Coin<T>, &String, vector<vector<u8>>, &mut TxContext): (String, Coin<T>)",
      new Map([
        ["Coin", "0x2::coin::Coin"],
        ["String", "0x1::string::String"],
      ]),
    );
    expect(signature.parameters.map(({ passing, type }) => [passing, typeName(type, ["0x3::a::B"])])).toEqual(
      [
        ["mutable-reference", "0x2::coin::Coin<0x3::a::B>"],
        ["reference", "0x1::string::String"],
        ["value", "vector<vector<u8>>"],
      ],
    );
    expect(signature.context).toBe("mutable-reference");
    expect(signature.returns.map((type) => typeName(type, ["u8"]))).toEqual([
      "0x1::string::String",
      "0x2::coin::Coin<u8>",
    ]);
  });
});
