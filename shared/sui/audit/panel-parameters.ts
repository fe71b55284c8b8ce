/**
 * The rules that an audit panel is deployed with, for each profile of an audit.
 *
 * They are written to the chain and bind every auditor of the panel. The figures of `public` are its own: a change for
 * the embedded network changes nothing there.
 */
import { AUDIT_PROFILES, type AuditParameters } from "../../audit/parameters.ts";
import type { RegistryParams } from "./contracts.ts";

/** All but what the network itself decides. */
export type PanelParameters = Omit<RegistryParams, "nShards">;

const SECOND_MS = 1_000;
const HOUR_MS = 3_600 * SECOND_MS;
const MIST_PER_SUI = 1_000_000_000n;

/** What follows from the profile: other figures would contradict the draws that the auditors make. */
const ofProfile = ({ roundPeriodMs, maxOpenClaimsPerNode, drawsPerBlob, drawsPerByte }: AuditParameters) => ({
  periodMs: roundPeriodMs,
  maxOpenPerNode: maxOpenClaimsPerNode,
  drawsPerShard: Math.max(drawsPerBlob, drawsPerByte),
});

export const PANEL_PARAMETERS = {
  public: {
    ...ofProfile(AUDIT_PROFILES.public),
    quorum: 2,
    /** Time to answer for an operator who sleeps, or is away over a day. */
    windowMs: 48 * HOUR_MS,
    /** Many times what the dearest refutation costs. */
    bondMist: MIST_PER_SUI,
    maxPerAuditorEpoch: 100,
    /** 30 days of hourly rounds. */
    retentionRounds: 720,
  },
  local: {
    ...ofProfile(AUDIT_PROFILES.local),
    quorum: 2,
    windowMs: 5 * SECOND_MS,
    bondMist: MIST_PER_SUI,
    maxPerAuditorEpoch: 100,
    /** 12 minutes of rounds, one every two seconds. */
    retentionRounds: 360,
  },
} as const satisfies Readonly<Record<keyof typeof AUDIT_PROFILES, PanelParameters>>;
