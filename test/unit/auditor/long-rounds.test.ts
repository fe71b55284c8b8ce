// If this fails, a round on a public network voids itself, or calls a node missing that only said what is true.
import { describe, expect, it } from "vitest";
import type { ChainFollower } from "../../../auditor/chain/chain-follower.ts";
import { fetchRefutation } from "../../../auditor/claims/refute-claim.ts";
import { NodeRecords } from "../../../auditor/ledger/node-records.ts";
import { judgeRound } from "../../../auditor/round/judge-round.ts";
import { populateRound } from "../../../auditor/round/open-round.ts";
import { hasProvenNetwork } from "../../../shared/audit/fairness.ts";
import { AUDIT_PROFILES } from "../../../shared/audit/parameters.ts";
import { createReferenceCodec } from "../../../shared/codec/reference-codec.ts";
import {
  errorBody,
  JSON_TYPE,
  type NodeErrorName,
  OCTET_STREAM,
  parseNodePath,
  parseSymbolFilter,
} from "../../../shared/node/storage-node-api.ts";
import { otherAxis, type ShardIndex, type SliverIndex } from "../../../shared/protocol/ids.ts";
import { pairOfShard, sliverOfPair } from "../../../shared/protocol/mapping.ts";
import { serializeBlobMetadataWithId } from "../../../shared/protocol/metadata.ts";
import { serializeRecoverySymbols } from "../../../shared/protocol/recovery-symbol.ts";
import { SuiError } from "../../../shared/sui/client/sui-error.ts";
import type { ChainSnapshot } from "../../../shared/sui/walrus/chain-snapshot.ts";
import { committeeOf, EPOCH, PlannedRound } from "../../support/audit/planned-round.ts";
import type { EncodedBlob } from "../../support/codec/encoded-blob.ts";

/** As many nodes as Mainnet has; fewer shards, so that their slivers fit into a test. */
const NODES = 105;
/** The pace and the rules of public networks. */
const P = {
  ...AUDIT_PROFILES.public,
  drawsPerByte: 0,
  drawsDeletable: 0,
  drawsFresh: 0,
  wholeSliverOneIn: 1_000_000,
  burstSteps: 0,
};

const codec = createReferenceCodec();
const binary = (body: Uint8Array): Response =>
  new Response(body.slice(), { headers: { "content-type": OCTET_STREAM } });

/** What any honest node answers; which one is asked does not matter here. */
async function honest(request: Request, { metadata, sliver }: EncodedBlob): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  if (parseNodePath(pathname)?.name === "metadata")
    return binary(serializeBlobMetadataWithId(metadata.blobId, metadata));
  const filter = parseSymbolFilter(searchParams);
  if (filter?.kind === "target") {
    // One shard a node, of its own number: the symbol of the sliver there that crosses the target.
    const shard = Number(new URL(request.url).hostname.slice("node-".length)) as ShardIndex;
    const axis = otherAxis(filter.axis);
    const index = sliverOfPair(pairOfShard(shard, metadata.blobId, metadata.nShards), axis, metadata.nShards);
    const symbol = codec.symbolWithProof(metadata, sliver(axis, index), filter.index as SliverIndex);
    return binary(serializeRecoverySymbols([symbol]));
  }
  if (filter?.kind !== "ids") return new Response(null, { status: 503 });
  const symbols = filter.ids.map(({ primary, secondary }) =>
    filter.proofAxis === "secondary"
      ? codec.symbolWithProof(metadata, sliver("secondary", secondary), primary)
      : codec.symbolWithProof(metadata, sliver("primary", primary), secondary),
  );
  return binary(serializeRecoverySymbols(symbols));
}

/** Gives metadata, and this error for everything else. */
const refusing =
  (name: NodeErrorName) =>
  async (request: Request, encoded: EncodedBlob): Promise<Response> => {
    const isMetadata = parseNodePath(new URL(request.url).pathname)?.name === "metadata";
    if (isMetadata) return honest(request, encoded);
    const { http, body } = errorBody(name, "scripted");
    return new Response(body, { status: http, headers: { "content-type": JSON_TYPE } });
  };

describe("a round at the pace of public networks", () => {
  it("proves the auditor's own network within the time it has for that", async () => {
    // As many draws a node as 1,000 shards mean there.
    const planned = new PlannedRound({ nodes: NODES, parameters: { ...P, drawsPerBlob: 30 }, fetch: honest });
    await planned.challenge(P.selfCheckMs);
    const passes = planned.draws().flatMap(({ node, attempts }) =>
      attempts
        .filter(({ outcome }) => outcome === "pass")
        .map(({ startedMs, ms }) => ({
          nodeIndex: planned.committee.members.findIndex(({ nodeId }) => nodeId === node),
          passedMs: startedMs + ms,
        })),
    );
    expect(hasProvenNetwork(passes, NODES, P)).toBe(true);
  });
});

