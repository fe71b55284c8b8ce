// If this fails, a round on a public network asks the same few nodes for an hour, and voids itself.
import { describe, expect, it } from "vitest";
import type { ChainReader } from "../../../auditor/chain-reader.ts";
import { challengeRound } from "../../../auditor/challenge-round.ts";
import { openLedger } from "../../../auditor/ledger-sql.ts";
import { PopulationLists, SqlPopulationStore } from "../../../auditor/population-tables.ts";
import { committeeJson, Rounds } from "../../../auditor/rounds.ts";
import { nodeLedger } from "../../../scripts/node-ledger.ts";
import { hasProvenNetwork } from "../../../shared/audit/fairness.ts";
import { AUDIT_PROFILES } from "../../../shared/audit/parameters.ts";
import { MemoryPopulation } from "../../../shared/audit/population.ts";
import { drawCounts, planRound } from "../../../shared/audit/selection.ts";
import { createReferenceCodec } from "../../../shared/codec/reference-codec.ts";
import { Gate } from "../../../shared/node/gate.ts";
import { OCTET_STREAM, parseNodePath, parseSymbolFilter } from "../../../shared/node/storage-node-api.ts";
import { toHex } from "../../../shared/protocol/bytes.ts";
import type { Committee } from "../../../shared/protocol/committee.ts";
import type { ObjectId, ShardIndex } from "../../../shared/protocol/ids.ts";
import { serializeBlobMetadataWithId } from "../../../shared/protocol/metadata.ts";
import { serializeRecoverySymbols } from "../../../shared/protocol/recovery-symbol.ts";
import { type EncodedBlob, encodeBlob, someBlob } from "../../support/encoded-blob.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { objectIdOf, seedOf } from "../audit/fixtures.ts";

/** As many nodes as Mainnet has; fewer shards, so that their slivers fit into a test. */
const NODES = 105;
/** The pace and the rules of public networks, with as many draws a node as 1,000 shards mean there. */
const P = {
  ...AUDIT_PROFILES.public,
  drawsPerBlob: 30,
  drawsPerByte: 0,
  drawsDeletable: 0,
  drawsFresh: 0,
  wholeSliverOneIn: 1_000_000,
  burstSteps: 0,
};
/** As the Durable Object has it. */
const BUDGET_MS = 20_000;
const NO = 1;

const committee: Committee = {
  epoch: 3,
  nShards: NODES,
  members: Array.from({ length: NODES }, (_, i) => ({
    nodeId: objectIdOf(i),
    name: `node-${i}`,
    networkAddress: `node-${i}:80`,
    publicKey: new Uint8Array(48),
    shards: [i as ShardIndex],
  })),
};

const codec = createReferenceCodec();

/** What any honest node answers; which one is asked does not matter here. */
function honest({ metadata, sliver }: EncodedBlob) {
  const binary = (body: Uint8Array): Response =>
    new Response(body.slice(), { headers: { "content-type": OCTET_STREAM } });
  return async (request: Request): Promise<Response> => {
    const { pathname, searchParams } = new URL(request.url);
    const parsed = parseNodePath(pathname);
    if (parsed?.name === "metadata") return binary(serializeBlobMetadataWithId(metadata.blobId, metadata));
    const filter = parseSymbolFilter(searchParams);
    if (filter?.kind !== "ids") return new Response(null, { status: 503 });
    const { proofAxis } = filter;
    const symbols = filter.ids.map(({ primary, secondary }) =>
      proofAxis === "secondary"
        ? codec.symbolWithProof(metadata, sliver("secondary", secondary), primary)
        : codec.symbolWithProof(metadata, sliver("primary", primary), secondary),
    );
    return binary(serializeRecoverySymbols(symbols));
  };
}

/** A planned round in a ledger of its own. */
function plannedRound(metadata: EncodedBlob["metadata"], clock: VirtualClock) {
  const sql = nodeLedger();
  openLedger(sql);
  const rounds = new Rounds(sql);
  rounds.open(NO, clock.nowMs(), new Uint8Array(32));
  const seed = seedOf(9);
  rounds.update(NO, "opening", "challenging", {
    seed: toHex(seed),
    epoch: committee.epoch,
    n_shards: NODES,
    committee: committeeJson(committee),
  });
  const permanent = new MemoryPopulation(
    [{ blobId: metadata.blobId, unencodedLength: metadata.unencodedLength, endEpoch: 50 }],
    NODES,
  );
  const none = new MemoryPopulation([], NODES);
  const plan = planRound(seed, NODES, { permanent, deletable: none, fresh: none }, drawCounts(NO, P));
  plan.forEach((challenge, place) => {
    rounds.insertDraw(NO, {
      ...challenge,
      node: committee.members[challenge.shard]?.nodeId as ObjectId,
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
  return { sql, rounds };
}

describe("a round at the pace of public networks", () => {
  it("proves the auditor's own network within the time it has for that", async () => {
    const clock = new VirtualClock();
    const encoded = encodeBlob(NODES, someBlob(200_000));
    const { sql, rounds } = plannedRound(encoded.metadata, clock);
    const startMs = clock.nowMs();
    const parts = {
      sql,
      rounds,
      chain: {} as ChainReader,
      store: new SqlPopulationStore(sql),
      lists: new PopulationLists(sql),
      transport: {
        fetch: honest(encoded),
        clock,
        randomBytes: (count: number) => new Uint8Array(count),
        gate: new Gate(),
      },
      networkKind: "local",
      parameters: P,
      failPoint: () => {},
    } as const;
    while (clock.nowMs() < startMs + P.selfCheckMs) {
      const round = rounds.round(NO);
      if (round === undefined) throw new Error("the round is there");
      const { wakeMs } = await challengeRound(parts, round, {
        untilMs: clock.nowMs() + BUDGET_MS,
        requests: 2_000,
      });
      if (wakeMs > clock.nowMs()) await clock.sleep(wakeMs - clock.nowMs());
    }
    const passes = sql
      .exec("SELECT node, started_ms, ms FROM attempt WHERE kind = 'symbol' AND outcome = 'pass'")
      .map((row) => ({
        nodeIndex: committee.members.findIndex(({ nodeId }) => nodeId === row["node"]),
        passedMs: Number(row["started_ms"]) + Number(row["ms"]),
      }));
    expect(hasProvenNetwork(passes, NODES, P)).toBe(true);
  }, 60_000);
});
