/**
 * Looks at everything after a fault: chain, money, storage nodes, tracker, wallet, and what a reader gets. What it
 * finds wrong it returns as sentences; nothing wrong is an empty list.
 */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import type { UploadStatus } from "../../../functions/tracker/status-view.ts";
import { toHex } from "../../../shared/base/bytes.ts";
import { blake2b256 } from "../../../shared/crypto/blake2b.ts";
import { isQuorum } from "../../../shared/protocol/bft.ts";
import { AXES, type Axis, type BlobId, shardIndex } from "../../../shared/protocol/ids.ts";
import { pairOfShard, sliverOfPair } from "../../../shared/protocol/mapping.ts";
import { registrationCost } from "../../../shared/sui/wallet/price.ts";
import { type ChainSnapshot, readChainSnapshot } from "../../../shared/sui/walrus/chain-snapshot.ts";
import { parseWalrusEvent, type WalrusEvent } from "../../../shared/sui/walrus/events.ts";
import { type EncodedBlob, encodeBlob } from "../codec/encoded-blob.ts";
import { suiClient } from "../sui/chain.ts";
import { sameBytes } from "../system.ts";
import type { FaultSystem } from "./fault-system.ts";

type Registered = Extract<WalrusEvent, { kind: "BlobRegistered" }> & { readonly digest: string };
type Certified = Extract<WalrusEvent, { kind: "BlobCertified" }> & { readonly digest: string };

/** What a client asked for, and how it must have ended. */
export interface Expected {
  readonly content: Uint8Array;
  readonly epochs: number;
  readonly deletable: boolean;
  /** Registrations paid for this blob so far. Default 1. */
  readonly registrations?: number;
  /** Default: as many as registrations. */
  readonly certifications?: number;
  /** False while nodes are down: then a quorum must hold its slivers. Default true: every sliver is stored. */
  readonly onAllNodes?: boolean;
  /** Objects that left the wallet (sent or shared). Default 0. */
  readonly handedOver?: number;
}

/** The tail of an upload and the last writes of the objects come after the reply: never later, on any machine. */
const SETTLE_MS = 120_000;
const POLL_MS = 50;

export class StateChecker {
  readonly #system: FaultSystem;
  readonly #client: SuiGrpcClient;
  readonly #snapshot: ChainSnapshot;
  readonly #registered: Registered[] = [];
  readonly #certified: Certified[] = [];
  readonly #cursors = new Map<string, string>();
  /** WAL of the wallet when the checker was made. */
  readonly #walAtStart: bigint;
  readonly #handedOver = new Map<string, number>();

  private constructor(
    system: FaultSystem,
    client: SuiGrpcClient,
    snapshot: ChainSnapshot,
    walAtStart: bigint,
  ) {
    this.#system = system;
    this.#client = client;
    this.#snapshot = snapshot;
    this.#walAtStart = walAtStart;
  }

  /** Made before the first upload: from then on every FROST is accounted for. */
  static async create(system: FaultSystem): Promise<StateChecker> {
    const { file } = system.network;
    const client = suiClient(file);
    const snapshot = await readChainSnapshot(client, file.walrus, Date.now());
    const wal = await walOf(client, snapshot, file.wallet?.address ?? "");
    return new StateChecker(system, client, snapshot, wal);
  }

  /** Registrations and certifications of one blob on chain. */
  async history(blobId: string): Promise<{ registered: Registered[]; certified: Certified[] }> {
    await this.#refresh();
    return {
      registered: this.#registered.filter((event) => event.blob_id === blobId),
      certified: this.#certified.filter((event) => event.blob_id === blobId),
    };
  }

