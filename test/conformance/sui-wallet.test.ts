// If this fails, Floe cannot buy space or certify blobs on Sui, or it loses money when Sui answers badly.
import { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import { Transaction } from "@mysten/sui/transactions";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSuiStandIn, type SuiStandIn } from "../../localnet/sui/stand-in.ts";
import type { Clock } from "../../shared/base/clock.ts";
import { metadataRootHash } from "../../shared/codec/blob-id.ts";
import { createReferenceCodec } from "../../shared/codec/reference-codec.ts";
import {
  aggregateSignatures,
  blsPublicKey,
  blsSign,
  parseBlsSignature,
  serializeSignature,
} from "../../shared/crypto/bls.ts";
import type { Certificate } from "../../shared/protocol/certificate.ts";
import { type ObjectId, parseObjectId } from "../../shared/protocol/ids.ts";
import { confirmationMessage } from "../../shared/protocol/messages.ts";
import { createSuiClient } from "../../shared/sui/client/sui-client.ts";
import { registrationCost } from "../../shared/sui/wallet/price.ts";
import type { SpendingCaps } from "../../shared/sui/wallet/spending.ts";
import type { RegisteredBlob, RegisterRequest } from "../../shared/sui/wallet/submissions.ts";
import { Submitter } from "../../shared/sui/wallet/submitter.ts";
import { createWalletChain } from "../../shared/sui/wallet/wallet-chain.ts";
import { ChainCache } from "../../shared/sui/walrus/chain-cache.ts";
import { readChainSnapshot } from "../../shared/sui/walrus/chain-snapshot.ts";
import { parseWalrusEvent } from "../../shared/sui/walrus/events.ts";
import { sqliteWalletStore } from "../unit/sui/wallet/node-sqlite-wallet.ts";

const N_SHARDS = 10;
const SHARDS = [
  [0, 1, 2],
  [3, 4, 5],
  [6, 7],
  [8, 9],
];
const codec = createReferenceCodec();
const nodes = SHARDS.map((shards, index) => {
  const secretKey = new Uint8Array(32).fill(index + 1);
  return {
    name: `node-${index}`,
    nodeId: parseObjectId(`0x${(0xbb01 + index).toString(16)}`),
    networkAddress: `127.0.0.1:${9000 + index}`,
    publicKey: blsPublicKey(secretKey),
    secretKey,
    shards,
  };
});

/** Real time, but pauses of the wallet are a tenth as long; deadlines, which end with a signal, are not. */
const clock: Clock = {
  nowMs: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, signal === undefined ? ms / 10 : ms);
      signal?.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
    }),
};

class Network {
  readonly standIn: SuiStandIn;
  readonly keypair = Ed25519Keypair.fromSecretKey(new Uint8Array(32).fill(7));
  readonly address = parseObjectId(this.keypair.toSuiAddress());
  readonly client;
  readonly methods: string[] = [];
  readonly store = sqliteWalletStore();
  submitter: Submitter;

  constructor(standIn: SuiStandIn) {
    this.standIn = standIn;
    this.client = createSuiClient({
      url: ["https://sui.example", "https://sui.example/second"],
      fetch: (url, init) => {
        const path = url.replace("https://sui.example/second", "https://sui.example");
        this.methods.push(path.slice(path.lastIndexOf("/") + 1));
        return standIn.fetch(new Request(path, init));
      },
    });
    this.submitter = this.start();
  }

  start(failPoint: (name: string) => void = () => {}, caps: SpendingCaps = {}): Submitter {
    const cache = new ChainCache(clock, (nowMs, known) => this.snapshot(nowMs, known));
    this.submitter = new Submitter({
      signer: {
        address: this.address,
        sign: async (bytes) => (await this.keypair.signTransaction(bytes)).signature,
      },
      chain: createWalletChain(this.client, [this.client]),
      snapshot: (minReadAtMs) => cache.snapshot({ minReadAtMs }),
      store: this.store,
      clock,
      randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
      failPoint,
      caps,
    });
    return this.submitter;
  }

  snapshot(nowMs = Date.now(), known?: Parameters<typeof readChainSnapshot>[3]) {
    return readChainSnapshot(this.client, this.standIn.networkIds, nowMs, known);
  }

  async walBalance(): Promise<bigint> {
    const coinType = this.standIn.networkIds.walType;
    const { balance } = await this.client.getBalance({ owner: this.address, coinType });
    return BigInt(balance.balance);
  }

