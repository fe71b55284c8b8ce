/**
 * The chain as a wallet sees it: funds, objects, simulation, execution, look-up, and proof that a signed transaction
 * can never execute.
 *
 * Contract of every method: it may be called any number of times, has no effect except `execute`, does not retry
 * beyond the client's endpoints, and throws a `SuiError` when no usable answer came.
 */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import { type Transaction, TransactionDataBuilder } from "@mysten/sui/transactions";
import { type ObjectId, parseObjectId } from "../../protocol/ids.ts";
import { readChainId } from "../client/checkpoints.ts";
import type { ExecutionFailure } from "../client/move-abort.ts";
import { suiCall, toSuiError } from "../client/sui-client.ts";
import { SuiError } from "../client/sui-error.ts";
import type { ObjectRef } from "./blob-transactions.ts";
import { WALLET_LIMITS } from "./limits.ts";

export interface CoinRef extends ObjectRef {
  readonly balance: bigint;
}

/** What the wallet holds of one coin type, in its smallest unit. */
export interface WalletFunds {
  /** Largest balance first, at most `WALLET_LIMITS.walletCoins`. */
  readonly coins: readonly CoinRef[];
  readonly coinBalance: bigint;
  /** Held by the address itself, without a coin object. */
  readonly addressBalance: bigint;
}

export interface SuiEpoch {
  readonly epoch: bigint;
  /** MIST per unit of gas. */
  readonly gasPrice: bigint;
}

export interface WalletObject {
  readonly ref: ObjectRef;
  readonly type: string;
  /** The address that owns it; undefined when shared, immutable or owned by an object. */
  readonly ownerAddress: ObjectId | undefined;
  readonly content: Uint8Array;
  /** Digest of the transaction that wrote this version. */
  readonly previousTransaction: string | undefined;
}

export interface ChainEvent {
  readonly type: string;
  readonly contents: Uint8Array;
}

export interface ChangedObject {
  readonly objectId: ObjectId;
  /** Version before; undefined when it did not exist. */
  readonly inputVersion: bigint | undefined;
  readonly isCreated: boolean;
  readonly isShared: boolean;
}

/** The final word on a transaction, success or failure: it will not change. */
export interface ExecutedTransaction {
  readonly digest: string;
  readonly failure: ExecutionFailure | undefined;
  readonly events: readonly ChainEvent[];
  readonly changedObjects: readonly ChangedObject[];
  /** Net gas in MIST; negative when rebates exceed costs. */
  readonly gasMist: bigint;
}

export interface BuiltTransaction {
  /** BCS of TransactionData: what is signed and sent. */
  readonly bytes: Uint8Array;
  readonly digest: string;
  /** The most gas it may cost, in MIST; validators want the payment to hold that much. */
  readonly gasBudgetMist: bigint;
}
/** What is needed to send one. */
export type SendableTransaction = Pick<BuiltTransaction, "bytes" | "digest">;

/** A transaction that simulation says would fail; nothing was sent. */
export class SimulatedFailure extends Error {
  override readonly name = "SimulatedFailure";
  readonly failure: ExecutionFailure;
  constructor(failure: ExecutionFailure) {
    super(`simulation failed: ${failure.kind}`);
    this.failure = failure;
  }
}

/** What became of one version of an owned object. */
export type VersionFate =
  /** Still the current version: no transaction has used it. */
  | { readonly kind: "current" }
  /** Used up by this transaction. */
  | { readonly kind: "consumed"; readonly byDigest: string }
  /** Used up, by which transaction could not be found out. */
  | { readonly kind: "consumed-unknown" };

export interface WalletChain {
  suiEpoch(): Promise<SuiEpoch>;
  /** Identifier of the chain, for transactions bound to it. */
  chainId(): Promise<string>;
  funds(owner: ObjectId, coinType: string): Promise<WalletFunds>;
  /** In the order asked; undefined where the endpoint knows no such object. */
  objects(ids: readonly ObjectId[]): Promise<readonly (WalletObject | undefined)[]>;
  /**
   * Fills in the gas budget by simulation and serialises. The transaction must name its sender, gas payment, gas
   * price, expiration and every object version.
   * @throws SimulatedFailure when it would fail
   */
  build(transaction: Transaction): Promise<BuiltTransaction>;
  /**
   * Sends signed bytes. The same bytes may be sent any number of times: they are one transaction.
   * @throws SuiError `SUI_OUTCOME_UNKNOWN` whenever no effects came back, whatever the reason: also a refusal does
   *   not prove that an earlier sending of the same bytes has not been accepted
   */
  execute(transaction: SendableTransaction, signature: string): Promise<ExecutedTransaction>;
  /** undefined = this endpoint does not know it (yet): proves nothing. */
  lookUp(digest: string): Promise<ExecutedTransaction | undefined>;
  fateOf(object: ObjectRef): Promise<VersionFate>;
  /**
   * Whether the transaction is proven never to have executed up to the end of `epoch`: one and the same endpoint is
   * past that epoch, does not know the digest, and has kept history from before `epoch`.
   */
  isProvenAbsent(digest: string, signedInEpoch: bigint, epoch: bigint): Promise<boolean>;
}

