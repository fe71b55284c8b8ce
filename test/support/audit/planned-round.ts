/**
 * A planned round in a ledger of its own, against nodes that are one function: for what takes hours on public networks,
 * in virtual time.
 */

import { drawsOf, insertDraw, type RoundDraw } from "../../../auditor/ledger/draws.ts";
import { openLedger } from "../../../auditor/ledger/ledger-sql.ts";
import { committeeJson, type Round, Rounds } from "../../../auditor/ledger/rounds.ts";
import { SqlPopulationStore } from "../../../auditor/population/object-tables.ts";
import { PopulationLists } from "../../../auditor/population/population-tables.ts";
import { challengeRound } from "../../../auditor/round/challenge-round.ts";
import { nodeLedger } from "../../../host/node-sqlite.ts";
import type { AuditParameters } from "../../../shared/audit/parameters.ts";
import { MemoryPopulation } from "../../../shared/audit/population.ts";
import { drawCounts, planRound } from "../../../shared/audit/selection.ts";
import { toHex } from "../../../shared/base/bytes.ts";
import { Gate, INVOCATION_REQUESTS } from "../../../shared/base/gate.ts";
import { blake2b256 } from "../../../shared/crypto/blake2b.ts";
import type { NodeTransport } from "../../../shared/node/direct-carrier.ts";
import type { Committee } from "../../../shared/protocol/committee.ts";
import { objectIdFromBytes, type ShardIndex } from "../../../shared/protocol/ids.ts";
import { SuiError } from "../../../shared/sui/client/sui-error.ts";
import type { ChainReader } from "../../../shared/sui/walrus/chain-reader.ts";
import { type EncodedBlob, encodeBlob, someBlob } from "../codec/encoded-blob.ts";
import { VirtualClock } from "../virtual-clock.ts";

const NO = 1;
export const EPOCH = 3;
/** As the Durable Object has it. */
const BUDGET_MS = 20_000;
const NEVER = 1_000;

/** One shard a node. */
export const committeeOf = (nodes: number): Committee => ({
  epoch: EPOCH,
  nShards: nodes,
  members: Array.from({ length: nodes }, (_, i) => ({
    nodeId: objectIdFromBytes(blake2b256(Uint8Array.of(i))),
    name: `node-${i}`,
    networkAddress: `node-${i}:80`,
    publicKey: new Uint8Array(48),
    shards: [i as ShardIndex],
  })),
});

export interface PlannedRoundOptions {
  readonly nodes: number;
  readonly parameters: AuditParameters;
  /** What a node answers. */
  readonly fetch: (request: Request, encoded: EncodedBlob) => Promise<Response>;
  readonly chain?: Partial<ChainReader>;
  /** Draws of other shards are left out. */
  readonly onlyShards?: readonly number[];
}

export class PlannedRound {
  readonly clock = new VirtualClock();
  readonly sql = nodeLedger();
  readonly rounds: Rounds;
  readonly committee: Committee;
  readonly store: SqlPopulationStore;
  readonly #options: PlannedRoundOptions;
  readonly encoded: EncodedBlob;

  constructor(options: PlannedRoundOptions) {
    const { nodes, parameters } = options;
    this.#options = options;
    this.encoded = encodeBlob(nodes, someBlob(200_000));
    this.committee = committeeOf(nodes);
    openLedger(this.sql);
    this.store = new SqlPopulationStore(this.sql);
    this.rounds = new Rounds(this.sql);
    this.rounds.open(NO, this.clock.nowMs(), new Uint8Array(32));
    const seed = blake2b256(Uint8Array.of(9));
    this.rounds.update(NO, "opening", "challenging", {
      seed: toHex(seed),
      seed_checkpoint: 1,
      epoch: EPOCH,
      n_shards: nodes,
      committee: committeeJson(this.committee),
    });
    const { blobId, unencodedLength } = this.encoded.metadata;
    const permanent = new MemoryPopulation([{ blobId, unencodedLength, endEpoch: 50 }], nodes);
    const none = new MemoryPopulation([], nodes);
    const populations = { permanent, deletable: none, fresh: none };
    planRound(seed, nodes, populations, drawCounts(NO, parameters)).forEach((challenge, place) => {
      const owner = this.committee.members[challenge.shard];
      const isLeftOut = options.onlyShards?.includes(challenge.shard) === false;
      if (owner === undefined || isLeftOut) return;
      insertDraw(this.sql, NO, {
        ...challenge,
        node: owner.nodeId,
        place,
        populationSize: 1n,
        isFinal: challenge.isVacuous,
        isOwner: true,
        hasMetadata: true,
        hasMoved: false,
        attempts: [],
        requests: 0,
      });
    });
  }

  get round(): Round {
    const round = this.rounds.round(NO);
    if (round === undefined) throw new Error("the round is there");
    return round;
  }

  get blobId() {
    return this.encoded.metadata.blobId;
  }

  draws(): RoundDraw[] {
    return drawsOf(this.sql, NO);
  }

  transport(fetch: (request: Request) => Promise<Response>): NodeTransport {
    const randomBytes = (count: number): Uint8Array => new Uint8Array(count);
    return { fetch, clock: this.clock, randomBytes, gate: new Gate(INVOCATION_REQUESTS) };
  }

  /** Challenges in invocations of the Durable Object's length until everything is asked, or the time is up. */
  async challenge(forMs = Number.POSITIVE_INFINITY): Promise<void> {
    const { parameters, chain, fetch } = this.#options;
    const { clock, sql, rounds, store } = this;
    const untilMs = clock.nowMs() + forMs;
    const parts = {
      sql,
      rounds,
      store,
      // Only what the test gives is read.
      chain: (chain ?? {}) as ChainReader,
      lists: new PopulationLists(sql),
      transport: this.transport((request) => fetch(request, this.encoded)),
      networkKind: "local",
      parameters,
      failPoint: () => {},
    } as const;
    for (let invocation = 0; clock.nowMs() < untilMs; invocation++) {
      if (invocation > NEVER) throw new Error("the round does not end");
      try {
        const budget = { untilMs: clock.nowMs() + BUDGET_MS, requests: 2_000 };
        const { isDone, wakeMs } = await challengeRound(parts, this.round, budget);
        if (isDone) return;
        if (wakeMs > clock.nowMs()) await clock.sleep(wakeMs - clock.nowMs());
      } catch (error) {
        // As the auditor does: later again.
        if (!(error instanceof SuiError)) throw error;
        await clock.sleep(5_000);
      }
    }
  }
}
