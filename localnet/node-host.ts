/**
 * One storage node with everything around it: its port, its disk, its meter, and the fault in effect.
 *
 * The port is bound before the node exists, because the node's address stands in the chain's genesis. The store is
 * the node's disk: it outlives a restart of the node, in memory too.
 */

import type { Keypair } from "@mysten/sui/cryptography";
import { toHex } from "../shared/base/bytes.ts";
import type { Clock } from "../shared/base/clock.ts";
import { assert } from "../shared/base/errors.ts";
import type { Codec } from "../shared/codec/codec.ts";
import { blake2b256 } from "../shared/crypto/blake2b.ts";
import type { NodeDistance } from "../shared/network/network-file.ts";
import { parseNodePath, UnparsableRequest } from "../shared/node/storage-node-api.ts";
import type { BlobId } from "../shared/protocol/ids.ts";
import { Line } from "./distance.ts";
import { answerWithFault, goneReply, type NodeFault, sliversToDrop } from "./faults.ts";
import type { HttpServer } from "./http-listener.ts";
import { type ServedRequest, serveNode } from "./node-server.ts";
import type { ChainSource } from "./storage-node/chain-source.ts";
import type { ClaimSource } from "./storage-node/claim-source.ts";
import { Healer } from "./storage-node/healer.ts";
import type { NodeKeys } from "./storage-node/node-context.ts";
import { Refuter } from "./storage-node/refuter.ts";
import { type NodeReply, textReply } from "./storage-node/reply.ts";
import { StorageNode } from "./storage-node/storage-node.ts";
import { NodeStore } from "./storage-node/store.ts";

const RESTART_MS = 20;

export interface NodeHostOptions {
  readonly name: string;
  readonly keys: NodeKeys;
  /** A key that no committee member has: what `wrong-signature` signs with. */
  readonly rogueKey: Uint8Array;
  /** Database file, or `:memory:`. */
  readonly storePath: string;
  readonly host: string;
  readonly port: number;
  readonly clock: Clock;
  readonly codec: Codec;
  /** Whether the node rebuilds slivers it lacks, while no fault says otherwise. */
  readonly heal: boolean;
  /** How long it waits for an upload's tail before it does. */
  readonly healGraceMs: number;
  /** Pays when the node answers a claim, and receives the bond; without it the node answers none. */
  readonly wallet?: Keypair;
  /** Whether it does, until told otherwise. Default true. */
  readonly refute?: boolean;
  readonly onError: (error: unknown) => void;
}

/** Counted since the host started; restarts of the node do not reset it. */
export interface NodeStats {
  readonly requests: number;
  /** Requests that have arrived and are not yet answered completely, now and at the busiest moment. */
  readonly inFlight: number;
  readonly peakInFlight: number;
  /** By method and route, e.g. "PUT sliver". */
  readonly byRoute: Readonly<Record<string, number>>;
  /** Body bytes. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** False claims this node has ended. */
  readonly claimsRefuted: number;
}

export class NodeHost {
  readonly name: string;
  readonly keys: NodeKeys;
  readonly server: HttpServer;
  readonly #options: NodeHostOptions;
  readonly #store: NodeStore;
  readonly #byRoute = new Map<string, number>();
  readonly #blocked = new Set<BlobId>();
  /** Requests that are inside the node and may touch the store. */
  readonly #active = new Set<Promise<unknown>>();
  #chain: ChainSource | undefined;
  #node: StorageNode | undefined;
  #healer: Healer | undefined;
  #claims: ClaimSource | undefined;
  #refuter: Refuter | undefined;
  #refutes: boolean;
  /** Refutations of refuters that have ended. */
  #refutedBefore = 0;
  #fault: NodeFault = { kind: "none" };
  readonly #line: Line;
  #requests = 0;

  private constructor(options: NodeHostOptions, server: HttpServer, store: NodeStore) {
    this.name = options.name;
    this.keys = options.keys;
    this.server = server;
    this.#options = options;
    this.#store = store;
    this.#refutes = options.refute ?? true;
    this.#line = new Line(options.clock);
  }

