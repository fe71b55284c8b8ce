// If this fails, a public panel gets rules that were meant for the test network: a bond or a window of seconds.
import { describe, expect, it } from "vitest";
import { deployedParams } from "../../../cli/audit/deployed-params.ts";
import { PANEL_PARAMETERS, type PanelParameters } from "../../../shared/sui/audit/panel-parameters.ts";

const HOUR_MS = 3_600_000;
const NOTHING_CHOSEN = { quorum: undefined, windowHours: undefined };

/** To the last figure: changing one is a decision about every panel deployed from then on. */
const PUBLIC = {
  quorum: 2,
  nShards: 1000,
  periodMs: HOUR_MS,
  windowMs: 48 * HOUR_MS,
  bondMist: 1_000_000_000n,
  maxOpenPerNode: 3,
  maxPerAuditorEpoch: 100,
  drawsPerShard: 1,
  retentionRounds: 720,
};

/** Every default of the embedded network, changed. */
const OTHER_LOCAL: PanelParameters = {
  quorum: 7,
  periodMs: 1,
  windowMs: 2,
  bondMist: 3n,
  maxOpenPerNode: 4,
  maxPerAuditorEpoch: 5,
  drawsPerShard: 6,
  retentionRounds: 8,
};

describe("a public panel", () => {
  it("is deployed with the published parameters", () => {
    expect(deployedParams("public", 1000, NOTHING_CHOSEN)).toEqual(PUBLIC);
  });

  it("is deployed with the same ones when every default of the test network is another", () => {
    const profiles = { ...PANEL_PARAMETERS, local: OTHER_LOCAL };
    expect(deployedParams("local", 1000, NOTHING_CHOSEN, profiles)).toEqual({
      ...OTHER_LOCAL,
      nShards: 1000,
    });
    expect(deployedParams("public", 1000, NOTHING_CHOSEN, profiles)).toEqual(PUBLIC);
  });

  it("takes quorum and window from its operator, and nothing else changes", () => {
    expect(deployedParams("public", 1000, { quorum: 5, windowHours: 24 })).toEqual({
      ...PUBLIC,
      quorum: 5,
      windowMs: 24 * HOUR_MS,
    });
  });
});

it("a panel of the embedded network keeps its window of seconds whatever hours are asked for", () => {
  const { windowMs } = PANEL_PARAMETERS.local;
  expect(deployedParams("local", 40, { quorum: 1, windowHours: 24 })).toMatchObject({ quorum: 1, windowMs });
});