const INCLUDE = { effects: true, events: true } as const;
/** Transactions followed back when looking for the one that used a version up. */
const FATE_STEPS = 16;

type SdkResult = Awaited<ReturnType<typeof getTransaction>>;
const getTransaction = (client: SuiGrpcClient, digest: string) =>
  client.getTransaction({ digest, include: INCLUDE });

/**
 * `WalletChain` over gRPC.
 *
 * @param client tries all endpoints
 * @param endpoints one client per endpoint, so that the parts of a proof come from one node's view
 */
export function createWalletChain(client: SuiGrpcClient, endpoints: readonly SuiGrpcClient[]): WalletChain {
  return {
    suiEpoch: () => readEpoch(client),
    chainId: () => readChainId(client),
    funds: (owner, coinType) => readFunds(client, owner, coinType),
    objects: (ids) => readWalletObjects(client, ids),
    build: (transaction) => buildTransaction(client, transaction),
    execute: async ({ bytes, digest }, signature) => {
      try {
        return toExecuted(
          await client.executeTransaction({ transaction: bytes, signatures: [signature], include: INCLUDE }),
          digest,
        );
      } catch (error) {
        const cause = toSuiError(error, "executing a transaction");
        throw new SuiError("SUI_OUTCOME_UNKNOWN", `transaction ${digest}: ${cause.message}`, {
          cause,
          retryable: true,
          details: { digest, reason: cause.code },
        });
      }
    },
    lookUp: (digest) => lookUp(client, digest),
    fateOf: (object) => fateOf(client, object),
    isProvenAbsent: async (digest, signedInEpoch, epoch) => {
      for (const endpoint of endpoints) {
        if (await isAbsentAt(endpoint, digest, signedInEpoch, epoch)) return true;
      }
      return false;
    },
  };
}

async function readEpoch(client: SuiGrpcClient): Promise<SuiEpoch> {
  const { response } = await suiCall("reading the Sui epoch", async () =>
    client.ledgerService.getEpoch({ readMask: { paths: ["epoch", "reference_gas_price"] } }),
  );
  const { epoch, referenceGasPrice } = response.epoch ?? {};
  if (epoch === undefined || referenceGasPrice === undefined) {
    throw new SuiError("SUI_MALFORMED", "the Sui epoch lacks its number or gas price");
  }
  return { epoch, gasPrice: referenceGasPrice };
}

async function readFunds(client: SuiGrpcClient, owner: ObjectId, coinType: string): Promise<WalletFunds> {
  return suiCall("reading the wallet's funds", async () => {
    const [{ balance }, coins] = await Promise.all([
      client.getBalance({ owner, coinType }),
      listCoins(client, owner, coinType),
    ]);
    coins.sort((a, b) =>
      a.balance === b.balance ? (a.objectId < b.objectId ? -1 : 1) : a.balance > b.balance ? -1 : 1,
    );
    return {
      coins: coins.slice(0, WALLET_LIMITS.walletCoins),
      coinBalance: coins.reduce((sum, coin) => sum + coin.balance, 0n),
      addressBalance: BigInt(balance.addressBalance),
    };
  });
}

async function listCoins(client: SuiGrpcClient, owner: ObjectId, coinType: string): Promise<CoinRef[]> {
  const coins: CoinRef[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<SuiGrpcClient["listCoins"]>> = await client.listCoins({
      owner,
      coinType,
      cursor,
    });
    for (const coin of page.objects) {
      coins.push({
        objectId: parseObjectId(coin.objectId),
        version: BigInt(coin.version),
        digest: coin.digest,
        balance: BigInt(coin.balance),
      });
    }
    cursor = page.hasNextPage ? page.cursor : null;
  } while (cursor !== null && coins.length < WALLET_LIMITS.walletCoinsListed);
  return coins;
}

async function readWalletObjects(
  client: SuiGrpcClient,
  ids: readonly ObjectId[],
): Promise<readonly (WalletObject | undefined)[]> {
  if (ids.length === 0) return [];
  const { objects } = await suiCall(`reading ${ids.length} objects`, () =>
    client.getObjects({ objectIds: [...ids], include: { content: true, previousTransaction: true } }),
  );
  return ids.map((objectId, index) => {
    const object = objects[index];
    if (object === undefined || object instanceof Error) return undefined;
    return {
      ref: { objectId, version: BigInt(object.version), digest: object.digest },
      type: object.type,
      ownerAddress:
        object.owner?.$kind === "AddressOwner" ? parseObjectId(object.owner.AddressOwner) : undefined,
      content: object.content,
      previousTransaction: object.previousTransaction ?? undefined,
    };
  });
}

async function buildTransaction(client: SuiGrpcClient, transaction: Transaction): Promise<BuiltTransaction> {
  try {
    const bytes = await transaction.build({ client });
    const gasBudgetMist = BigInt(transaction.getData().gasData.budget ?? 0);
    return { bytes, digest: TransactionDataBuilder.getDigestFromBytes(bytes), gasBudgetMist };
  } catch (error) {
    const failure = executionErrorIn(error);
    if (failure !== undefined) throw new SimulatedFailure(toFailure(failure));
    throw toSuiError(error, "simulating a transaction");
  }
}

