// If this fails, the contracts refuse Floe's transactions, or charge for something else than was quoted.
import { bcs } from "@mysten/sui/bcs";
import { describe, expect, it } from "vitest";
import { fromBase64 } from "../../../../shared/base/bytes.ts";
import { blobIdToBytes, parseObjectId } from "../../../../shared/protocol/ids.ts";
import { failureVerdict, MoveAbortError } from "../../../../shared/sui/client/move-abort.ts";
import { chooseBatch } from "../../../../shared/sui/wallet/batch.ts";
import {
  type BlobTransaction,
  certifyTransaction,
  deleteTransaction,
  registerTransaction,
} from "../../../../shared/sui/wallet/blob-transactions.ts";
import { fromPortableError, toPortableError } from "../../../../shared/sui/wallet/portable-error.ts";
import { registrationCost } from "../../../../shared/sui/wallet/price.ts";
import type { StoredOperation } from "../../../../shared/sui/wallet/store.ts";
import { SubmissionError } from "../../../../shared/sui/wallet/submissions.ts";
import {
  CURRENT,
  certifyRequest,
  registerRequest,
  snapshotOf,
  WAL_TYPE,
  WALLET,
} from "../walrus/fixtures.ts";

const snapshot = snapshotOf({});
const ref = (name: number) => ({
  objectId: parseObjectId(`0x${name.toString(16)}`),
  version: 5n,
  digest: "11111111111111111111111111111111",
});
const toRegister = (number: number, attributes: { key: string; value: string }[] = []) => {
  const request = registerRequest(number, { attributes });
  return { ...request, cost: registrationCost(snapshot, request.unencodedLength, request.epochs) };
};

/** Commands as short texts: a call by its name, other commands by their kind. */
const shape = ({ transaction }: BlobTransaction) =>
  transaction
    .getData()
    .commands.map(({ $kind, MoveCall }) =>
      MoveCall === undefined ? $kind : `${MoveCall.package}::${MoveCall.module}::${MoveCall.function}`,
    );
const system = (name: string) => `${CURRENT}::system::${name}`;
const framework = (name: string) => `${parseObjectId("0x2")}::coin::${name}`;

describe("registering", () => {
  it("buys several blobs with one coin of exactly the quoted sum", () => {
    const blobs = [toRegister(1), toRegister(2, [{ key: "a", value: "b" }])];
    const built = registerTransaction(snapshot, WALLET, { kind: "coins", coins: [ref(1), ref(2)] }, blobs);
    expect(shape(built)).toEqual([
      "MergeCoins",
      "SplitCoins",
      system("reserve_space"),
      system("register_blob"),
      system("reserve_space"),
      system("register_blob"),
      `${CURRENT}::blob::insert_or_update_metadata_pair`,
      framework("destroy_zero"),
      "TransferObjects",
    ]);
    expect(built.itemOfCommand).toEqual([undefined, undefined, 0, 0, 1, 1, 1, undefined, undefined]);
    const { inputs, commands } = built.transaction.getData();
    const amount = commands[1]?.SplitCoins?.amounts[0];
    const pureAt = (index: number) => fromBase64(inputs[index]?.Pure?.bytes ?? "");
    expect(amount?.$kind === "Input" && BigInt(bcs.u64().parse(pureAt(amount.Input)))).toBe(
      blobs.reduce((sum, blob) => sum + blob.cost.totalFrost, 0n),
    );
    expect(commands[7]?.MoveCall?.typeArguments).toEqual([WAL_TYPE]);
    const register = commands[3]?.MoveCall?.arguments ?? [];
    const texts = register.map((each) =>
      each.$kind === "Input" ? Array.from(pureAt(each.Input)) : each.$kind,
    );
    expect(texts.slice(2, 7)).toEqual([
      Array.from(blobIdToBytes(registerRequest(1).blobId)),
      Array.from(registerRequest(1).rootHash),
      [232, 3, 0, 0, 0, 0, 0, 0],
      [1],
      [0],
    ]);
  });

  it("takes the System object mutably to register and immutably to certify and delete", () => {
    const isMutable = ({ transaction }: BlobTransaction) =>
      transaction.getData().inputs.flatMap(({ Object: object }) => object?.SharedObject?.mutable ?? []);
    const register = registerTransaction(snapshot, WALLET, { kind: "address-balance" }, [toRegister(1)]);
    expect(isMutable(register)).toEqual([true]);
    const { certificate } = certifyRequest("c", WALLET);
    expect(isMutable(certifyTransaction(snapshot, [{ blob: ref(1), certificate }]))).toEqual([false]);
    expect(isMutable(deleteTransaction(snapshot, WALLET, [ref(1)]))).toEqual([false]);
  });

  it("takes WAL from the address balance without touching a coin", () => {
    const built = registerTransaction(snapshot, WALLET, { kind: "address-balance" }, [toRegister(1)]);
    expect(shape(built)[0]).toBe(framework("redeem_funds"));
    expect(built.transaction.getData().inputs.some((each) => each.Object?.ImmOrOwnedObject)).toBe(false);
  });
});