  /** Blob IDs of all registrations on chain, oldest first. */
  async registered(): Promise<string[]> {
    const eventType = `${this.standIn.networkIds.originalPackageId}::events::BlobRegistered`;
    const { events } = await this.client.listEvents({ filter: { eventType }, limit: 50 });
    return events.map((event) => {
      const parsed = parseWalrusEvent(event.eventType, event.bcs);
      return parsed?.kind === "BlobRegistered" ? parsed.blob_id : "";
    });
  }
}

function request(number: number, change: Partial<RegisterRequest> = {}): RegisterRequest {
  const bytes = new Uint8Array(100 + number).fill(number);
  const encoder = codec.openEncoder(N_SHARDS, bytes.length);
  encoder.write(bytes);
  const metadata = encoder.metadata();
  encoder.release();
  return {
    intentId: `register-${number}`,
    principal: "alice",
    blobId: metadata.blobId,
    rootHash: metadataRootHash(metadata),
    unencodedLength: bytes.length,
    nShards: N_SHARDS,
    deletable: false,
    epochs: 2,
    attributes: [],
    ...change,
  };
}

/** What the first three nodes, with 8 of 10 shards, would sign. */
function certificateOf(blob: RegisteredBlob, epoch: number): Certificate {
  const message = confirmationMessage({
    epoch,
    blobId: blob.blobId,
    persistence: blob.deletable ? { kind: "deletable", objectId: blob.objectId } : { kind: "permanent" },
  });
  const signers = [0, 1, 2];
  const signatures = signers.map((signer) =>
    parseBlsSignature(blsSign(message, nodes[signer]?.secretKey ?? new Uint8Array())),
  );
  return { signers, message, signature: serializeSignature(aggregateSignatures(signatures)) };
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "success",
    (error: { code?: string; abort?: string }) => error.abort ?? error.code,
  );

let net: Network;
beforeEach(async () => {
  net = new Network(await createSuiStandIn({ seed: "wallet", clock, nShards: N_SHARDS, nodes }));
  net.standIn.faucet(net.address, { suiMist: 10n ** 11n, walFrost: 10n ** 9n });
});
afterEach(() => net.standIn.close());

describe("the chain snapshot", () => {
  it("is what genesis wrote", async () => {
    const ids = net.standIn.networkIds;
    const snapshot = await net.snapshot();
    expect(snapshot).toMatchObject({
      epoch: 1,
      nShards: N_SHARDS,
      epochState: { kind: "EpochChangeDone" },
      previousCommittee: null,
      storagePricePerUnit: 11_000n,
      writePricePerUnit: 20_000n,
      maxEpochsAhead: 53,
      packageId: ids.packageId,
      originalPackageId: ids.originalPackageId,
      walType: ids.walType,
    });
    expect(snapshot.committee.members).toEqual(
      nodes.map(({ nodeId, name, networkAddress, publicKey, shards }) => ({
        nodeId,
        name,
        networkAddress,
        publicKey,
        shards,
      })),
    );
  });

  it("takes two calls when an earlier one is known, and follows epochs, prices and upgrades", async () => {
    const before = await net.snapshot();
    net.standIn.advanceEpoch({ sync: true });
    net.standIn.setPrices({ storagePricePerUnit: 5n, writePricePerUnit: 6n });
    net.methods.length = 0;
    const after = await net.snapshot(Date.now(), before);
    expect(net.methods).toEqual(["BatchGetObjects", "BatchGetObjects"]);
    expect(after).toMatchObject({
      epoch: 2,
      epochState: { kind: "EpochChangeSync", reportedShards: 0 },
      storagePricePerUnit: 5n,
      writePricePerUnit: 6n,
    });
    expect(after.previousCommittee?.members.map(({ shards }) => shards)).toEqual(SHARDS);
    const packageId = net.standIn.upgradePackage();
    const upgraded = await net.snapshot(Date.now(), after);
    expect(upgraded).toMatchObject({ packageId, originalPackageId: before.originalPackageId });
    expect(upgraded.version).toBe(before.version + 1n);
  });

  it("says by code what is not there", async () => {
    const ids = { ...net.standIn.networkIds, systemObjectId: parseObjectId("0xdead") };
    expect(await codeOf(readChainSnapshot(net.client, ids, 0))).toBe("SUI_NOT_FOUND");
    net.standIn.setFault({ kind: "error" });
    expect(await codeOf(net.snapshot())).toBe("SUI_UNREACHABLE");
  });
});

