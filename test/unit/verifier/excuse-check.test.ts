// If this fails, an auditor excuses whom it likes, or holds against a node what the rules excuse, and verify agrees.
import { describe, expect, it } from "vitest";
import type { EvidenceAttempt, EvidenceRecord } from "../../../shared/audit/evidence.ts";
import { epochChangesOf } from "../../../shared/audit/fairness.ts";
import { AUDIT_PROFILES } from "../../../shared/audit/parameters.ts";
import type { Excuse } from "../../../shared/audit/verdict.ts";
import type { ObjectId } from "../../../shared/protocol/ids.ts";
import { ExcuseCheck, type JudgedFacts } from "../../../verifier/excuse-check.ts";
import { blobIdOf, drawKey, objectIdOf } from "../audit/fixtures.ts";

const P = AUDIT_PROFILES.public;
const EPOCH = 5;
const SHARD = 1;
const NODE = objectIdOf(1);
const BLOB = blobIdOf(1);
const HOUR = 3_600_000;
/** Long after the epoch began, long before it ends. */
const ASKED_MS = 100 * HOUR;

const nothing: JudgedFacts = {
  checkpoint: 900,
  timestampMs: ASKED_MS + 2 * HOUR,
  epochChanges: epochChangesOf(EPOCH, [{ epoch: EPOCH, startMs: 1 * HOUR, doneMs: 2 * HOUR }]),
  movedShards: new Set(),
  receivedMs: new Map(),
  invalidBlobs: new Set(),
  laterCommittees: [],
};
/** Three requests over the spread. */
const answered = (...statuses: number[]): EvidenceAttempt[] =>
  statuses.map((httpStatus, i) => ({
    kind: i < 2 ? "symbol" : "sliver",
    startedMs: ASKED_MS + (i * P.attemptSpreadMs) / 2,
    ms: 10,
    httpStatus,
    bodyHash: "ab".repeat(32),
  }));
const draw = (
  outcome: EvidenceRecord["outcome"],
  excuse: Excuse | null,
  attempts = answered(404, 404, 404),
): EvidenceRecord => ({
  ...drawKey(0, SHARD, 0),
  round: 1,
  node: NODE,
  blobId: BLOB,
  pair: 0,
  axis: "primary",
  symbol: 0,
  outcome,
  excuse,
  attempts,
});
const checkOf = (facts: Partial<JudgedFacts>, isYoung = false): ExcuseCheck =>
  new ExcuseCheck({ ...nothing, ...facts }, new Set(isYoung ? [BLOB] : []), P);
const problem = (record: EvidenceRecord, facts: Partial<JudgedFacts> = {}, isYoung = false) =>
  checkOf(facts, isYoung).problem(record, () => true);
const excused = (excuse: Excuse, attempts?: EvidenceAttempt[]) => draw("excused", excuse, attempts);

/** What makes an excuse true. */
const TRUE: [Excuse, Partial<JudgedFacts>][] = [
  ["invalid-blob", { invalidBlobs: new Set([BLOB]) }],
  [
    "epoch-change",
    { epochChanges: epochChangesOf(EPOCH, [{ epoch: EPOCH, startMs: 1, doneMs: undefined }]) },
  ],
  [
    "epoch-change",
    {
      epochChanges: epochChangesOf(EPOCH, [
        { epoch: EPOCH + 1, startMs: ASKED_MS + 1, doneMs: ASKED_MS + 2 },
      ]),
    },
  ],
  ["shard-moved", { movedShards: new Set([SHARD]) }],
  ["shard-moved", { movedShards: new Set([SHARD]), receivedMs: new Map([[SHARD, ASKED_MS - HOUR]]) }],
];

describe("an excuse that the chain gives", () => {
  it.each(TRUE)("of %s is accepted, and no failure counts beside it", (excuse, facts) => {
    expect(problem(excused(excuse), facts)).toBeUndefined();
    for (const outcome of ["missing", "invalid", "timeout", "refused"] as const)
      expect(problem(draw(outcome, null), facts), outcome).toContain(`although ${excuse} excuses it`);
    expect(problem(draw("passed", null), facts)).toBeUndefined();
    expect(checkOf(facts).wordTaken(excused(excuse))).toBeUndefined();
  });

  it.each(TRUE)("of %s is a lie when the chain does not", (excuse) => {
    expect(problem(excused(excuse))).toContain("although the chain says otherwise");
    for (const outcome of ["missing", "invalid", "timeout", "refused"] as const)
      expect(problem(draw(outcome, null))).toBeUndefined();
  });

  it("is over when its time is", () => {
    const received = new Map([[SHARD, ASKED_MS - P.shardGraceMs]]);
    expect(
      problem(excused("shard-moved"), { movedShards: new Set([SHARD]), receivedMs: received }),
    ).toContain("otherwise");
    const doneMs = ASKED_MS - P.epochGraceMs;
    const epochChanges = epochChangesOf(EPOCH, [{ epoch: EPOCH, startMs: 1, doneMs }]);
    expect(problem(excused("epoch-change"), { epochChanges })).toContain("otherwise");
  });

  it("covers a draw that was never asked when the round was judged in it", () => {
    const startMs = nothing.timestampMs;
    const epochChanges = epochChangesOf(EPOCH, [{ epoch: EPOCH + 1, startMs, doneMs: undefined }]);
    expect(problem(excused("epoch-change", []), { epochChanges })).toBeUndefined();
    expect(problem(draw("timeout", null, []), { epochChanges })).toContain("epoch-change");
    expect(problem(excused("epoch-change", []))).toContain("otherwise");
  });

  it("may be any of those that hold", () => {
    const facts = { invalidBlobs: new Set([BLOB]), movedShards: new Set([SHARD]) };
    for (const excuse of ["invalid-blob", "shard-moved"] as const)
      expect(problem(excused(excuse), facts)).toBeUndefined();
  });

  it("is none for what was not asked for to the end", () => {
    const facts = { ...nothing, invalidBlobs: new Set([BLOB]) };
    const check = new ExcuseCheck(facts, new Set(), P);
    expect(check.problem(excused("invalid-blob", answered(404)), () => false)).toContain("no failure yet");
  });

  it("of youth is for absence only", () => {
    expect(problem(excused("just-certified"), {}, true)).toBeUndefined();
    expect(problem(draw("missing", null), {}, true)).toContain("just-certified");
    expect(problem(draw("invalid", null), {}, true)).toBeUndefined();
  });
});

