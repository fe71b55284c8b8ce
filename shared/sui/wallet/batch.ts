/**
 * Chooses which waiting operations go into the next transaction and builds it.
 *
 * A batch is of one kind, oldest first, and bounded: at most 100 operations, 1024 commands, about 100 KiB. Operations
 * that cannot be bought at all (caps, funds, epochs) are refused here, one by one, before anything is signed.
 */
import type { Transaction } from "@mysten/sui/transactions";
import type { RandomBytes } from "../../base/clock.ts";
import { FloeError } from "../../base/errors.ts";
import type { Certificate } from "../../protocol/certificate.ts";
import type { ObjectId } from "../../protocol/ids.ts";
import { SUI_COIN_TYPE } from "../client/type-names.ts";
import type { ChainSnapshot } from "../walrus/chain-snapshot.ts";
import {
  type BlobToCertify,
  type BlobToRegister,
  type BlobTransaction,
  certifyTransaction,
  deleteTransaction,
  MAX_COMMANDS,
  type ObjectRef,
  registerCommands,
  registerTransaction,
  SHARED_COMMANDS,
  toSdkRef,
  type WalSource,
} from "./blob-transactions.ts";
import { WALLET_LIMITS } from "./limits.ts";
import { registrationCost } from "./price.ts";
import { Spending, type SpendingCaps } from "./spending.ts";
import type { OperationOf, StoredOperation, SubmitterStore } from "./store.ts";
import { SubmissionError } from "./submissions.ts";
import type { CoinRef, SuiEpoch, WalletChain, WalletFunds } from "./wallet-chain.ts";

export interface Refusal {
  readonly operation: StoredOperation;
  readonly error: FloeError;
}

/** A transaction ready to be simulated, signed and sent. */
export interface PlannedBatch {
  readonly operations: readonly StoredOperation[];
  /** WAL each operation will be charged, by position. */
  readonly costs: readonly bigint[];
  readonly transaction: Transaction;
  readonly itemOfCommand: BlobTransaction["itemOfCommand"];
  readonly inputs: readonly ObjectRef[];
  /** What the gas payment holds. */
  readonly gasMist: bigint;
  /** The error to report when simulation wants more gas than that. */
  readonly gasShortage: (needMist: bigint) => SubmissionError;
  readonly usesAddressBalance: boolean;
  readonly successorSharesInput: boolean;
  readonly epoch: bigint;
  readonly lastEpoch: bigint;
}

export interface Plan {
  readonly refused: readonly Refusal[];
  /** Not on chain as far as the endpoint knows: to be tried again. */
  readonly postponed: readonly StoredOperation[];
  readonly batch: PlannedBatch | undefined;
}

export interface PlanContext {
  readonly owner: ObjectId;
  readonly chain: WalletChain;
  readonly store: SubmitterStore;
  readonly caps: SpendingCaps;
  readonly randomBytes: RandomBytes;
  readonly nowMs: number;
  readonly useAddressBalance: boolean;
}

/** The oldest operations of one kind that fit into one transaction; `limitOf` narrows it while bisecting. */
export function chooseBatch(
  waiting: readonly StoredOperation[],
  limitOf: (operation: StoredOperation) => number,
): readonly StoredOperation[] {
  const [first] = waiting;
  if (first === undefined) return [];
  const chosen: StoredOperation[] = [];
  let commands = SHARED_COMMANDS;
  let bytes = 0;
  let limit: number = WALLET_LIMITS.batchOperations;
  for (const operation of waiting) {
    if (operation.kind !== first.kind) continue;
    limit = Math.min(limit, limitOf(operation));
    const size = operationSize(operation);
    commands += size.commands;
    bytes += size.bytes;
    const fits = commands <= MAX_COMMANDS && bytes <= WALLET_LIMITS.batchBytes && chosen.length < limit;
    if (!fits && chosen.length > 0) break;
    chosen.push(operation);
  }
  return chosen;
}

/** Upper estimates: an input takes its bytes and a few, a command about 70 plus 3 per argument. */
function operationSize(operation: StoredOperation): { commands: number; bytes: number } {
  switch (operation.kind) {
    case "register": {
      const { attributes } = operation.request;
      let bytes = 400;
      for (const { key, value } of attributes) bytes += 130 + 3 * (key.length + value.length);
      return { commands: registerCommands(attributes.length), bytes };
    }
    case "certify":
      return { commands: 2, bytes: 700 };
    case "delete":
      return { commands: 1, bytes: 250 };
    default:
      return operation satisfies never;
  }
}

const NO_FUNDS: WalletFunds = { coins: [], coinBalance: 0n, addressBalance: 0n };

