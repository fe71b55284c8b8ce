/**
 * Every period, grace, window and rate of an audit, as one profile that is hashed into the round.
 *
 * `public` has the figures for real networks; `local` runs the same rules in seconds, for the embedded network. All
 * fields are integers (times in milliseconds), so that the profile has one canonical spelling and one hash.
 */
import { blake2b256 } from "../crypto/blake2b.ts";
import { AuditError } from "./audit-error.ts";
import { canonicalBytes } from "./canonical-json.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DOMAIN = new TextEncoder().encode("floe-audit/params/v1");

export interface AuditParameters {
  readonly profile: string;
  /** One round per period. */
  readonly roundPeriodMs: number;
  /** Draws per shard and round: every blob alike, by bytes, deletable, certified in this epoch. */
  readonly drawsPerBlob: number;
  readonly drawsPerByte: number;
  readonly drawsDeletable: number;
  readonly drawsFresh: number;
  /** Mode 1 draws only in every n-th round. */
  readonly perByteEveryRounds: number;
  /** One in so many challenges asks for the whole sliver as well. */
  readonly wholeSliverOneIn: number;
  /** Symbols asked of one sliver in one request when the sliver is longer than `manySymbolsAboveBytes`. */
  readonly symbolsPerRequest: number;
  readonly manySymbolsAboveBytes: number;
  /** What an ordinary reader waits for. */
  readonly requestTimeoutMs: number;
  /** Attempts before anything but a pass is final, and the time they are spread over. */
  readonly attempts: number;
  readonly attemptSpreadMs: number;
  /** A node that leaves so many requests in a row unanswered, over the spread, is not asked again in the round. */
  readonly silentAfterRequests: number;
  /** An auditor's own network is proven by this share of nodes passing within this time. */
  readonly selfCheckMs: number;
  readonly selfCheckPassThousandths: number;
  /** More shards than this looking unreachable mean that the auditor's network is at fault. */
  readonly selfSuspectShardThousandths: number;
  /** Nothing counts from EpochChangeStart until this long after EpochChangeDone. */
  readonly epochGraceMs: number;
  /** A shard that changed owner counts only this long after its ShardsReceived. */
  readonly shardGraceMs: number;
  /** Absence of a blob counts only when it was certified at least this long before the round's seed was drawn. */
  readonly freshGraceMs: number;
  /** Longest maintenance excused per node and epoch. */
  readonly maintenanceMs: number;
  readonly requestsPerMinutePerNode: number;
  /** Requests per 1,000 seconds over all nodes. */
  readonly requestsPerThousandSeconds: number;
  /** Failures are shown to the operator this many rounds before they count in public. */
  readonly publicationDelayRounds: number;
  readonly availabilityWindowMs: number;
  readonly availabilityDays: number;
  /** Possession test: p0, p1 and alpha as fractions of a million; alpha in millionths too. */
  readonly honestNoiseMillionths: number;
  readonly lossMillionths: number;
  readonly alphaMillionths: number;
  /** CUSUM alarm, in millionths of a natural-log unit. */
  readonly cusumAlarmMillionths: number;
  /** Beta forgetting factor, in millionths. */
  readonly forgettingMillionths: number;
  /** Confirmed claims, and rounds they must come from, before a vote is offered to operators. */
  readonly confirmedForEscalation: number;
  readonly roundsForEscalation: number;
  readonly maxOpenClaimsPerNode: number;
  /** Rounds that a ledger keeps with all their evidence, when nothing else refers to them. */
  readonly retentionRounds: number;
  /** Symbols of a chained burst (C6), one burst a node and round; 0 = none. */
  readonly burstSteps: number;
}

