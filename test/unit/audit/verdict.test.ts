// If this fails, one bad moment of a node is held against it, or a node that lost data gets away with retries.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Circumstances,
  excusesFor,
  hasProvenNetwork,
  isSelfSuspect,
} from "../../../shared/audit/fairness.ts";
import type { Outcome } from "../../../shared/audit/outcomes.ts";
import { AUDIT_PROFILES } from "../../../shared/audit/parameters.ts";
import {
  type Attempt,
  availabilityTrial,
  nextStep,
  possessionTrial,
  type Verdict,
  type VerdictOutcome,
} from "../../../shared/audit/verdict.ts";

const P = AUDIT_PROFILES.public;
const MINUTE = 60_000;

/** Lets a node answer with these outcomes in turn, asked whenever the rules say so; the last one repeats. */
function judge(outcomes: readonly Outcome[], isOwner = true, jitter = 0.5) {
  const attempts: Attempt[] = [];
  let now = 1_000_000;
  for (;;) {
    const step = nextStep(attempts, P, jitter, isOwner);
    if (step.kind === "final") return { verdict: step.verdict, attempts };
    now = Math.max(now, step.notBeforeMs) + 200;
    const outcome = outcomes[Math.min(attempts.length, outcomes.length - 1)] ?? "timeout";
    attempts.push({ kind: step.attempt, startedMs: now, outcome });
    if (attempts.length > 50) throw new Error("never final");
  }
}