describe("buying and certifying", () => {
  it("charges exactly the quote, and certifies, shares and hands over", async () => {
    const before = await net.walBalance();
    const attributes = [{ key: "content-type", value: "text/plain" }];
    const blobs = await Promise.all([
      net.submitter.register(request(1, { attributes })),
      net.submitter.register(request(2, { deletable: true, epochs: 5 })),
      net.submitter.register(request(3)),
    ]);
    const snapshot = await net.snapshot();
    const cost = (epochs: number) => registrationCost(snapshot, 100, epochs).totalFrost;
    expect(before - (await net.walBalance())).toBe(2n * cost(2) + cost(5));
    const friend = parseObjectId("0xf00d");
    const certify = (blob: RegisteredBlob, extra: { sendObjectTo?: ObjectId; share?: boolean }) =>
      net.submitter.certify({
        intentId: `certify ${blob.objectId}`,
        objectId: blob.objectId,
        certificate: certificateOf(blob, 1),
        ...extra,
      });
    const [a, b, c] = blobs;
    const certified = await Promise.all([
      certify(a, { share: true }),
      certify(b, { sendObjectTo: friend }),
      certify(c, {}),
    ]);
    expect(certified.map(({ certifiedEpoch, endEpoch }) => [certifiedEpoch, endEpoch])).toEqual([
      [1, 3],
      [1, 6],
      [1, 3],
    ]);
    const shared = certified[0].sharedObjectId ?? "";
    const { objects } = await net.client.getObjects({ objectIds: [shared, b.objectId, c.objectId] });
    expect(objects.map((object) => (object instanceof Error ? "missing" : object.owner?.$kind))).toEqual([
      "Shared",
      "AddressOwner",
      "AddressOwner",
    ]);
    expect(objects[1]).toMatchObject({ owner: { AddressOwner: friend } });
  });

  it.each([
    ["a signature too few", [0, 2], "bls_aggregate::ENotEnoughStake"],
    ["another node's bit", [0, 1, 3], "bls_aggregate::ESigVerification"],
  ])("names the contract's refusal of %s", async (_what, signers, abort) => {
    const blob = await net.submitter.register(request(1));
    const certificate = { ...certificateOf(blob, 1), signers };
    const intent = { intentId: "certify", objectId: blob.objectId };
    expect(await codeOf(net.submitter.certify({ ...intent, certificate }))).toBe(abort);
    const right = net.submitter.certify({ ...intent, certificate: certificateOf(blob, 1) });
    expect(await codeOf(right)).toBe("success");
  });

  it("fails a bad registration alone among 20", async () => {
    const bad = request(7, { rootHash: new Uint8Array(32) });
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, i) => codeOf(net.submitter.register(i === 7 ? bad : request(i)))),
    );
    expect(outcomes.filter((outcome) => outcome === "success")).toHaveLength(19);
    expect(outcomes[7]).toBe("blob::EInvalidBlobId");
  });

  it("deletes a deletable blob and keeps its storage", async () => {
    const blob = await net.submitter.register(request(1, { deletable: true }));
    await net.submitter.delete({ intentId: "delete", objectId: blob.objectId });
    const { objects } = await net.client.getObjects({ objectIds: [blob.objectId, blob.storage.id] });
    expect(objects[0]).toBeInstanceOf(Error);
    expect(objects[1]).toMatchObject({ owner: { AddressOwner: net.address } });
  });

  it("names the refusal when WAL or SUI is missing, with both balances", async () => {
    const poor = request(1, { epochs: 53, unencodedLength: 1_500_000 });
    const stranger = Ed25519Keypair.fromSecretKey(new Uint8Array(32).fill(9));
    const standIn = net.standIn;
    standIn.faucet(stranger.toSuiAddress(), { walFrost: 5n, suiMist: 6n });
    const network = new Network(standIn);
    Object.assign(network, { keypair: stranger, address: parseObjectId(stranger.toSuiAddress()) });
    await expect(network.start().register(poor)).rejects.toMatchObject({
      code: "INSUFFICIENT_WAL",
      details: { walFrost: 5n, suiMist: 6n },
    });
    standIn.faucet(stranger.toSuiAddress(), { walFrost: 10n ** 9n });
    await expect(network.start().register(request(2))).rejects.toMatchObject({ code: "INSUFFICIENT_SUI" });
  });
});