  /** Opens the disk and binds the port; requests get 503 until `start`. @throws the listen or the store's error */
  static async bind(options: NodeHostOptions): Promise<NodeHost> {
    const store = new NodeStore(options.storePath);
    try {
      const { host, port, onError } = options;
      const server = await serveNode((request) => self.#answer(request), { host, port, onError });
      const self = new NodeHost(options, server, store);
      return self;
    } catch (error) {
      store.close();
      throw error;
    }
  }

  async start(chain: ChainSource, claims?: ClaimSource): Promise<void> {
    const { keys, codec, clock, onError } = this.#options;
    this.#chain = chain;
    this.#claims = claims;
    const node = new StorageNode({
      keys,
      store: this.#store,
      chain,
      codec,
      clock,
      isBlocked: (blobId) => this.#blocked.has(blobId),
      onError,
    });
    await node.start();
    this.#node = node;
    void this.#setHealing(this.#healsNow());
    void this.#updateRefuting();
  }

  /** Ends the node as a crash would, connections included, and starts a new one on the same disk and port. */
  async restart(): Promise<void> {
    const [chain, claims] = [this.#chain, this.#claims];
    assert(chain !== undefined, "a node is restarted only after it started");
    this.server.setAccepting(false);
    const old = this.#node;
    this.#node = undefined;
    await Promise.all([this.#setHealing(false), this.#updateRefuting()]);
    await Promise.allSettled([...this.#active]);
    await old?.stop();
    // A process takes a moment to come back; clients meanwhile notice that their connections are gone.
    await this.#options.clock.sleep(RESTART_MS);
    await this.start(chain, claims);
    this.server.setAccepting(this.#fault.kind !== "down");
  }

  setFault(fault: NodeFault): void {
    this.#fault = fault;
    this.server.setAccepting(fault.kind !== "down");
    void this.#setHealing(this.#healsNow());
    void this.#updateRefuting();
    if (fault.kind === "drop-slivers") {
      this.#store.loseSlivers(sliversToDrop(this.#store.sliverKeys(), fault.fraction ?? 1));
    }
  }

  /** How far away the node is; no fault, so it holds beside every fault and is not ended by `none`. */
  get distance(): NodeDistance {
    return this.#line.distance;
  }
  setDistance(distance: NodeDistance): void {
    this.#line.distance = distance;
  }

  #healsNow(): boolean {
    return this.#fault.kind === "drop-slivers" ? (this.#fault.heal ?? false) : this.#options.heal;
  }

  /** @returns when a healer that was running has let go of the store */
  async #setHealing(wanted: boolean): Promise<void> {
    if (wanted) {
      if (this.#healer !== undefined || this.#node === undefined) return;
      const { codec, clock, healGraceMs, onError } = this.#options;
      this.#healer = new Healer({
        node: this.#node.context,
        codec,
        clock,
        randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
        fetch: (request) => fetch(request),
        graceMs: healGraceMs,
        onError,
      });
      return;
    }
    const healer = this.#healer;
    this.#healer = undefined;
    await healer?.stop();
  }

  /** Whether the node answers false claims against it. @returns when an answer under way has ended */
  setRefuting(wanted: boolean): Promise<void> {
    this.#refutes = wanted;
    return this.#updateRefuting();
  }

  /** A node that is down answers nothing. @returns when a refuter that was running has ended */
  async #updateRefuting(): Promise<void> {
    const { clock, wallet, onError } = this.#options;
    const [node, claims] = [this.#node?.context, this.#claims];
    const isWanted = this.#refutes && this.#fault.kind !== "down";
    if (isWanted && node !== undefined && claims !== undefined && wallet !== undefined) {
      this.#refuter ??= new Refuter({ node, claims, wallet, clock, onError });
      return;
    }
    const refuter = this.#refuter;
    this.#refuter = undefined;
    await refuter?.stop();
    this.#refutedBefore += refuter?.refuted ?? 0;
  }

  /** The operator's deny list, effective at once. */
  setBlocked(blobIds: Iterable<BlobId>): void {
    this.#blocked.clear();
    for (const blobId of blobIds) this.#blocked.add(blobId);
  }

  stats(): NodeStats {
    const { bytesIn, bytesOut, inFlight, peakInFlight } = this.server.traffic;
    const byRoute = Object.fromEntries(this.#byRoute);
    const claimsRefuted = this.#refutedBefore + (this.#refuter?.refuted ?? 0);
    return { requests: this.#requests, inFlight, peakInFlight, byRoute, bytesIn, bytesOut, claimsRefuted };
  }

  /** `shard/axis` to the hex BLAKE2b-256 of the serialised sliver, for every sliver whose bytes are here. */
  storedSlivers(blobId: BlobId): Map<string, string> {
    return new Map(
      this.#store
        .slivers(blobId)
        .map(({ shard, axis, bytes }) => [`${shard}/${axis}`, toHex(blake2b256(bytes))]),
    );
  }

  async close(): Promise<void> {
    await this.server.close();
    const node = this.#node;
    this.#node = undefined;
    await Promise.all([this.#setHealing(false), this.#updateRefuting()]);
    await Promise.allSettled([...this.#active]);
    await node?.stop();
    this.#store.close();
  }

  #answer(request: ServedRequest): Promise<NodeReply> {
    this.#requests++;
    const route = `${request.method} ${routeName(request)}`;
    this.#byRoute.set(route, (this.#byRoute.get(route) ?? 0) + 1);
    const { latencyMs, bandwidth } = this.#line.distance;
    return latencyMs === 0 && bandwidth === undefined
      ? this.#answerHere(request)
      : this.#answerFromAfar(request);
  }

  /** One timer for the way there, and one for the way back where bytes take time. */
  async #answerFromAfar(request: ServedRequest): Promise<NodeReply> {
    const { clock } = this.#options;
    request.readAhead();
    // Without the request's signal, which would cost more than the timer does; who left is found gone.
    await clock.sleep(this.#line.arrivalMs(request.declaredBytes));
    if (request.isGone) return goneReply;
    const reply = await this.#answerHere(request);
    const departureMs = this.#line.departureMs(reply.body.length);
    if (departureMs > 0) await clock.sleep(departureMs);
    return reply;
  }

  #answerHere(request: ServedRequest): Promise<NodeReply> {
    return answerWithFault(this.#fault, request, (each) => this.#handle(each), {
      clock: this.#options.clock,
      rogueKey: this.#options.rogueKey,
    });
  }

  async #handle(request: ServedRequest): Promise<NodeReply> {
    if (this.#node === undefined) return textReply(503, "starting\n");
    const answer = this.#node.answer(request);
    this.#active.add(answer);
    try {
      return await answer;
    } finally {
      this.#active.delete(answer);
    }
  }
}

function routeName(request: ServedRequest): string {
  try {
    return parseNodePath(request.pathname)?.name ?? "unknown";
  } catch (error) {
    if (error instanceof UnparsableRequest) return "unparsable";
    throw error;
  }
}