describe("a node that says a shard is not its own", () => {
  it("is believed by the chain, although that could not be read whenever the node said so", async () => {
    let asked = 0;
    const { members, ...committee } = committeeOf(7);
    const moved = members.map((member, i) => ({ ...member, shards: i === 0 ? [] : member.shards }));
    const planned = new PlannedRound({
      nodes: 7,
      parameters: P,
      onlyShards: [0],
      fetch: refusing("SYMBOL_NOT_PRESENT_AT_SHARDS"),
      chain: {
        snapshot: async () => {
          if (++asked <= P.attempts)
            throw new SuiError("SUI_UNREACHABLE", "no endpoint answers", { retryable: true });
          // The next epoch took the shard from it.
          return {
            committee: { ...committee, epoch: EPOCH + 1, members: moved },
          } as unknown as ChainSnapshot;
        },
      },
    });
    await planned.challenge();
    expect(planned.draws()).toMatchObject([{ isFinal: true, isOwner: false }]);
  });
});

describe("a round that lasts into the next epoch", () => {
  it("holds nothing against the owners of its own epoch, however long the change was over", async () => {
    const planned = new PlannedRound({
      nodes: 7,
      parameters: P,
      onlyShards: [0, 1],
      fetch: (request, encoded) =>
        new URL(request.url).hostname === "node-1"
          ? honest(request, encoded)
          : refusing("SLIVER_NOT_FOUND")(request, encoded),
    });
    const { sql, clock, rounds, store, blobId } = planned;
    store.putObject({
      objectId: planned.committee.members[0]?.nodeId as never,
      blobId,
      encodingType: 1,
      unencodedLength: 1,
      isDeletable: false,
      endEpoch: 50,
      poolId: null,
      certifiedEpoch: 1,
    });
    // The auditor was away between plan and first request; meanwhile the epoch changed, and its grace ended.
    const changedMs = clock.nowMs() - 2 * P.epochGraceMs;
    sql.exec("INSERT INTO epoch_change (epoch, start_ms, done_ms) VALUES (?, ?, ?)", EPOCH, 1, 2);
    sql.exec(
      "INSERT INTO epoch_change (epoch, start_ms, done_ms) VALUES (?, ?, ?)",
      EPOCH + 1,
      changedMs,
      changedMs,
    );
    await planned.challenge();
    rounds.update(1, "challenging", "judging", {});
    const parts = {
      sql,
      rounds,
      store,
      clock,
      parameters: { ...P, selfCheckPassThousandths: 500 },
      nodes: new NodeRecords(sql, P),
      chain: {
        tip: async () => 1,
        checkpoint: async (sequence: number) => ({
          sequence,
          timestampMs: clock.nowMs(),
          digest: new Uint8Array(32),
        }),
      },
      // The chain has been read as far as the judging asks.
      follower: { follow: async () => true, epoch: EPOCH + 1 } as unknown as ChainFollower,
      auditChain: {},
    };
    while (!(await judgeRound(parts as never, planned.round, () => false)));
    expect(sql.exec("SELECT outcome, excuse FROM verdict ORDER BY shard")).toMatchObject([
      { outcome: "excused", excuse: "epoch-change" },
      { outcome: "passed", excuse: null },
    ]);
  });
});

describe("an endpoint whose state is behind its events", () => {
  it("is asked again, and the round is not given up", async () => {
    const planned = new PlannedRound({ nodes: 7, parameters: P, fetch: honest });
    const parts = {
      lists: { build: () => true },
      chain: {
        snapshot: async () => ({ committee: { epoch: EPOCH - 1 }, previousCommittee: { epoch: EPOCH - 2 } }),
      },
    };
    await expect(populateRound(parts as never, planned.round)).rejects.toMatchObject({
      code: "SUI_STALE",
      retryable: true,
    });
  });
});

describe("a false claim against a node that leaves requests unanswered", () => {
  it("is refuted with the others' symbols, as long as public networks let a request wait", async () => {
    const planned = new PlannedRound({ nodes: 7, parameters: P, onlyShards: [2], fetch: honest });
    const [draw] = planned.draws();
    if (draw === undefined) throw new Error("one draw was planned");
    const silent = (request: Request): Promise<Response> =>
      new URL(request.url).hostname === "node-2"
        ? new Promise((_, reject) =>
            request.signal.addEventListener("abort", () => reject(new Error("gone"))),
          )
        : honest(request, planned.encoded);
    const parts = { transport: planned.transport(silent), parameters: P, networkKind: "local" } as const;
    expect(await fetchRefutation(parts, planned.committee, draw, true)).toMatchObject({
      sliverPath: expect.anything(),
    });
  });
});