  /** Transactions that carried registrations and certifications so far. */
  async transactions(): Promise<{ register: number; certify: number }> {
    await this.#refresh();
    return {
      register: new Set(this.#registered.map(({ digest }) => digest)).size,
      certify: new Set(this.#certified.map(({ digest }) => digest)).size,
    };
  }

  /** Waits until nothing is wrong, at most `SETTLE_MS`: replies leave before the tail is stored. */
  async violations(expected: Expected): Promise<string[]> {
    const encoded = encodeBlob(this.#snapshot.nShards, expected.content);
    const untilMs = performance.now() + SETTLE_MS;
    for (;;) {
      const found = await this.#look(expected, encoded);
      if (found.length === 0 || performance.now() > untilMs) return found;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async #look(expected: Expected, encoded: EncodedBlob): Promise<string[]> {
    const { blobId } = encoded.metadata;
    return [
      ...(await this.#chainViolations(expected, blobId)),
      ...(await this.#moneyViolations()),
      ...this.#nodeViolations(expected, encoded),
      ...(await this.#objectViolations(expected, blobId)),
      ...((expected.certifications ?? expected.registrations ?? 1) > 0
        ? await this.#readerViolations(expected, blobId)
        : []),
    ];
  }

  async #chainViolations(expected: Expected, blobId: BlobId): Promise<string[]> {
    const { registrations = 1, certifications = registrations } = expected;
    const { registered, certified } = await this.history(blobId);
    const wrong: string[] = [];
    if (registered.length !== registrations) {
      wrong.push(`${registered.length} registrations paid, not ${registrations}`);
    }
    if (certified.length !== certifications) {
      wrong.push(`${certified.length} certifications, not ${certifications}`);
    }
    for (const event of registered) {
      if (event.size !== BigInt(expected.content.length)) wrong.push(`registered with size ${event.size}`);
      if (event.deletable !== expected.deletable) wrong.push(`registered as deletable=${event.deletable}`);
      if (event.end_epoch !== this.#snapshot.epoch + expected.epochs) {
        wrong.push(`registered until epoch ${event.end_epoch}`);
      }
    }
    for (const { object_id } of certified) {
      if (!registered.some((event) => event.object_id === object_id)) wrong.push(`${object_id} was not ours`);
    }
    if (new Set(certified.map(({ object_id }) => object_id)).size !== certified.length) {
      wrong.push("an object is certified twice");
    }
    return wrong;
  }

  /** The wallet's WAL has gone down by the price of its registrations and by nothing else. */
  async #moneyViolations(): Promise<string[]> {
    const wallet = this.#wallet;
    const cost = this.#registered.reduce(
      (sum, event) =>
        sum +
        registrationCost(this.#snapshot, Number(event.size), event.end_epoch - this.#snapshot.epoch)
          .totalFrost,
      0n,
    );
    const spent = this.#walAtStart - (await walOf(this.#client, this.#snapshot, wallet));
    const wrong = spent === cost ? [] : [`${spent} FROST spent, the registrations cost ${cost}`];
    const owned = await this.#ownedTypes();
    const storages = owned.filter((type) => type.endsWith("::storage_resource::Storage")).length;
    if (storages > 0) wrong.push(`${storages} Storage objects lie about in the wallet`);
    const blobs = owned.filter((type) => type.endsWith("::blob::Blob")).length;
    const handedOver = [...this.#handedOver.values()].reduce((sum, count) => sum + count, 0);
    if (blobs !== this.#registered.length - handedOver) {
      wrong.push(`the wallet holds ${blobs} Blob objects of ${this.#registered.length} registered`);
    }
    return wrong;
  }

  /** Every stored sliver is the one we encode ourselves; enough of them are there. */
  #nodeViolations(expected: Expected, encoded: EncodedBlob): string[] {
    if ((expected.certifications ?? expected.registrations ?? 1) === 0) return [];
    const { network } = this.#system;
    const { blobId } = encoded.metadata;
    const { nShards } = this.#snapshot;
    const wrong: string[] = [];
    let weight = 0;
    for (const { name, shards } of network.file.nodes ?? []) {
      const stored = network.storedSlivers(name, blobId);
      for (const [place, hash] of stored) {
        const [shard, axis] = place.split("/");
        const pair = pairOfShard(shardIndex(Number(shard), nShards), blobId, nShards);
        // Places are "shard/axis" as the network documents them.
        const index = sliverOfPair(pair, axis as Axis, nShards);
        const own = toHex(blake2b256(encoded.serialized(axis as Axis, index)));
        if (hash !== own) wrong.push(`${name} stores another ${axis} sliver of shard ${shard}`);
      }
      if (shards.every((shard) => AXES.every((axis) => stored.has(`${shard}/${axis}`))))
        weight += shards.length;
    }
    if (expected.onAllNodes === false ? !isQuorum(weight, nShards) : weight !== nShards) {
      wrong.push(`nodes of ${weight} of ${nShards} shards hold all their slivers`);
    }
    return wrong;
  }

  /** Nothing is left open in tracker and wallet, and the ledger says what the chain says. */
  async #objectViolations(expected: Expected, blobId: BlobId): Promise<string[]> {
    const { registrations = 1, certifications = registrations, handedOver = 0 } = expected;
    this.#handedOver.set(blobId, handedOver);
    const system = this.#system;
    const wrong: string[] = [];
    wrong.push(...(await this.#trackerViolations(blobId, certifications, expected.onAllNodes ?? true)));
    const ledger = await system.sql(
      "WALLET",
      WALLET,
      "SELECT object_id, state, cost_frost FROM ledger WHERE blob_id = ?",
      blobId,
    );
    const { registered } = await this.history(blobId);
    const known = new Set(ledger.map(({ object_id }) => object_id));
    if (ledger.length !== registrations || !registered.every(({ object_id }) => known.has(object_id))) {
      wrong.push(`the ledger has ${ledger.length} rows for ${registered.length} registrations`);
    }
    const done = ledger.filter(({ state }) => state === "certified" || state === "handed-over").length;
    if (done !== certifications) wrong.push(`the ledger calls ${done} of them certified`);
    const [open] = await system.sql("WALLET", WALLET, "SELECT COUNT(*) AS n FROM transaction_open");
    if (open?.["n"] !== 0) wrong.push(`${open?.["n"]} transactions are still open`);
    const [unsettled] = await system.sql(
      "WALLET",
      WALLET,
      "SELECT COUNT(*) AS n FROM operation WHERE state IN ('waiting', 'signed')",
    );
    if (unsettled?.["n"] !== 0) wrong.push(`${unsettled?.["n"]} operations are unsettled`);
    return wrong;
  }

  /** What `GET /v1/uploads/{blob_id}` tells: certified as often as it happened, no staged copy left over. */
  async #trackerViolations(blobId: BlobId, certifications: number, isComplete: boolean): Promise<string[]> {
    const response = await fetch(`${this.#system.edge.url}/v1/uploads/${blobId}`);
    if (response.status === 404 && certifications === 0) return [];
    const status = (await response.json()) as UploadStatus;
    if (response.status !== 200) return [`the upload's status is ${response.status}`];
    const states = status.intents.map(({ state }) => state);
    const wrong: string[] = [];
    if (states.filter((state) => state === "certified").length !== certifications) {
      wrong.push(`the tracker's intents are ${states.join(", ") || "none"}`);
    }
    if (states.some((state) => !["certified", "dropped"].includes(state))) {
      wrong.push(`an intent is left ${states.join(", ")}`);
    }
    if (certifications > 0 && isComplete) {
      if (status.tail !== "complete") wrong.push(`the tail is ${status.tail}`);
      if (status.staging !== null) wrong.push(`${status.staging.bytes} staged bytes are still held`);
      if (/[^3]/.test(status.shards)) wrong.push(`shards are ${status.shards}`);
    }
    return wrong;
  }

  async #readerViolations({ content }: Expected, blobId: BlobId): Promise<string[]> {
    const response = await this.#system.read(blobId);
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (response.status !== 200) return [`a reader gets ${response.status}`];
    return sameBytes(bytes, content) ? [] : ["a reader gets other bytes"];
  }

  get #wallet(): string {
    return this.#system.network.file.wallet?.address ?? "";
  }

  async #ownedTypes(): Promise<string[]> {
    const types: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<SuiGrpcClient["listOwnedObjects"]>> =
        await this.#client.listOwnedObjects({ owner: this.#wallet, cursor });
      types.push(...page.objects.map(({ type }) => type));
      cursor = page.hasNextPage ? page.cursor : null;
    } while (cursor !== null);
    return types;
  }

  async #refresh(): Promise<void> {
    await this.#read("BlobRegistered", (event, digest) => {
      if (event.kind === "BlobRegistered") this.#registered.push({ ...event, digest });
    });
    await this.#read("BlobCertified", (event, digest) => {
      if (event.kind === "BlobCertified") this.#certified.push({ ...event, digest });
    });
  }

  async #read(name: string, take: (event: WalrusEvent, digest: string) => void): Promise<void> {
    const eventType = `${this.#snapshot.originalPackageId}::events::${name}`;
    for (;;) {
      const after = this.#cursors.get(name);
      const page = await this.#client.listEvents({
        filter: { eventType },
        limit: 50,
        ...(after === undefined ? {} : { after }),
      });
      for (const { eventType: type, bcs, transactionDigest } of page.events) {
        const event = parseWalrusEvent(type, bcs);
        if (event !== undefined) take(event, transactionDigest);
      }
      if (page.events.length > 0 && page.endCursor !== null) this.#cursors.set(name, page.endCursor);
      if (!page.hasNextPage) return;
    }
  }
}

/** One signer per deployment: its object's name. */
const WALLET = "main";

async function walOf(client: SuiGrpcClient, snapshot: ChainSnapshot, owner: string): Promise<bigint> {
  const { balance } = await client.getBalance({ owner, coinType: snapshot.walType });
  return BigInt(balance.balance);
}
