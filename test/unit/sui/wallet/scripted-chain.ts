/**
 * A chain in memory for the submitter: real signed bytes in, exactly one execution per digest, and a script for what
 * the wallet gets to see of it. It understands the commands of `blob-transactions.ts` by their order and charges for
 * registrations, so that a test can count what was paid.
 */
import { bcs } from "@mysten/sui/bcs";
import { type Transaction, TransactionDataBuilder } from "@mysten/sui/transactions";
import { fromBase64 } from "../../../../shared/base/bytes.ts";
import { bytesToU256, type ObjectId, parseObjectId } from "../../../../shared/protocol/ids.ts";
import type { ExecutionFailure } from "../../../../shared/sui/client/move-abort.ts";
import { SuiError } from "../../../../shared/sui/client/sui-error.ts";
import { SUI_COIN_TYPE } from "../../../../shared/sui/client/type-names.ts";
import {
  type BuiltTransaction,
  type ExecutedTransaction,
  type SendableTransaction,
  SimulatedFailure,
  type VersionFate,
  type WalletChain,
  type WalletFunds,
  type WalletObject,
} from "../../../../shared/sui/wallet/wallet-chain.ts";
import { EVENT_LAYOUTS } from "../../../../shared/sui/walrus/events.ts";
import { BlobLayout } from "../../../../shared/sui/walrus/layouts.ts";
import { ORIGINAL, snapshotOf, WALLET } from "../walrus/fixtures.ts";

interface StoredObject {
  version: bigint;
  content: Uint8Array;
  owner: ObjectId | undefined;
  writer: string;
}

type Command = ReturnType<TransactionDataBuilder["snapshot"]>["commands"][number];
type Data = ReturnType<TransactionDataBuilder["snapshot"]>;

const idOf = (name: number): ObjectId => parseObjectId(`0x${name.toString(16)}`);
const GAS_COIN = idOf(0xc0);
const WAL_COIN = idOf(0xc1);

/** What the wallet sees of one `execute`. */
export type Delivery =
  /** Executed, effects returned. */
  | "answer"
  /** Executed, the reply lost. */
  | "lose-reply"
  /** Never reached the chain. */
  | "lose-request"
  /** Accepted; executes when `land()` is called. */
  | "delay";

export class ScriptedChain implements WalletChain {
  readonly snapshot = snapshotOf({});
  /** One entry per `execute`; the last one repeats. */
  deliveries: Delivery[] = ["answer"];
  /** Blob IDs (u256) that the contract refuses. */
  readonly badBlobs = new Set<bigint>();
  /** Failures of the next simulations, in order. */
  simulationFailures: ExecutionFailure[] = [];
  /** Failures of the next executions, in order. */
  executionFailures: ExecutionFailure[] = [];
  isUnreachable = false;
  hidesTransactions = false;
  epoch = 7n;
  walFrost = 10n ** 12n;
  /** Every digest the wallet ever sent, and how often. */
  readonly sent = new Map<string, number>();
  /** Digests ever sent, by the gas coin's version and the last epoch they were good for. */
  readonly sentOverGas = new Map<string, Set<string>>();
  registrations: { objectId: ObjectId; blobId: bigint; digest: string }[] = [];
  certifications: { objectId: ObjectId; digest: string }[] = [];
  deletions: ObjectId[] = [];
  readonly #objects = new Map<ObjectId, StoredObject>();
  readonly #executed = new Map<string, ExecutedTransaction>();
  readonly #delayed: SendableTransaction[] = [];
  #lastId = 0x1000;

  constructor() {
    for (const id of [GAS_COIN, WAL_COIN]) {
      this.#objects.set(id, { version: 1n, content: new Uint8Array(), owner: WALLET, writer: "genesis" });
    }
  }

  /** Somebody else uses the gas coin up. */
  useGasElsewhere(): void {
    this.#touch(GAS_COIN, "foreign");
    this.#touch(WAL_COIN, "foreign");
  }

