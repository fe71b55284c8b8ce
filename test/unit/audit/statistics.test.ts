// If this fails, an honest node is suspected by chance, or a node that lost data looks healthy.
import { describe, expect, it } from "vitest";
import { AUDIT_PROFILES, checkParameters, parametersHash } from "../../../shared/audit/parameters.ts";
import {
  type AvailabilityWindow,
  addTrial,
  availabilityScore,
  detectableLoss,
  detectionPower,
  expectedTrialsToSuspect,
  incompleteBeta,
  latencyQuantiles,
  newPossession,
  nodeState,
  noteAvailability,
  type PossessionState,
  possessionTest,
  reputationInterval,
  trialsToDetect,
} from "../../../shared/audit/statistics.ts";
import { toHex } from "../../../shared/base/bytes.ts";

const P = AUDIT_PROFILES.public;
const TEST = possessionTest(P);

const stateAfter = (trials: readonly boolean[]): PossessionState =>
  trials.reduce((state, isFailure) => addTrial(state, isFailure, TEST), newPossession());

describe("the possession test", () => {
  it("has the increments and threshold of its error rates", () => {
    expect(TEST.onFailure).toBeCloseTo(Math.LN10, 6);
    expect(TEST.onPass).toBeCloseTo(-0.046281, 6);
    expect(TEST.suspectAt).toBeCloseTo(13.8155, 4);
  });

  it("suspects after six straight failures, not after five", () => {
    expect(nodeState(stateAfter(Array(5).fill(true)), TEST, 0)).not.toBe("suspect");
    expect(nodeState(stateAfter(Array(6).fill(true)), TEST, 0)).toBe("suspect");
  });

  it("does not forget a suspicion within the epoch", () => {
    const passed = [...Array(6).fill(true), ...Array(1000).fill(false)];
    expect(nodeState(stateAfter(passed), TEST, 0)).toBe("suspect");
  });

  it("is unaudited at first, healthy after a pass, on watch before it is suspect", () => {
    expect(nodeState(newPossession(), TEST, 0)).toBe("unaudited");
    expect(nodeState(stateAfter([false]), TEST, 0)).toBe("healthy");
    expect(nodeState(stateAfter(Array(4).fill(true)), TEST, 0)).toBe("watch");
    expect(nodeState(stateAfter([false]), TEST, 1)).toBe("confirmed");
  });

  it("lets the early warning recover, which ignores a good past", () => {
    const long = Array(2000).fill(false);
    expect(stateAfter([...long, ...Array(4).fill(true)]).cusum).toBeGreaterThan(TEST.alarmAt);
    expect(stateAfter([...long, ...Array(4).fill(true)]).logLikelihoodRatio).toBeLessThan(0);
    expect(stateAfter([...Array(4).fill(true), ...long]).cusum).toBe(0);
  });

  it("needs as many trials as theory says, and never ends at one percent loss", () => {
    expect(expectedTrialsToSuspect(0.05, TEST)).toBeCloseTo(194.2, 0);
    expect(expectedTrialsToSuspect(1 / 3, TEST)).toBeLessThan(23);
    expect(expectedTrialsToSuspect(0.01, TEST)).toBeUndefined();
    expect(expectedTrialsToSuspect(0.005, TEST)).toBeUndefined();
  });
});

describe("detection power", () => {
  it.each([
    [0.01, 299, 459, 1375],
    [0.05, 59, 90, 270],
    [0.1, 29, 44, 132],
    [0.33, 8, 12, 35],
  ])("at a loss of %f needs %i, %i and %i challenges", (loss, at95, at99, atMillion) => {
    expect(trialsToDetect(loss, 0.95)).toBe(at95);
    expect(trialsToDetect(loss, 0.99)).toBe(at99);
    expect(trialsToDetect(loss, 1 - 1e-6)).toBe(atMillion);
    expect(detectionPower(loss, at95)).toBeGreaterThanOrEqual(0.95);
    expect(detectionPower(loss, at95 - 1)).toBeLessThan(0.95);
  });

  it("says which loss would have shown by now", () => {
    expect(detectableLoss(0, 0.95)).toBe(1);
    expect(detectableLoss(299, 0.95)).toBeCloseTo(0.01, 4);
  });
});