describe("certifying", () => {
  it("certifies, shares and hands over in one transaction, with prefixed vectors and the signers' bitmap", () => {
    const { certificate } = certifyRequest("c", WALLET);
    const built = certifyTransaction(snapshot, [
      { blob: ref(1), certificate },
      { blob: ref(2), certificate, share: true },
      { blob: ref(3), certificate, sendObjectTo: WALLET },
    ]);
    expect(shape(built)).toEqual([
      system("certify_blob"),
      system("certify_blob"),
      `${CURRENT}::shared_blob::new`,
      system("certify_blob"),
      "TransferObjects",
    ]);
    expect(built.itemOfCommand).toEqual([0, 1, 1, 2, 2]);
    const { inputs, commands } = built.transaction.getData();
    const [, , signature, bitmap, message] = (commands[0]?.MoveCall?.arguments ?? []).map((each) =>
      each.$kind === "Input" ? fromBase64(inputs[each.Input]?.Pure?.bytes ?? "") : new Uint8Array(),
    );
    expect(signature).toHaveLength(97);
    expect(bitmap).toEqual(Uint8Array.of(1, 0b1101));
    expect(message?.[0]).toBe(40);
  });
});

describe("batches", () => {
  const waiting = (request: ReturnType<typeof registerRequest>): StoredOperation => ({
    kind: "register",
    intentId: request.intentId,
    request,
    state: { name: "waiting" },
    attempts: 0,
    createdAtMs: 0,
    charge: null,
  });

  it("stays below 128 KiB and 1024 commands with 100 attribute-heavy registrations", async () => {
    const attributes = Array.from({ length: 12 }, (_, i) => ({ key: `key-${i}`, value: "v".repeat(50) }));
    const operations = Array.from({ length: 100 }, (_, i) =>
      waiting(
        registerRequest(i, {
          attributes: attributes.map(({ key, value }) => ({ key, value: `${value}${i}` })),
        }),
      ),
    );
    const chosen = chooseBatch(operations, () => 100);
    expect(chosen.length).toBeGreaterThan(20);
    const blobs = chosen.map((_, i) =>
      toRegister(
        i,
        attributes.map(({ key, value }) => ({ key, value: `${value}${i}` })),
      ),
    );
    const { transaction } = registerTransaction(snapshot, WALLET, { kind: "coins", coins: [ref(1)] }, blobs);
    transaction.setSender(WALLET);
    transaction.setGasPayment([{ ...ref(9), version: "1" }]);
    transaction.setGasPrice(1);
    transaction.setGasBudget(1);
    expect((await transaction.build()).length).toBeLessThan(128 * 1024);
    expect(transaction.getData().commands.length).toBeLessThanOrEqual(1024);
  });
});

describe("prices", () => {
  it("charges started MiB of encoded bytes: storage by epochs, writing once", () => {
    // 10 shards, 1 byte: 10 * (64*10 + 32 + (4+7)*2) = 6940 bytes, one unit.
    expect(registrationCost(snapshot, 1, 3)).toEqual({
      encodedBytes: 6940,
      storageFrost: 33_000n,
      writeFrost: 20_000n,
      totalFrost: 53_000n,
    });
  });

  it.each([0, 54, 1.5])("refuses %s epochs ahead with the limit", (epochs) => {
    expect(() => registrationCost(snapshot, 1, epochs)).toThrow(
      expect.objectContaining({ code: "EPOCHS_OUT_OF_RANGE", details: { epochs, maxEpochsAhead: 53 } }),
    );
  });
});

describe("failures", () => {
  const abort = (module: string, abortCode: number) =>
    ({ kind: "move-abort", module, abortCode, function: "f", command: 2 }) as const;

  it.each([
    ["blob", 5, "blob::EAlreadyCertified", "refuse"],
    ["bls_aggregate", 2, "bls_aggregate::ENotEnoughStake", "refuse"],
    ["messages", 1, "messages::EIncorrectEpoch", "refuse"],
    ["system_state_inner", 1, "system_state_inner::EStorageExceeded", "refuse"],
    ["system", 1, "system::EWrongVersion", "refresh"],
    ["balance", 2, "balance::ENotEnough", "refresh"],
    ["balance", 0, "balance::ENonZero", "refresh"],
    ["blob", 4, "blob::4", "refuse"],
    ["toString", 0, "toString::0", "refuse"],
  ])("names %s %i %s and decides to %s", (module, code, name, verdict) => {
    expect(new MoveAbortError(abort(module, code)).abort).toBe(name);
    expect(failureVerdict(abort(module, code))).toBe(verdict);
  });

  it("brings an error's class back by its code", () => {
    const error = new SubmissionError("WALLET_BUSY", "busy", { retryable: true, details: { waiting: 1n } });
    expect(fromPortableError(toPortableError(error))).toEqual(error);
    const aborted = new MoveAbortError(abort("blob", 5));
    const back = fromPortableError(toPortableError(aborted));
    expect(back).toBeInstanceOf(MoveAbortError);
    expect(back).toEqual(aborted);
  });
});