/** Checks and builds one batch. @throws SuiError when the chain cannot be read */
export async function planBatch(
  context: PlanContext,
  snapshot: ChainSnapshot,
  operations: readonly StoredOperation[],
): Promise<Plan> {
  const [first] = operations;
  const [epoch, sui, wal] = await Promise.all([
    context.chain.suiEpoch(),
    context.chain.funds(context.owner, SUI_COIN_TYPE),
    first?.kind === "register" ? context.chain.funds(context.owner, snapshot.walType) : NO_FUNDS,
  ]);
  switch (first?.kind) {
    case undefined:
      return { refused: [], postponed: [], batch: undefined };
    case "register":
      return planRegister(
        context,
        snapshot,
        operations.filter((each) => each.kind === "register"),
        epoch,
        wal,
        sui,
      );
    case "certify":
    case "delete":
      return planOwned(
        context,
        snapshot,
        operations.filter((each) => each.kind !== "register"),
        epoch,
        sui,
      );
    default:
      return first satisfies never;
  }
}

async function planRegister(
  context: PlanContext,
  snapshot: ChainSnapshot,
  operations: readonly OperationOf<"register">[],
  epoch: SuiEpoch,
  wal: WalletFunds,
  sui: WalletFunds,
): Promise<Plan> {
  const refused: Refusal[] = [];
  const accepted: OperationOf<"register">[] = [];
  const blobs: BlobToRegister[] = [];
  const spending = new Spending(context.caps, context.store, context.nowMs);
  let walLeft = spendable(wal, context.useAddressBalance);
  for (const operation of operations) {
    const { request } = operation;
    try {
      if (request.nShards !== snapshot.nShards) {
        throw new SubmissionError(
          "SHARD_COUNT_CHANGED",
          `the blob was encoded for ${request.nShards} shards, the committee has ${snapshot.nShards}`,
          { details: { encodedFor: request.nShards, nShards: snapshot.nShards } },
        );
      }
      const cost = registrationCost(snapshot, request.unencodedLength, request.epochs);
      spending.check(request.principal, cost.totalFrost);
      if (cost.totalFrost > walLeft)
        throw insufficient("INSUFFICIENT_WAL", cost.totalFrost, walLeft, wal, sui);
      if (!canPayGas(context, sui)) throw insufficient("INSUFFICIENT_SUI", 1n, 0n, wal, sui);
      spending.add(request.principal, cost.totalFrost);
      walLeft -= cost.totalFrost;
      accepted.push(operation);
      blobs.push({ ...request, cost });
    } catch (error) {
      if (!(error instanceof FloeError)) throw error;
      refused.push({ operation, error });
    }
  }
  if (accepted.length === 0) return { refused, postponed: [], batch: undefined };
  const costs = blobs.map((blob) => blob.cost.totalFrost);
  const total = costs.reduce((sum, cost) => sum + cost, 0n);
  const source = walSource(wal, total, context.useAddressBalance);
  const built = registerTransaction(snapshot, context.owner, source, blobs);
  const inputs = source.kind === "coins" ? source.coins : [];
  const batch = await finish(
    context,
    built,
    accepted,
    costs,
    inputs,
    epoch,
    { sui, wal },
    source.kind !== "coins",
  );
  return { refused, postponed: [], batch };
}

async function planOwned(
  context: PlanContext,
  snapshot: ChainSnapshot,
  operations: readonly (OperationOf<"certify"> | OperationOf<"delete">)[],
  epoch: SuiEpoch,
  sui: WalletFunds,
): Promise<Plan> {
  const refused: Refusal[] = [];
  const postponed: StoredOperation[] = [];
  const accepted: (OperationOf<"certify"> | OperationOf<"delete">)[] = [];
  const refs: ObjectRef[] = [];
  const taken = new Set<ObjectId>();
  const objects = await context.chain.objects(operations.map((each) => each.request.objectId));
  operations.forEach((operation, index) => {
    const { objectId } = operation.request;
    const object = objects[index];
    if (object === undefined || taken.has(objectId)) {
      postponed.push(operation);
    } else if (object.ownerAddress !== context.owner) {
      const error = new SubmissionError("BLOB_NOT_OWNED", `the wallet does not own ${objectId}`, {
        details: { objectId },
      });
      refused.push({ operation, error });
    } else if (!canPayGas(context, sui)) {
      refused.push({ operation, error: insufficient("INSUFFICIENT_SUI", 1n, 0n, undefined, sui) });
    } else if (operation.kind === "certify" && !areMembers(operation.request.certificate, snapshot)) {
      const error = new SubmissionError("INVALID_SUBMISSION", "a signer is no member of the committee", {
        details: { members: snapshot.committee.members.length },
      });
      refused.push({ operation, error });
    } else {
      taken.add(objectId);
      accepted.push(operation);
      refs.push(object.ref);
    }
  });
  if (accepted.length === 0) return { refused, postponed, batch: undefined };
  const built = buildOwned(context, snapshot, accepted, refs);
  const costs = accepted.map(() => 0n);
  return {
    refused,
    postponed,
    batch: await finish(context, built, accepted, costs, refs, epoch, { sui }, false),
  };
}