describe("a shard of another node's", () => {
  const committee = (nodeId: ObjectId) => ({
    epoch: EPOCH + 1,
    nShards: 1,
    members: [{ nodeId, name: "somebody", shards: [SHARD] }],
  });
  const record = excused("not-owner", answered(400, 404, 404));
  it("is one once a later committee has given it away, and not before", () => {
    expect(problem(record, { laterCommittees: [committee(objectIdOf(2))] })).toBeUndefined();
    expect(problem(record)).toContain("no later epoch had begun");
    expect(problem(record, { laterCommittees: [committee(NODE)] })).toContain("held the shard");
    const silent = excused("not-owner", answered(0, 0, 0));
    expect(problem(silent, { laterCommittees: [committee(objectIdOf(2))] })).toContain("without an answer");
  });
  it("rests on the auditor's word when nobody knows that committee", () => {
    const facts = { laterCommittees: [undefined] };
    expect(problem(record, facts)).toBeUndefined();
    expect(checkOf(facts).wordTaken(record)).toBe("not-owner");
    expect(checkOf({ laterCommittees: [committee(objectIdOf(2))] }).wordTaken(record)).toBeUndefined();
  });
});

describe("an excuse that nothing on chain shows", () => {
  it("of a deny list is given exactly where a 451 stands", () => {
    const denied = answered(451);
    expect(problem(excused("denied", denied))).toBeUndefined();
    expect(problem(excused("denied"))).toContain("without an answer 451");
    for (const outcome of ["missing", "refused", "timeout"] as const)
      expect(problem(draw(outcome, null, answered(404, 451, 404)))).toContain(
        "although the node answered 451",
      );
    // What broke off was no answer.
    const broken = answered(451, 404, 404).map((each, i) => ({
      ...each,
      bodyHash: i === 0 ? null : each.bodyHash,
    }));
    expect(problem(draw("timeout", null, broken))).toBeUndefined();
  });
  it("of missing metadata is none where something was asked", () => {
    expect(problem(excused("no-metadata", []))).toBeUndefined();
    expect(problem(excused("no-metadata"))).toContain("could be asked");
  });
  it("of maintenance is for unavailability only", () => {
    const check = checkOf({});
    expect(check.problem(excused("maintenance"), (outcome) => outcome === "timeout")).toBeUndefined();
    expect(check.problem(excused("maintenance"), (outcome) => outcome === "missing")).toContain(
      "no failure yet",
    );
  });
  it("is counted as the auditor's word", () => {
    for (const excuse of ["denied", "maintenance", "no-metadata", "self-suspect"] as const)
      expect(checkOf({}).wordTaken(excused(excuse))).toBe(excuse);
    for (const outcome of ["passed", "missing", "timeout", "vacuous"] as const)
      expect(checkOf({}).wordTaken(draw(outcome, null))).toBeUndefined();
  });
});

describe("shards of which nobody can tell whether they moved", () => {
  const facts = { movedShards: undefined };
  it("excuse and fail on the auditor's word as long as they might be in their grace", () => {
    expect(problem(excused("shard-moved"), facts)).toBeUndefined();
    expect(checkOf(facts).wordTaken(excused("shard-moved"))).toBe("shard-moved");
    expect(problem(draw("missing", null), facts)).toBeUndefined();
    expect(checkOf(facts).wordTaken(draw("missing", null))).toContain("may have moved");
  });
  it("do neither once their receipt is old", () => {
    const old = { ...facts, receivedMs: new Map([[SHARD, ASKED_MS - P.shardGraceMs]]) };
    expect(problem(excused("shard-moved"), old)).toContain("otherwise");
    expect(checkOf(old).wordTaken(draw("missing", null))).toBeUndefined();
  });
});
