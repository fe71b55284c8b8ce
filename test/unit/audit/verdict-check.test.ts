// If this fails, an honest auditor's round is called forged because an answer broke off, or a forged one is not.
import { describe, expect, it } from "vitest";
import type { EvidenceAttempt, EvidenceRecord } from "../../../shared/audit/evidence.ts";
import { AUDIT_PROFILES } from "../../../shared/audit/parameters.ts";
import { verdictProblem } from "../../../shared/audit/verdict-check.ts";
import { blobIdOf, drawKey, objectIdOf } from "./fixtures.ts";

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

function problemOf(outcome: EvidenceRecord["outcome"], requests: readonly EvidenceAttempt[]) {
  const record: EvidenceRecord = {
    ...drawKey(0, 1, 0),
    round: 1,
    node: objectIdOf(1),
    blobId: blobIdOf(1),
    pair: 0,
    axis: "primary",
    symbol: 0,
    outcome,
    excuse: null,
    attempts: requests,
  };
  return verdictProblem(record, [record], P, { isVoid: false, openedMs: 0, finishedMs: 1e12 });
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