const areMembers = ({ signers }: Certificate, { committee }: ChainSnapshot): boolean =>
  signers.every((signer) => Number.isInteger(signer) && signer >= 0 && signer < committee.members.length);

function buildOwned(
  context: PlanContext,
  snapshot: ChainSnapshot,
  operations: readonly (OperationOf<"certify"> | OperationOf<"delete">)[],
  refs: readonly ObjectRef[],
): BlobTransaction {
  const toCertify: BlobToCertify[] = [];
  operations.forEach((operation, index) => {
    const blob = refs[index];
    if (operation.kind !== "certify" || blob === undefined) return;
    const { certificate, sendObjectTo, share } = operation.request;
    toCertify.push({ blob, certificate, sendObjectTo, share });
  });
  return toCertify.length > 0
    ? certifyTransaction(snapshot, toCertify)
    : deleteTransaction(snapshot, context.owner, refs);
}

/** Adds sender, gas and expiration. */
async function finish(
  context: PlanContext,
  built: BlobTransaction,
  operations: readonly StoredOperation[],
  costs: readonly bigint[],
  ownedInputs: readonly ObjectRef[],
  { epoch, gasPrice }: SuiEpoch,
  funds: { readonly sui: WalletFunds; readonly wal?: WalletFunds },
  fromAddressBalance: boolean,
): Promise<PlannedBatch> {
  const { transaction, itemOfCommand } = built;
  const { sui, wal } = funds;
  transaction.setSender(context.owner);
  transaction.setGasPrice(gasPrice);
  let lastEpoch = epoch;
  let gas: readonly CoinRef[] = [];
  if (paysGasFromAddressBalance(context, sui)) {
    // Without a versioned input only digest and epochs keep it from running twice: hence the nonce and the window.
    lastEpoch = epoch + 1n;
    transaction.setGasPayment([]);
    transaction.setExpiration({
      ValidDuring: {
        minEpoch: epoch.toString(),
        maxEpoch: lastEpoch.toString(),
        minTimestamp: null,
        maxTimestamp: null,
        chain: await context.chain.chainId(),
        nonce: new DataView(context.randomBytes(4).buffer).getUint32(0),
      },
    });
  } else {
    gas = sui.coins;
    transaction.setGasPayment(gas.map(toSdkRef));
    transaction.setExpiration({ Epoch: epoch.toString() });
  }
  const gasMist = gas.length === 0 ? sui.addressBalance : gas.reduce((sum, coin) => sum + coin.balance, 0n);
  return {
    operations,
    costs,
    transaction,
    itemOfCommand,
    inputs: [...ownedInputs, ...gas],
    gasMist,
    gasShortage: (needMist) => insufficient("INSUFFICIENT_SUI", needMist, gasMist, wal, sui),
    usesAddressBalance: gas.length === 0 || fromAddressBalance,
    successorSharesInput: gas.length > 0 || operations[0]?.kind !== "register",
    epoch,
    lastEpoch,
  };
}

/** Below this the address balance may not cover a batch's gas, and coins are used. */
const GAS_FROM_ADDRESS_BALANCE_MIST = 200_000_000n;

const paysGasFromAddressBalance = (context: PlanContext, sui: WalletFunds): boolean =>
  context.useAddressBalance && sui.addressBalance >= GAS_FROM_ADDRESS_BALANCE_MIST;
const canPayGas = (context: PlanContext, sui: WalletFunds): boolean =>
  sui.coinBalance > 0n || paysGasFromAddressBalance(context, sui);

const spendable = (funds: WalletFunds, useAddressBalance: boolean): bigint => {
  const inCoins = funds.coins.reduce((sum, coin) => sum + coin.balance, 0n);
  return useAddressBalance && funds.addressBalance > inCoins ? funds.addressBalance : inCoins;
};

function walSource(wal: WalletFunds, total: bigint, useAddressBalance: boolean): WalSource {
  if (useAddressBalance && wal.addressBalance >= total) return { kind: "address-balance" };
  const [first, ...rest] = wal.coins;
  if (first === undefined) throw new SubmissionError("INSUFFICIENT_WAL", "the wallet has no WAL coin");
  return { kind: "coins", coins: [first, ...rest] };
}

function insufficient(
  code: "INSUFFICIENT_WAL" | "INSUFFICIENT_SUI",
  need: bigint,
  have: bigint,
  wal: WalletFunds | undefined,
  sui: WalletFunds,
): SubmissionError {
  const walFrost = wal === undefined ? null : wal.coinBalance + wal.addressBalance;
  const suiMist = sui.coinBalance + sui.addressBalance;
  const [coin, unit] = code === "INSUFFICIENT_WAL" ? ["WAL", "FROST"] : ["SUI", "MIST"];
  const walText = walFrost === null ? "" : `; balances: ${walFrost} FROST of WAL, ${suiMist} MIST of SUI`;
  return new SubmissionError(code, `not enough ${coin}: needs ${need} ${unit}, ${have} free${walText}`, {
    details: { need, free: have, walFrost, suiMist },
  });
}