describe("a verdict", () => {
  it("passes at once, and after any number of bad answers", () => {
    expect(judge(["pass"]).attempts).toHaveLength(1);
    expect(judge(["missing", "invalid", "pass"]).verdict.outcome).toBe("passed");
    expect(judge(["timeout", "missing", "timeout", "pass"]).verdict.outcome).toBe("passed");
  });

  it("is missing after the symbol twice and the whole sliver once, over half an hour", () => {
    const { verdict, attempts } = judge(["missing"]);
    expect(verdict).toEqual({ outcome: "missing", excuse: null });
    expect(attempts.map(({ kind }) => kind)).toEqual(["symbol", "symbol", "sliver"]);
    const spread = (attempts.at(-1)?.startedMs ?? 0) - (attempts[0]?.startedMs ?? 0);
    expect(spread).toBeGreaterThanOrEqual(30 * MINUTE);
    expect(spread).toBeLessThan(60 * MINUTE);
  });

  it("is invalid when any answer was wrong bytes", () => {
    expect(judge(["missing", "invalid", "missing"]).verdict.outcome).toBe("invalid");
  });

  it("is a timeout when nothing ever came, after three attempts over half an hour", () => {
    const { verdict, attempts } = judge(["timeout", "unreachable", "timeout"]);
    expect(verdict.outcome).toBe("timeout");
    expect(attempts).toHaveLength(3);
  });

  it("is refused when the node was busy", () => {
    expect(judge(["refused", "timeout", "refused"]).verdict.outcome).toBe("refused");
  });

  it("is excused when the operator blocks the blob, or the chain gives the shard to another node", () => {
    expect(judge(["denied"]).verdict).toEqual({ outcome: "excused", excuse: "denied" });
    expect(judge(["disowned"], false).verdict).toEqual({ outcome: "excused", excuse: "not-owner" });
  });

  it("is missing when the node disowns a shard that the chain gives it", () => {
    expect(judge(["disowned"]).verdict.outcome).toBe("missing");
  });

  it("never says missing or invalid without three answers that said so", () => {
    const outcome = fc.constantFrom<Outcome>(
      "missing",
      "invalid",
      "disowned",
      "refused",
      "timeout",
      "unreachable",
    );
    fc.assert(
      fc.property(
        fc.array(outcome, { minLength: 1, maxLength: 8 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (outcomes, jitter) => {
          const { verdict, attempts } = judge(outcomes, true, jitter);
          const failed = attempts.filter(
            ({ outcome: o }) => o === "missing" || o === "invalid" || o === "disowned",
          );
          if (possessionTrial(verdict) === "failure") {
            expect(failed.filter(({ kind }) => kind === "symbol").length).toBeGreaterThanOrEqual(2);
            expect(failed.some(({ kind }) => kind === "sliver")).toBe(true);
          }
          expect(attempts.length).toBeGreaterThanOrEqual(3);
          expect(attempts.length).toBeLessThanOrEqual(2 * P.attempts);
          expect((attempts.at(-1)?.startedMs ?? 0) - (attempts[0]?.startedMs ?? 0)).toBeGreaterThanOrEqual(
            P.attemptSpreadMs,
          );
        },
      ),
      { numRuns: Number(process.env["FLOE_RUNS"] ?? 100) },
    );
  });

  it("is a trial of possession only when the node answered, of availability unless excused", () => {
    const of = (outcome: Verdict["outcome"]) => {
      const verdict = { outcome, excuse: null };
      return [possessionTrial(verdict), availabilityTrial(verdict)];
    };
    expect(of("passed")).toEqual(["success", true]);
    expect(of("missing")).toEqual(["failure", true]);
    expect(of("invalid")).toEqual(["failure", true]);
    expect(of("timeout")).toEqual([undefined, false]);
    expect(of("refused")).toEqual([undefined, false]);
    expect(of("excused")).toEqual([undefined, undefined]);
    expect(of("vacuous")).toEqual([undefined, undefined]);
  });
});

describe("an excuse", () => {
  const START = 1_000_000_000;
  const usual: Circumstances = {
    askedMs: START + 100 * 3_600_000,
    epochChangeStartMs: START,
    epochChangeDoneMs: START + 3_600_000,
    shardMove: undefined,
    nodeStatus: "Active",
    maintenanceUsedMs: 0,
    isBlobInvalid: false,
    isJustCertified: false,
  };
  const excuse = (change: Partial<Circumstances>, outcome: VerdictOutcome = "timeout") =>
    excusesFor({ ...usual, ...change }, outcome, P)[0];

  it("is not given in the ordinary course", () => {
    expect(excuse({})).toBeUndefined();
    expect(excuse({ nodeStatus: undefined })).toBeUndefined();
    expect(excuse({ nodeStatus: "Standby" })).toBeUndefined();
  });

  it("covers an epoch change until two hours after its end", () => {
    expect(excuse({ epochChangeDoneMs: undefined })).toBe("epoch-change");
    expect(excuse({ askedMs: START + 3 * 3_600_000 - 1 })).toBe("epoch-change");
    expect(excuse({ askedMs: START + 3 * 3_600_000 })).toBeUndefined();
  });

  it("covers a shard that moved until twelve hours after its receipt", () => {
    const receivedMs = usual.askedMs - 12 * 3_600_000;
    expect(excuse({ shardMove: { receivedMs: undefined } })).toBe("shard-moved");
    expect(excuse({ shardMove: { receivedMs: receivedMs + 1 } })).toBe("shard-moved");
    expect(excuse({ shardMove: { receivedMs } })).toBeUndefined();
  });

  it("covers maintenance for twelve hours an epoch, and absent data never", () => {
    const nodeStatus = "RecoveryInProgress";
    expect(excuse({ nodeStatus })).toBe("maintenance");
    expect(excuse({ nodeStatus }, "missing")).toBeUndefined();
    expect(excuse({ nodeStatus, maintenanceUsedMs: 12 * 3_600_000 })).toBeUndefined();
  });

  it("covers blobs reported invalid", () => {
    expect(excuse({ isBlobInvalid: true }, "missing")).toBe("invalid-blob");
  });

  it("covers the absence of a blob that was just certified, but neither wrong bytes of it nor silence", () => {
    const isJustCertified = true;
    expect(excuse({ isJustCertified }, "missing")).toBe("just-certified");
    for (const outcome of ["invalid", "timeout", "refused"] as const)
      expect(excuse({ isJustCertified }, outcome), outcome).toBeUndefined();
  });
});

describe("an auditor's own network", () => {
  const passesOf = (nodes: number, gapMs: number) =>
    Array.from({ length: nodes }, (_, nodeIndex) => ({ nodeIndex, passedMs: nodeIndex * gapMs }));

  it("is proven by two thirds of the nodes within ten minutes", () => {
    expect(hasProvenNetwork(passesOf(70, 1000), 105, P)).toBe(false);
    expect(hasProvenNetwork(passesOf(71, 1000), 105, P)).toBe(true);
    // The same passes, spread over an hour and ten minutes.
    expect(hasProvenNetwork(passesOf(71, MINUTE), 105, P)).toBe(false);
    // One node passing often proves nothing.
    expect(hasProvenNetwork(Array(200).fill({ nodeIndex: 3, passedMs: 5 }), 105, P)).toBe(false);
    expect(hasProvenNetwork([], 105, P)).toBe(false);
  });

  it("voids its round when a third of the shards look unreachable", () => {
    const round = { passes: passesOf(105, 10), nodeCount: 105, nShards: 1000 };
    expect(isSelfSuspect({ ...round, unreachableShards: 333 }, P)).toBe(false);
    expect(isSelfSuspect({ ...round, unreachableShards: 334 }, P)).toBe(true);
    expect(isSelfSuspect({ ...round, passes: [], unreachableShards: 0 }, P)).toBe(true);
  });
});