const PUBLIC: AuditParameters = {
  profile: "public",
  roundPeriodMs: HOUR,
  drawsPerBlob: 1,
  drawsPerByte: 1,
  drawsDeletable: 1,
  drawsFresh: 1,
  perByteEveryRounds: 2,
  wholeSliverOneIn: 50,
  symbolsPerRequest: 32,
  manySymbolsAboveBytes: 64 * 1024,
  requestTimeoutMs: 30 * SECOND,
  attempts: 3,
  attemptSpreadMs: 30 * MINUTE,
  silentAfterRequests: 6,
  selfCheckMs: 10 * MINUTE,
  selfCheckPassThousandths: 667,
  selfSuspectShardThousandths: 334,
  epochGraceMs: 2 * HOUR,
  shardGraceMs: 12 * HOUR,
  // A node recovers what it did not get by itself, and tries again after at most an hour: one such pause, and time to
  // work.
  freshGraceMs: 2 * HOUR,
  maintenanceMs: 12 * HOUR,
  requestsPerMinutePerNode: 4,
  requestsPerThousandSeconds: 1000,
  publicationDelayRounds: 1,
  availabilityWindowMs: 12 * HOUR,
  availabilityDays: 30,
  honestNoiseMillionths: 5_000,
  lossMillionths: 50_000,
  alphaMillionths: 1,
  cusumAlarmMillionths: 8_000_000,
  forgettingMillionths: 999_000,
  confirmedForEscalation: 3,
  roundsForEscalation: 2,
  maxOpenClaimsPerNode: 3,
  retentionRounds: 24 * 30,
  burstSteps: 4,
};

/** The rules of `public` at a speed at which a person can watch them. */
const LOCAL: AuditParameters = {
  ...PUBLIC,
  profile: "local",
  roundPeriodMs: 2 * SECOND,
  drawsPerBlob: 4,
  drawsDeletable: 4,
  drawsFresh: 4,
  perByteEveryRounds: 1,
  requestTimeoutMs: 2 * SECOND,
  attemptSpreadMs: 600,
  silentAfterRequests: 3,
  selfCheckMs: 5 * SECOND,
  epochGraceMs: 2 * SECOND,
  shardGraceMs: 5 * SECOND,
  freshGraceMs: 2 * SECOND,
  maintenanceMs: 30 * SECOND,
  requestsPerMinutePerNode: 6_000,
  requestsPerThousandSeconds: 500_000,
  publicationDelayRounds: 0,
  availabilityWindowMs: 5 * SECOND,
  availabilityDays: 1,
};

export const AUDIT_PROFILES = { public: PUBLIC, local: LOCAL } as const satisfies Readonly<
  Record<string, AuditParameters>
>;

/** @throws AuditError `INVALID_PARAMETERS` with the field that is out of bounds */
export function checkParameters(parameters: AuditParameters): AuditParameters {
  for (const [field, value] of Object.entries(parameters)) {
    if (field === "profile") continue;
    if (!Number.isSafeInteger(value) || value < 0) invalid(field, value);
  }
  const positive = [
    "roundPeriodMs",
    "perByteEveryRounds",
    "wholeSliverOneIn",
    "symbolsPerRequest",
    "requestTimeoutMs",
    "attempts",
    "silentAfterRequests",
    "selfCheckMs",
    "requestsPerMinutePerNode",
    "requestsPerThousandSeconds",
    "availabilityWindowMs",
    "availabilityDays",
    "alphaMillionths",
  ] as const;
  for (const field of positive) if (parameters[field] === 0) invalid(field, 0);
  const { honestNoiseMillionths: p0, lossMillionths: p1, alphaMillionths } = parameters;
  if (p0 === 0 || p0 >= p1) invalid("honestNoiseMillionths", p0);
  if (p1 >= 1_000_000) invalid("lossMillionths", p1);
  if (alphaMillionths >= 1_000_000) invalid("alphaMillionths", alphaMillionths);
  if (parameters.forgettingMillionths >= 1_000_000)
    invalid("forgettingMillionths", parameters.forgettingMillionths);
  return parameters;
}

function invalid(field: string, value: number): never {
  throw new AuditError("INVALID_PARAMETERS", `${field} is ${value}`, { details: { field, value } });
}

/** What a round stores of its profile: an auditor cannot claim afterwards that other rules applied. */
export const parametersHash = (parameters: AuditParameters): Uint8Array =>
  blake2b256(DOMAIN, canonicalBytes({ ...parameters }));