  land(): void {
    for (const transaction of this.#delayed.splice(0)) this.#run(transaction);
  }

  async suiEpoch() {
    this.#reach();
    return { epoch: this.epoch, gasPrice: 1000n };
  }
  async chainId() {
    return "11111111111111111111111111111111";
  }
  async funds(_owner: ObjectId, coinType: string): Promise<WalletFunds> {
    this.#reach();
    const isSui = coinType === SUI_COIN_TYPE;
    const objectId = isSui ? GAS_COIN : WAL_COIN;
    const balance = isSui ? 10n ** 12n : this.walFrost;
    const { version } = this.#object(objectId);
    const coins = [{ objectId, version, digest: DIGEST, balance }];
    return { coins, coinBalance: balance, addressBalance: 0n };
  }
  async objects(ids: readonly ObjectId[]): Promise<readonly (WalletObject | undefined)[]> {
    this.#reach();
    return ids.map((objectId) => {
      const object = this.#objects.get(objectId);
      if (object === undefined) return undefined;
      return {
        ref: { objectId, version: object.version, digest: DIGEST },
        type: "",
        ownerAddress: object.owner,
        content: object.content,
        previousTransaction: object.writer,
      };
    });
  }
  async build(transaction: Transaction): Promise<BuiltTransaction> {
    this.#reach();
    transaction.setGasBudget(10_000_000);
    const bytes = await transaction.build();
    const digest = TransactionDataBuilder.getDigestFromBytes(bytes);
    const failure = this.simulationFailures.shift() ?? this.#refusal(TransactionDataBuilder.fromBytes(bytes));
    if (failure !== undefined) throw new SimulatedFailure(failure);
    return { bytes, digest, gasBudgetMist: 10_000_000n };
  }
  async execute(transaction: SendableTransaction): Promise<ExecutedTransaction> {
    const { digest } = transaction;
    this.sent.set(digest, (this.sent.get(digest) ?? 0) + 1);
    const { gasData, expiration } = TransactionDataBuilder.fromBytes(transaction.bytes).snapshot();
    const use = `gas version ${gasData.payment?.[0]?.version} in epoch ${expiration?.Epoch}`;
    this.sentOverGas.set(use, (this.sentOverGas.get(use) ?? new Set()).add(digest));
    const delivery = this.deliveries.length > 1 ? this.deliveries.shift() : this.deliveries[0];
    if (this.isUnreachable || delivery === "lose-request") throw unknownOutcome(digest);
    if (delivery === "delay") {
      this.#delayed.push(transaction);
      throw unknownOutcome(digest);
    }
    const executed = this.#run(transaction);
    if (delivery === "lose-reply" || executed === undefined) throw unknownOutcome(digest);
    return executed;
  }
  async lookUp(digest: string): Promise<ExecutedTransaction | undefined> {
    this.#reach();
    return this.hidesTransactions ? undefined : this.#executed.get(digest);
  }
  async fateOf({ objectId, version }: { objectId: ObjectId; version: bigint }): Promise<VersionFate> {
    this.#reach();
    const object = this.#object(objectId);
    return object.version === version ? { kind: "current" } : { kind: "consumed", byDigest: object.writer };
  }
  async isProvenAbsent(digest: string): Promise<boolean> {
    return !this.#executed.has(digest);
  }

  #reach(): void {
    if (this.isUnreachable) throw new SuiError("SUI_UNREACHABLE", "down", { retryable: true });
  }
  #object(id: ObjectId): StoredObject {
    const object = this.#objects.get(id);
    if (object === undefined) throw new Error(`no object ${id}`);
    return object;
  }
  #touch(id: ObjectId, writer: string): void {
    const object = this.#object(id);
    this.#objects.set(id, { ...object, version: object.version + 1n, writer });
  }

  /** Executes once; undefined when the chain refuses the bytes for good (inputs used up, expired). */
  #run({ bytes, digest }: SendableTransaction): ExecutedTransaction | undefined {
    const before = this.#executed.get(digest);
    if (before !== undefined) return before;
    const data = TransactionDataBuilder.fromBytes(bytes).snapshot();
    const expiry = data.expiration?.$kind === "Epoch" ? BigInt(data.expiration.Epoch) : this.epoch;
    const gas = data.gasData.payment?.[0];
    if (expiry < this.epoch || BigInt(gas?.version ?? -1) !== this.#object(GAS_COIN).version)
      return undefined;
    const failure = this.executionFailures.shift();
    const events = failure === undefined ? this.#perform(data, digest) : [];
    this.#touch(GAS_COIN, digest);
    if (data.inputs.some((input) => input.Object?.ImmOrOwnedObject?.objectId === WAL_COIN)) {
      this.#touch(WAL_COIN, digest);
    }
    const executed = { digest, failure, events, changedObjects: [], gasMist: 1n };
    this.#executed.set(digest, executed);
    return executed;
  }

  #refusal(builder: TransactionDataBuilder): ExecutionFailure | undefined {
    const data = builder.snapshot();
    const command = data.commands.findIndex(
      (each) => functionOf(each) === "register_blob" && this.badBlobs.has(u256(data, each, 2)),
    );
    if (command < 0) return undefined;
    return { kind: "move-abort", module: "blob", abortCode: 6, function: "new", command };
  }

  #perform(data: Data, digest: string): { type: string; contents: Uint8Array }[] {
    const { epoch } = this.snapshot;
    const events: { type: string; contents: Uint8Array }[] = [];
    let epochs = 0;
    for (const command of data.commands) {
      switch (functionOf(command)) {
        case "reserve_space":
          epochs = bcs.u32().parse(pure(data, command, 2));
          break;
        case "register_blob": {
          const objectId = idOf(this.#lastId++);
          const [blob_id, size] = [u256(data, command, 2), BigInt(bcs.u64().parse(pure(data, command, 4)))];
          const deletable = bcs.bool().parse(pure(data, command, 6));
          const end_epoch = epoch + epochs;
          const contents = BlobLayout.serialize({
            id: objectId,
            registered_epoch: epoch,
            blob_id,
            size,
            encoding_type: 1,
            certified_epoch: null,
            storage: { id: idOf(this.#lastId++), start_epoch: epoch, end_epoch, storage_size: 1n },
            deletable,
          }).toBytes();
          this.#objects.set(objectId, { version: 1n, content: contents, owner: WALLET, writer: digest });
          this.registrations.push({ objectId, blobId: blob_id, digest });
          const event = { epoch, blob_id, size, encoding_type: 1, end_epoch, deletable, object_id: objectId };
          events.push({
            type: `${ORIGINAL}::events::BlobRegistered`,
            contents: EVENT_LAYOUTS.BlobRegistered.serialize(event).toBytes(),
          });
          break;
        }
        case "certify_blob": {
          const object_id = objectArgument(data, command, 1);
          const { blob_id, deletable, storage } = BlobLayout.parse(this.#object(object_id).content);
          this.#touch(object_id, digest);
          this.certifications.push({ objectId: object_id, digest });
          const { end_epoch } = storage;
          const event = { epoch, blob_id, end_epoch, deletable, object_id, is_extension: false };
          events.push({
            type: `${ORIGINAL}::events::BlobCertified`,
            contents: EVENT_LAYOUTS.BlobCertified.serialize(event).toBytes(),
          });
          break;
        }
        case "delete_blob":
          this.deletions.push(objectArgument(data, command, 1));
          break;
        default:
          break;
      }
    }
    return events;
  }
}

const DIGEST = "11111111111111111111111111111111";
const unknownOutcome = (digest: string) =>
  new SuiError("SUI_OUTCOME_UNKNOWN", `transaction ${digest}: no answer`, { retryable: true });

const functionOf = (command: Command): string | undefined => command.MoveCall?.function;

function input(data: Data, command: Command, position: number) {
  const argument = command.MoveCall?.arguments[position];
  const found = argument?.$kind === "Input" ? data.inputs[argument.Input] : undefined;
  if (found === undefined) throw new Error(`argument ${position} is no input`);
  return found;
}
const pure = (data: Data, command: Command, position: number): Uint8Array =>
  fromBase64(input(data, command, position).Pure?.bytes ?? "");
const u256 = (data: Data, command: Command, position: number): bigint =>
  bytesToU256(pure(data, command, position));
const objectArgument = (data: Data, command: Command, position: number): ObjectId =>
  parseObjectId(input(data, command, position).Object?.ImmOrOwnedObject?.objectId ?? "");
