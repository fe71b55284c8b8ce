// If this fails, the official SDK no longer works against the embedded network, and nothing proves that our own client does.

import { SuiGrpcClient } from "@mysten/sui/grpc";
import {
  ParallelTransactionExecutor,
  SerialTransactionExecutor,
  Transaction,
} from "@mysten/sui/transactions";
import { walrus } from "@mysten/walrus";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serveSui } from "../../localnet/sui/server.ts";
import type { Certificate } from "../../shared/protocol/certificate.ts";
import { blobIdFromU256, type ObjectId, parseObjectId } from "../../shared/protocol/ids.ts";
import { confirmationMessage } from "../../shared/protocol/messages.ts";
import {
  abortOf,
  Calls,
  certify,
  clientOf,
  FUNDS,
  type InventedBlob,
  inventedBlob,
  N_SHARDS,
  signAs,
  type TestNetwork,
  testNetwork,
  testWallet,
} from "../support/sui/network.ts";
import { until } from "../support/until.ts";

function official({ client, standIn }: Pick<TestNetwork, "client" | "standIn">) {
  const { systemObjectId, stakingObjectId } = standIn.networkIds;
  const packageConfig = { systemObjectId, stakingPoolId: stakingObjectId };
  return client.$extend(walrus({ packageConfig, storageNodeUrlScheme: "http" })).walrus;
}

const asSdk = ({ signers, message, signature }: Certificate) => ({
  signers: [...signers],
  serializedMessage: message,
  signature,
});

let network: TestNetwork;
let sdk: ReturnType<typeof official>;
beforeAll(async () => {
  network = await testNetwork();
  sdk = official(network);
});
afterAll(() => network.standIn.close());

const wal = async (): Promise<bigint> => {
  const { walType } = network.standIn.networkIds;
  return BigInt(
    (await network.client.getBalance({ owner: network.address, coinType: walType })).balance.balance,
  );
};

async function register(
  blob: InventedBlob,
  deletable: boolean,
  attributes: Record<string, string> = {},
): Promise<ObjectId> {
  const { blob: registered } = await sdk.executeRegisterBlobTransaction({
    ...blob,
    epochs: 3,
    deletable,
    owner: network.address,
    signer: network.wallet,
    attributes,
  });
  expect(blobIdFromU256(BigInt(registered.blob_id))).toBe(blob.blobId);
  return parseObjectId(registered.id);
}

function certifying(blob: InventedBlob, objectId: ObjectId, certificate: Certificate, deletable = true) {
  const { blobId } = blob;
  return sdk.executeCertifyBlobTransaction({
    blobId,
    blobObjectId: objectId,
    deletable,
    signer: network.wallet,
    certificate: asSdk(certificate),
  });
}

