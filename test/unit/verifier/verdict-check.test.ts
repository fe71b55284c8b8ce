// If this fails, an honest auditor's round is called forged because an answer broke off, or a forged one is not.
import { describe, expect, it } from "vitest";
import type { EvidenceAttempt, EvidenceRecord } from "../../../shared/audit/evidence.ts";
import { AUDIT_PROFILES } from "../../../shared/audit/parameters.ts";
import type { BlobId } from "../../../shared/protocol/ids.ts";
import { verdictProblem } from "../../../verifier/verdict-check.ts";
import { blobIdOf, drawKey, objectIdOf } from "../audit/fixtures.ts";

const P = AUDIT_PROFILES.public;
const HASH = "ab".repeat(32);

/** Requests one part of the spread apart. */
const attempts = (...answers: [EvidenceAttempt["kind"], number, boolean][]): EvidenceAttempt[] =>
  answers.map(([kind, httpStatus, hasBody], i) => ({
    kind,
    startedMs: 1_000 + (i * P.attemptSpreadMs) / 2,
    ms: 10,
    httpStatus,
    bodyHash: hasBody ? HASH : null,
  }));

function problemOf(
  outcome: EvidenceRecord["outcome"],
  requests: readonly EvidenceAttempt[],
  excuse: EvidenceRecord["excuse"] = null,
  justCertified: ReadonlySet<BlobId> = new Set(),
) {
  const record: EvidenceRecord = {
    ...drawKey(0, 1, 0),
    round: 1,
    node: objectIdOf(1),
    blobId: blobIdOf(1),
    pair: 0,
    axis: "primary",
    symbol: 0,
    outcome,
    excuse,
    attempts: requests,
  };
  return verdictProblem(record, [record], P, {
    isVoid: false,
    openedMs: 0,
    finishedMs: 1e12,
    seedMs: 0,
    judged: undefined,
    justCertified,
  });
}

describe("an answer that broke off after its status", () => {
  const failed = [
    ["symbol", 404, true],
    ["symbol", 404, true],
    ["sliver", 404, true],
  ] as const;
  it("takes nothing from a failure that the other answers show", () => {
    expect(
      problemOf("missing", attempts(["symbol", 200, false], ...failed.map((each) => [...each] as never))),
    ).toBeUndefined();
  });
  it("is no success that a silent node could not have had", () => {
    expect(problemOf("timeout", attempts(["symbol", 0, false], ["symbol", 200, false]))).toBeUndefined();
  });
});

describe("an answer that came whole", () => {
  it("is not passed over when the node is called missing", () => {
    const requests = attempts(["symbol", 200, true], ["symbol", 404, true], ["sliver", 404, true]);
    expect(problemOf("missing", requests)).toContain("although something came");
  });
  it("is what calling a node's answer invalid takes", () => {
    const requests = attempts(["symbol", 404, true], ["symbol", 404, true], ["sliver", 404, true]);
    expect(problemOf("invalid", requests)).toContain("although nothing came");
  });
});

describe("absence of a blob", () => {
  const absent = attempts(["symbol", 404, true], ["symbol", 404, true], ["sliver", 404, true]);
  const young = new Set([blobIdOf(1)]);

  it("is missing when the blob is old, and excused when it was just certified", () => {
    expect(problemOf("missing", absent)).toBeUndefined();
    expect(problemOf("excused", absent, "just-certified", young)).toBeUndefined();
  });

  it("cannot be held against a node for a blob that was just certified", () => {
    expect(problemOf("missing", absent, null, young)).toContain("just certified");
  });

  it("cannot be excused with the youth of an old blob, nor anything but absence with that of a young one", () => {
    expect(problemOf("excused", absent, "just-certified")).toContain("although the blob was not");
    const silent = attempts(["symbol", 0, false], ["symbol", 0, false], ["symbol", 0, false]);
    expect(problemOf("excused", silent, "just-certified", young)).toContain("answered");
    const wrong = attempts(["symbol", 200, true], ["symbol", 404, true], ["sliver", 404, true]);
    expect(problemOf("excused", wrong, "just-certified", young)).toContain("something came");
  });
});

describe("what a node sent", () => {
  const sent = attempts(["symbol", 200, true], ["symbol", 200, true], ["sliver", 200, true]);
  it("is no silence: two symbols and the sliver passed, or were wrong", () => {
    expect(problemOf("timeout", sent)).toContain("came");
    expect(problemOf("refused", sent)).toContain("came");
    expect(problemOf("invalid", sent)).toBeUndefined();
    // One of them is not enough to call the sliver wrong.
    const [first, ...others] = sent;
    const unanswered = others.map((each) => ({ ...each, httpStatus: 0, bodyHash: null }));
    expect(problemOf("timeout", first === undefined ? [] : [first, ...unanswered])).toBeUndefined();
  });

  it("is no refusal when it broke off: only an envelope says that a sliver is missing", () => {
    const broken = attempts(["symbol", 404, true], ["symbol", 404, false], ["sliver", 404, true]);
    expect(problemOf("missing", broken)).toContain("missing on 2 answers");
  });
});