describe("a chain that answers badly", () => {
  it("pays once when replies are lost", async () => {
    net.standIn.setFault({ kind: "lose-reply", count: 5 });
    await net.submitter.register(request(1));
    expect(await net.registered()).toHaveLength(1);
  });

  it("pays once through errors of every method", async () => {
    for (const method of [
      "GetEpoch",
      "GetBalance",
      "ListOwnedObjects",
      "SimulateTransaction",
      "ExecuteTransaction",
      "BatchGetObjects",
    ]) {
      net.standIn.setFault({ kind: "error", method, count: 3 });
      const number = method.length;
      await net.submitter.register(request(number, { intentId: method }));
      net.standIn.setFault({ kind: "none" });
    }
    expect(await net.registered()).toHaveLength(6);
  });

  it("pays once when reads lag behind", async () => {
    net.standIn.setFault({ kind: "lag", checkpoints: 4 });
    const blob = await net.submitter.register(request(1));
    await net.submitter.certify({
      intentId: "certify",
      objectId: blob.objectId,
      certificate: certificateOf(blob, 1),
    });
    net.standIn.setFault({ kind: "none" });
    expect(await net.registered()).toHaveLength(1);
  });

  it("goes on after congestion", async () => {
    net.standIn.setFault({ kind: "congestion", count: 2 });
    expect(await codeOf(net.submitter.register(request(1)))).toBe("success");
  });

  it("quotes anew when the price rose or fell, and calls the new package after an upgrade", async () => {
    await net.submitter.register(request(1));
    net.standIn.setPrices({ storagePricePerUnit: 12_000n, writePricePerUnit: 20_000n });
    expect((await net.submitter.register(request(2))).costFrost).toBe(44_000n);
    net.standIn.setPrices({ storagePricePerUnit: 1000n, writePricePerUnit: 1000n });
    expect((await net.submitter.register(request(3))).costFrost).toBe(3000n);
    net.standIn.upgradePackage();
    expect(await codeOf(net.submitter.register(request(4)))).toBe("success");
  });

  it("signs anew once the epoch of a transaction that never arrived is over", async () => {
    let isCut = true;
    const death = () => {
      if (isCut) throw new Error("died");
    };
    net.start((name) => {
      if (name === "wallet.after-persist") death();
    });
    await expect(net.submitter.register(request(1))).rejects.toThrow("died");
    isCut = false;
    net.standIn.advanceSuiEpoch();
    net.start();
    await net.submitter.register(request(1));
    expect(await net.registered()).toHaveLength(1);
  });
});

describe("address balances", () => {
  async function deposit(): Promise<void> {
    const { walType } = net.standIn.networkIds;
    const transaction = new Transaction();
    transaction.setSender(net.address);
    const [gas] = transaction.splitCoins(transaction.gas, [5_000_000_000n]);
    const to = transaction.pure.address(net.address);
    const send = (type: string, coin: Parameters<typeof transaction.moveCall>[0]["arguments"]) =>
      transaction.moveCall({ target: "0x2::coin::send_funds", typeArguments: [type], arguments: coin ?? [] });
    send("0x2::sui::SUI", [gas, to]);
    const { objects } = await net.client.listCoins({ owner: net.address, coinType: walType });
    for (const { objectId } of objects) send(walType, [transaction.object(objectId), to]);
    await net.client.signAndExecuteTransaction({ transaction, signer: net.keypair });
  }

  it("pay gas and WAL without a coin object, also over lost replies", async () => {
    await deposit();
    net.standIn.setFault({ kind: "lose-reply", count: 3 });
    const blob = await net.submitter.register(request(1));
    const { transaction } =
      (
        await net.client.getTransaction({
          digest: blob.txDigest,
          include: { transaction: true },
        })
      ).Transaction ?? {};
    expect(transaction?.gasData.payment).toEqual([]);
    expect(await net.registered()).toHaveLength(1);
  });

  it("give way to coins when an endpoint refuses them", async () => {
    await deposit();
    net.standIn.faucet(net.address, { walFrost: 10n ** 9n });
    const build = net.client.core.resolveTransactionPlugin.bind(net.client.core);
    net.client.core.resolveTransactionPlugin = () => async (data, options, next) => {
      if (data.gasData.payment?.length === 0) {
        net.standIn.setFault({
          kind: "error",
          method: "SimulateTransaction",
          count: 1,
          code: "INVALID_ARGUMENT",
        });
      }
      return build()(data, options, next);
    };
    const blob = await net.submitter.register(request(1));
    const { transaction } =
      (
        await net.client.getTransaction({
          digest: blob.txDigest,
          include: { transaction: true },
        })
      ).Transaction ?? {};
    expect(transaction?.gasData.payment?.length).toBeGreaterThan(0);
  });
});