type SdkExecutionError = NonNullable<SdkStatus["error"]>;
type SdkStatus = NonNullable<SdkResult["Transaction"]>["status"];

/** The SDK's SimulationError carries the execution's failure when there was an execution. */
function executionErrorIn(error: unknown): SdkExecutionError | undefined {
  if (!(error instanceof Error) || !("executionError" in error)) return undefined;
  // Set only by the SDK, to its own type or undefined.
  return error.executionError as SdkExecutionError | undefined;
}

function toFailure(error: SdkExecutionError): ExecutionFailure {
  if (error.$kind === "MoveAbort") {
    return {
      kind: "move-abort",
      module: error.MoveAbort.location?.module ?? "unknown",
      abortCode: Number(error.MoveAbort.abortCode),
      function: error.MoveAbort.location?.functionName,
      command: error.command,
    };
  }
  if (error.$kind === "CongestedObjects") return { kind: "congestion" };
  return { kind: "other", message: error.message.slice(0, 200), command: error.command };
}

function toExecuted(result: SdkResult, digest: string): ExecutedTransaction {
  const transaction = result.Transaction ?? result.FailedTransaction;
  const effects = transaction?.effects;
  if (transaction === undefined || effects === undefined || effects === null) {
    throw new SuiError("SUI_MALFORMED", `the answer about ${digest} has no effects`);
  }
  if (transaction.digest !== digest) {
    throw new SuiError("SUI_MALFORMED", `asked about ${digest}, the answer is about another transaction`);
  }
  const { computationCost, storageCost, storageRebate } = effects.gasUsed;
  return {
    digest,
    failure: transaction.status.success ? undefined : toFailure(transaction.status.error),
    events: (transaction.events ?? []).map((event) => ({ type: event.eventType, contents: event.bcs })),
    changedObjects: effects.changedObjects.map((change) => ({
      objectId: parseObjectId(change.objectId),
      inputVersion: change.inputVersion === null ? undefined : BigInt(change.inputVersion),
      isCreated: change.idOperation === "Created",
      isShared: change.outputOwner?.$kind === "Shared",
    })),
    gasMist: BigInt(computationCost) + BigInt(storageCost) - BigInt(storageRebate),
  };
}

async function lookUp(client: SuiGrpcClient, digest: string): Promise<ExecutedTransaction | undefined> {
  try {
    return toExecuted(await getTransaction(client, digest), digest);
  } catch (cause) {
    const error = toSuiError(cause, `looking up ${digest}`);
    if (error.code === "SUI_NOT_FOUND") return undefined;
    throw error;
  }
}

async function fateOf(client: SuiGrpcClient, { objectId, version }: ObjectRef): Promise<VersionFate> {
  const [current] = await readWalletObjects(client, [objectId]);
  if (current === undefined) return { kind: "consumed-unknown" };
  // A node that has not caught up shows an older version: for it, nothing has used this one either.
  if (current.ref.version <= version) return { kind: "current" };
  let writer = current.previousTransaction;
  for (let step = 0; step < FATE_STEPS && writer !== undefined; step++) {
    const executed = await lookUp(client, writer);
    const input = executed?.changedObjects.find((change) => change.objectId === objectId)?.inputVersion;
    if (input === undefined || input < version) break;
    if (input === version) return { kind: "consumed", byDigest: writer };
    writer = await writerOf(client, objectId, input);
  }
  return { kind: "consumed-unknown" };
}

/** The transaction that wrote this version, if the endpoint still has it. */
async function writerOf(
  client: SuiGrpcClient,
  objectId: ObjectId,
  version: bigint,
): Promise<string | undefined> {
  try {
    const { response } = await client.ledgerService.getObject({
      objectId,
      version,
      readMask: { paths: ["previous_transaction"] },
    });
    return response.object?.previousTransaction;
  } catch (cause) {
    const error = toSuiError(cause, "reading an object's history");
    if (error.code === "SUI_NOT_FOUND" || error.code === "SUI_REJECTED") return undefined;
    throw error;
  }
}

async function isAbsentAt(
  client: SuiGrpcClient,
  digest: string,
  signedInEpoch: bigint,
  epoch: bigint,
): Promise<boolean> {
  const now = await readEpoch(client);
  if (now.epoch <= epoch) return false;
  if ((await lookUp(client, digest)) !== undefined) return false;
  const lowest = await suiCall("reading how far history reaches", async () => {
    const { response } = await client.ledgerService.getServiceInfo({});
    return response.lowestAvailableCheckpoint;
  });
  if (lowest === undefined) return false;
  if (lowest === 0n) return true;
  const oldest = await suiCall("reading the oldest checkpoint", async () => {
    const { response } = await client.ledgerService.getCheckpoint({
      checkpointId: { oneofKind: "sequenceNumber", sequenceNumber: lowest },
      readMask: { paths: ["summary.epoch"] },
    });
    return response.checkpoint?.summary?.epoch;
  });
  return oldest !== undefined && oldest < signedInEpoch;
}