describe("the unmodified Walrus SDK", () => {
  it("reads system, staking and prices", async () => {
    const system = await sdk.systemState();
    expect(system.committee.n_shards).toBe(N_SHARDS);
    expect([system.storage_price_per_unit_size, system.write_price_per_unit_size]).toEqual([
      "11000",
      "20000",
    ]);
    expect((await sdk.stakingState()).epoch).toBe(1);
    const cost = { storageCost: 33_000n, writeCost: 20_000n, totalCost: 53_000n };
    expect(await sdk.storageCost(1000, 3)).toEqual(cost);
  });

  it("takes a blob through its life, paying exactly its price", async () => {
    const { client, wallet, nodes } = network;
    const blob = inventedBlob(1000, 1);
    const before = await wal();
    expect(before).toBe(FUNDS.walFrost);
    const objectId = await register(blob, true, { a: "b" });
    expect(await wal()).toBe(before - 53_000n);
    const certificate = certify(nodes, [0, 2, 3], 1, blob.blobId, { kind: "deletable", objectId });
    await certifying(blob, objectId, certificate);
    expect(await sdk.readBlobAttributes({ blobObjectId: objectId })).toEqual({ a: "b" });
    const attributes = { c: "d", a: null };
    await sdk.executeWriteBlobAttributesTransaction({ blobObjectId: objectId, attributes, signer: wallet });
    expect(await sdk.readBlobAttributes({ blobObjectId: objectId })).toEqual({ c: "d" });
    await sdk.executeExtendBlobTransaction({ blobObjectId: objectId, epochs: 2, signer: wallet });
    expect(await wal()).toBe(before - 75_000n);
    const tooFar = sdk.executeExtendBlobTransaction({ blobObjectId: objectId, epochs: 90, signer: wallet });
    await expect(tooFar.catch((error) => abortOf(error.cause ?? error))).resolves.toBe(
      "system_state_inner 2",
    );
    await sdk.executeDeleteBlobTransaction({ blobObjectId: objectId, signer: wallet });
    const [gone] = (await client.getObjects({ objectIds: [objectId] })).objects;
    expect(gone).toBeInstanceOf(Error);
  });

  it("combines the nodes' confirmations into a certificate that the contract takes", async () => {
    const blob = inventedBlob(1000, 2);
    const objectId = await register(blob, true);
    const message = confirmationMessage({
      epoch: 1,
      blobId: blob.blobId,
      persistence: { kind: "deletable", objectId },
    });
    const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
    const confirmations = network.nodes.map((_, position) =>
      position === 1
        ? null
        : {
            serializedMessage: base64(message),
            signature: base64(signAs(network.nodes, [position], message).signature),
          },
    );
    await sdk.executeCertifyBlobTransaction({
      blobId: blob.blobId,
      blobObjectId: objectId,
      deletable: true,
      signer: network.wallet,
      confirmations,
    });
  });

  it("certifies a permanent blob, and no certificate that was tampered with", async () => {
    const { nodes } = network;
    const blob = inventedBlob(1000, 3);
    const objectId = await register(blob, false);
    const good = certify(nodes, [0, 1, 2], 1, blob.blobId, { kind: "permanent" });
    const flipped = Uint8Array.from(good.signature);
    flipped[30] = (flipped[30] ?? 0) ^ 4;
    const permanent = { kind: "permanent" } as const;
    const refused: [string, Certificate][] = [
      ["bls_aggregate 1", { ...good, signature: flipped }],
      ["bls_aggregate 1", { ...good, signers: [0, 1, 2, 3] }],
      ["bls_aggregate 1", { ...certify(nodes, [0, 1, 2, 3], 1, blob.blobId, permanent), signers: [0, 1, 2] }],
      ["bls_aggregate 2", certify(nodes, [0, 1], 1, blob.blobId, permanent)],
      ["messages 1", certify(nodes, [0, 1, 2], 2, blob.blobId, permanent)],
      ["blob 6", certify(nodes, [0, 1, 2], 1, inventedBlob(1000, 4).blobId, permanent)],
      ["blob 9", certify(nodes, [0, 1, 2], 1, blob.blobId, { kind: "deletable", objectId })],
    ];
    for (const [abort, certificate] of refused) {
      const outcome = certifying(blob, objectId, certificate, false).then(
        () => "accepted",
        (error) => abortOf(error.cause ?? error),
      );
      expect(await outcome).toBe(abort);
    }
    await certifying(blob, objectId, good, false);
  });

  it("creates storage of its own", async () => {
    const tx = sdk.createStorageTransaction({ size: 1000, epochs: 2, owner: network.address });
    const result = await network.client.signAndExecuteTransaction({
      transaction: tx,
      signer: network.wallet,
      include: { objectTypes: true },
    });
    const types = Object.values(result.Transaction?.objectTypes ?? {});
    expect(types.filter((type) => type.endsWith("::storage_resource::Storage"))).toHaveLength(1);
  });
});

describe("events through the unmodified client", () => {
  it("are listed by cursor and streamed as they happen", async () => {
    const own = await testNetwork({ seed: "events" });
    const eventType = `${own.standIn.networkIds.originalPackageId}::events::BlobRegistered`;
    const abort = new AbortController();
    const literals = [
      { negated: false, predicate: { oneofKind: "eventType", eventType: { eventType } } as const },
    ];
    const stream = own.client.subscriptionService.subscribeEvents(
      { filter: { terms: [{ literals }] }, readMask: { paths: ["event_type", "transaction_digest"] } },
      { abort: abort.signal },
    );
    const streamed: string[] = [];
    let isSubscribed = false;
    const reading = (async () => {
      for await (const { event } of stream.responses) {
        isSubscribed = true;
        if (event !== undefined) streamed.push(event.transactionDigest ?? "");
        if (streamed.length === 3) abort.abort();
      }
    })().catch(() => {});
    // Nothing says when the endpoint has the subscription; from then on it tells of every checkpoint.
    await until("the subscription", () => {
      own.standIn.tick();
      return isSubscribed;
    });
    const buyer = official(own);
    for (const label of [1, 2, 3]) {
      await buyer.executeRegisterBlobTransaction({
        ...inventedBlob(1000, label),
        epochs: 1,
        deletable: true,
        owner: own.address,
        signer: own.wallet,
      });
    }
    const first = await own.client.listEvents({ filter: { eventType }, limit: 2 });
    expect([first.events.length, first.hasNextPage]).toEqual([2, true]);
    const rest = await own.client.listEvents({ filter: { eventType }, limit: 2, after: first.endCursor });
    expect([rest.events.length, rest.hasNextPage]).toEqual([1, false]);
    await reading;
    expect(streamed).toEqual([...first.events, ...rest.events].map((event) => event.transactionDigest));
    own.standIn.close();
  });
});