describe("availability", () => {
  it("counts windows, so that a burst of timeouts is one event", () => {
    let windows: AvailabilityWindow[] = [];
    const hour = 3_600_000;
    windows = noteAvailability(windows, 0, true, P);
    for (let i = 0; i < 100; i++) windows = noteAvailability(windows, 12 * hour + i, false, P);
    windows = noteAvailability(windows, 25 * hour, false, P);
    windows = noteAvailability(windows, 26 * hour, true, P);
    expect(windows).toHaveLength(3);
    expect(availabilityScore(windows)).toBeCloseTo(2 / 3);
  });

  it("keeps thirty days, takes late results, and is unknown without challenges", () => {
    let windows: AvailabilityWindow[] = [];
    for (let window = 0; window < 100; window++) {
      windows = noteAvailability(windows, window * P.availabilityWindowMs, true, P);
    }
    expect(windows).toHaveLength(60);
    const late = noteAvailability(windows, 99 * P.availabilityWindowMs - 1, false, P);
    expect(late).toEqual(windows);
    expect(availabilityScore([])).toBeUndefined();
  });
});

describe("reputation", () => {
  it("is the beta distribution's mean and interval", () => {
    // Values of the regularised incomplete beta function from its closed forms.
    expect(incompleteBeta(0.3, 1, 1)).toBeCloseTo(0.3, 12);
    expect(incompleteBeta(0.25, 2, 1)).toBeCloseTo(0.0625, 12);
    expect(incompleteBeta(0.5, 0.5, 0.5)).toBeCloseTo(0.5, 12);
    expect(incompleteBeta(0.7, 3, 4)).toBeCloseTo(0.92953, 5);
    const { mean, low, high } = reputationInterval({ alpha: 99.5, beta: 9.5 });
    expect(mean).toBeCloseTo(100 / 110, 9);
    expect(incompleteBeta(low, 100, 10)).toBeCloseTo(0.025, 9);
    expect(incompleteBeta(high, 100, 10)).toBeCloseTo(0.975, 9);
  });

  it("forgets: a node that turned bad falls, one that recovered rises again", () => {
    const start = reputationInterval(newPossession());
    expect(start.low).toBeGreaterThan(0.99);
    const bad = stateAfter(Array(1000).fill(true));
    expect(reputationInterval(bad).mean).toBeLessThan(0.4);
    const recovered = Array(5000)
      .fill(false)
      .reduce((state) => addTrial(state, false, TEST), bad);
    expect(reputationInterval(recovered).mean).toBeGreaterThan(0.99);
  });

  it("carries over to the next epoch while the test starts anew", () => {
    const old = stateAfter(Array(10).fill(true));
    const next = newPossession(old);
    expect(next.alpha).toBe(old.alpha);
    expect(next.logLikelihoodRatio).toBe(0);
    expect(nodeState(next, TEST, 0)).toBe("unaudited");
  });
});

describe("a parameter profile", () => {
  it("is valid, and its hash pinned", () => {
    for (const profile of Object.values(AUDIT_PROFILES)) expect(checkParameters(profile)).toBe(profile);
    expect(toHex(parametersHash(AUDIT_PROFILES.public))).toMatchInlineSnapshot(
      `"412f13c85604b48ac43583db9c5be3db9739934914abbf579c1cbec75ce1a67c"`,
    );
    expect(toHex(parametersHash(AUDIT_PROFILES.local))).toMatchInlineSnapshot(
      `"c7e092844b3ab36a1ffd25362272c77b55ecc5a53b9d762fb32870a5138c3cae"`,
    );
  });

  it("cannot change without its hash", () => {
    for (const field of Object.keys(P)) {
      const changed = { ...P, [field]: field === "profile" ? "other" : 123_457 };
      expect(toHex(parametersHash(changed))).not.toBe(toHex(parametersHash(P)));
    }
  });

  it.each([
    { honestNoiseMillionths: 0 },
    { honestNoiseMillionths: 50_000 },
    { lossMillionths: 1_000_000 },
    { alphaMillionths: 0 },
    { attempts: 0 },
    { roundPeriodMs: 0.5 },
    { requestTimeoutMs: -1 },
  ])("is refused with %o", (change) => {
    expect(() => checkParameters({ ...P, ...change })).toThrow(/INVALID_PARAMETERS|is /);
  });
});

describe("latency quantiles", () => {
  it("are times that were measured, and none without any", () => {
    expect(latencyQuantiles([])).toBeUndefined();
    expect(latencyQuantiles([7])).toEqual({ answers: 1, p50Ms: 7, p95Ms: 7 });
    const times = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(latencyQuantiles(times)).toEqual({ answers: 100, p50Ms: 50, p95Ms: 95 });
    expect(times[0]).toBe(100);
  });
});