describe("the SDK's executors", () => {
  const transfer = (): Transaction => {
    const tx = new Transaction();
    tx.transferObjects([tx.splitCoins(tx.gas, [1000])], testWallet("friend").toSuiAddress());
    return tx;
  };
  const kinds = (results: readonly { $kind: string }[]) => results.map(({ $kind }) => $kind);
  const SIX = Array.from({ length: 6 }, (_, i) => i);

  it("serial and parallel, with coins", async () => {
    const { client, wallet } = await testNetwork({ seed: "coins" });
    const serial = new SerialTransactionExecutor({ client, signer: wallet });
    const one = await Promise.all(SIX.map(() => serial.executeTransaction(transfer())));
    await serial.waitForLastTransaction();
    const options = {
      client,
      signer: wallet,
      initialCoinBalance: 1_000_000_000n,
      maxPoolSize: 8,
      coinBatchSize: 4,
    };
    const parallel = new ParallelTransactionExecutor(options);
    const two = await Promise.all(SIX.map(() => parallel.executeTransaction(transfer())));
    expect(new Set([...kinds(one), ...kinds(two)])).toEqual(new Set(["Transaction"]));
  });

  it("parallel registrations from address balances, without any coin object", async () => {
    const own = await testNetwork({ seed: "balances" });
    const { client, wallet, address } = own;
    const { walType } = own.standIn.networkIds;
    const deposit = new Calls(own);
    const { tx } = deposit;
    const [gas] = tx.splitCoins(tx.gas, [20_000_000_000n]);
    deposit.call("coin::send_funds", [gas, tx.pure.address(address)], ["0x2::sui::SUI"]);
    deposit.call("coin::send_funds", [deposit.wal(1_000_000_000n), tx.pure.address(address)], [walType]);
    await deposit.succeed();
    const buyer = official(own);
    const executor = new ParallelTransactionExecutor({ client, signer: wallet, gasMode: "addressBalance" });
    const results = await Promise.all(
      SIX.map((i) => {
        const transaction = buyer.registerBlobTransaction({
          ...inventedBlob(1000, i),
          epochs: 2,
          deletable: true,
          owner: address,
        });
        transaction.setSender(address);
        return executor.executeTransaction(transaction);
      }),
    );
    expect(kinds(results)).toEqual(Array(6).fill("Transaction"));
    expect(results.every((result) => result.Transaction?.effects.gasObject === null)).toBe(true);
    const { addressBalance } = (await client.getBalance({ owner: address, coinType: walType })).balance;
    expect(BigInt(addressBalance)).toBe(1_000_000_000n - 6n * 42_000n);
    own.standIn.close();
  });
});

describe("transport", () => {
  it("serves text and binary, unary and streaming, over HTTP", async () => {
    const own = await testNetwork({ seed: "http" });
    const server = await serveSui(own.standIn, { port: 0, host: "127.0.0.1" });
    for (const format of ["binary", "text"] as const) {
      const client = new SuiGrpcClient({ network: "testnet", baseUrl: server.url, format });
      const { chainIdentifier } = await client.core.getChainIdentifier();
      expect(chainIdentifier).toBe(own.standIn.networkIds.chainId);
      const abort = new AbortController();
      const stream = client.subscriptionService.subscribeCheckpoints(
        { readMask: { paths: ["sequence_number"] } },
        { abort: abort.signal },
      );
      const next = (async () => {
        for await (const { cursor } of stream.responses) return cursor;
        return undefined;
      })();
      await stream.headers;
      own.standIn.tick();
      expect(await next).toBeTypeOf("bigint");
      abort.abort();
      const send = async () => {
        const tx = new Transaction();
        tx.transferObjects([tx.splitCoins(tx.gas, [1])], testWallet("friend").toSuiAddress());
        return client.signAndExecuteTransaction({ transaction: tx, signer: own.wallet });
      };
      expect((await send()).$kind).toBe("Transaction");
      own.standIn.setFault({ kind: "lose-reply", count: 1 });
      await expect(send()).rejects.toThrow();
    }
    await server.close();
    own.standIn.close();
  });

  it("gives the same answers in text as in binary", async () => {
    const [binary, text] = [clientOf(network.standIn), clientOf(network.standIn, "text")];
    const ask = (client: SuiGrpcClient) =>
      client.getObjects({
        objectIds: [network.standIn.networkIds.systemObjectId],
        include: { content: true },
      });
    expect(await ask(text)).toEqual(await ask(binary));
  });
});
