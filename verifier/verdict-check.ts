/**
 * Whether a published outcome may be concluded from the requests published with it.
 *
 * | outcome          | needs                                                                                          |
 * |------------------|------------------------------------------------------------------------------------------------|
 * | passed           | a last request answered 200, and nothing asked after it                                         |
 * | missing, invalid | the profile's attempts over its spread; two symbols and one sliver, each answered; invalid a 200; |
 * |                  | missing a blob that is not young                                                               |
 * | timeout          | all attempts, or a silent node; not two symbols and one sliver that came                         |
 * | refused          | the same; at least one answered                                                                |
 * | excused          | an excuse that holds (`excuse-check.ts`); self-suspect exactly in a void round                  |
 * | vacuous          | no request                                                                                     |
 *
 * No request is earlier than the round's opening or its seed, or later than its end or than the chain was read for the
 * verdicts.
 */

import type { EvidenceAttempt, EvidenceRecord } from "../shared/audit/evidence.ts";
import type { AuditParameters } from "../shared/audit/parameters.ts";
import type { BlobId } from "../shared/protocol/ids.ts";
import { ExcuseCheck, type JudgedFacts } from "./excuse-check.ts";

interface CheckedRound {
  readonly isVoid: boolean;
  readonly openedMs: number;
  readonly finishedMs: number;
  /** Time of the checkpoint with the seed; undefined while there is none. */
  readonly seedMs: number | undefined;
  /** undefined when it is not known where the chain stood: then excuses are not looked at. */
  readonly judged: JudgedFacts | undefined;
  /** Blobs certified less than the profile's grace before the seed was drawn. */
  readonly justCertified: ReadonlySet<BlobId>;
}

/** @param all the round's records. @returns what is wrong; undefined when nothing is */
export function verdictProblem(
  record: EvidenceRecord,
  all: readonly EvidenceRecord[],
  parameters: AuditParameters,
  round: CheckedRound,
): string | undefined {
  return (
    timesProblem(record, round) ??
    excuseProblem(record, round.isVoid) ??
    ageProblem(record, round.justCertified, parameters) ??
    outcomeProblem(record, all, parameters) ??
    circumstancesProblem(record, all, parameters, round)
  );
}

function timesProblem({ attempts }: EvidenceRecord, round: CheckedRound): string | undefined {
  let previousMs = round.openedMs;
  const { seedMs = 0, judged, finishedMs } = round;
  for (const { startedMs, ms } of attempts) {
    if (startedMs < previousMs) return `a request at ${startedMs}, before ${previousMs}`;
    if (startedMs < seedMs) return `a request at ${startedMs}, before the seed was drawn at ${seedMs}`;
    if (judged !== undefined && startedMs > judged.timestampMs)
      return `a request at ${startedMs}, after it was judged by the chain of ${judged.timestampMs}`;
    previousMs = startedMs + ms;
  }
  return previousMs > finishedMs ? `a request ended after the round did` : undefined;
}

function circumstancesProblem(
  record: EvidenceRecord,
  all: readonly EvidenceRecord[],
  parameters: AuditParameters,
  { judged, justCertified }: CheckedRound,
): string | undefined {
  if (judged === undefined) return undefined;
  return new ExcuseCheck(judged, justCertified, parameters).problem(record, (outcome) => {
    const asCounted: EvidenceRecord = { ...record, outcome, excuse: null };
    return outcomeProblem(asCounted, all, parameters) === undefined;
  });
}

function excuseProblem({ outcome, excuse }: EvidenceRecord, isVoid: boolean): string | undefined {
  if ((outcome === "excused") !== (excuse !== null)) return `${outcome} with excuse ${excuse}`;
  if (outcome === "vacuous") return undefined;
  if (isVoid !== (excuse === "self-suspect"))
    return isVoid ? "it counts in a void round" : "self-suspect in a round that counts";
  return undefined;
}

/** Absence of a young blob is excused; nothing else is on that ground. */
function ageProblem(
  record: EvidenceRecord,
  justCertified: ReadonlySet<BlobId>,
  parameters: AuditParameters,
): string | undefined {
  const isYoung = justCertified.has(record.blobId);
  if (record.outcome === "missing" && isYoung) return "missing, although the blob was just certified";
  if (record.excuse !== "just-certified") return undefined;
  if (!isYoung) return "just-certified, although the blob was not";
  return failureProblem({ ...record, outcome: "missing" }, parameters);
}

function outcomeProblem(
  record: EvidenceRecord,
  all: readonly EvidenceRecord[],
  parameters: AuditParameters,
): string | undefined {
  const { attempts, outcome } = record;
  const last = attempts.at(-1);
  switch (outcome) {
    case "excused":
      return undefined;
    case "vacuous":
      return attempts.length === 0 ? undefined : "padding was asked for";
    case "passed":
      return last?.httpStatus === 200 && last.bodyHash !== null ? undefined : "no answer that could pass";
    case "missing":
    case "invalid":
      return failureProblem(record, parameters);
    case "timeout":
    case "refused": {
      if (isSpread(attempts, parameters) && isAnswered(attempts.filter(isWholeSuccess)))
        return `${outcome}, although what was asked for came`;
      if (!isSpread(attempts, parameters) && !wasSilent(record, all, parameters))
        return `${outcome} after ${attempts.length} requests`;
      return outcome === "refused" && attempts.every(({ httpStatus }) => httpStatus === 0)
        ? "refused without an answer"
        : undefined;
    }
    default:
      return outcome satisfies never;
  }
}

function failureProblem(
  { attempts, outcome }: EvidenceRecord,
  parameters: AuditParameters,
): string | undefined {
  if (!isSpread(attempts, parameters))
    return `${outcome} after ${attempts.length} requests, too few or too soon`;
  // Without a whole envelope a refusal may be a proxy's; a success may have been too large to be kept.
  const answered = attempts.filter(
    ({ httpStatus, bodyHash }) => httpStatus === 200 || (isRefusal(httpStatus) && bodyHash !== null),
  );
  if (!isAnswered(answered))
    return `${outcome} on ${answered.length} answers, and not two symbols and a sliver answered`;
  // An answer that broke off has a status and no body: it proves nothing, whichever way.
  if (outcome === "missing" && attempts.some(isWholeSuccess)) return "missing, although something came";
  if (outcome === "invalid" && attempts.every(({ httpStatus }) => httpStatus !== 200))
    return "invalid, although nothing came";
  return undefined;
}

/**
 * Whether a draw counted as unavailable looks like one that failed: its answers may have been a proxy's, which have no
 * envelope, but no leaf shows that.
 */
export const looksFailed = (record: EvidenceRecord, parameters: AuditParameters): boolean =>
  (record.outcome === "timeout" || record.outcome === "refused") &&
  failureProblem({ ...record, outcome: "missing" }, parameters) === undefined;

/** Two symbols and one sliver: what it takes to call a sliver lost. */
const isAnswered = (answered: readonly EvidenceAttempt[]): boolean =>
  answered.filter(({ kind }) => kind === "symbol").length >= 2 &&
  answered.some(({ kind }) => kind === "sliver");

const isWholeSuccess = ({ httpStatus, bodyHash }: EvidenceAttempt): boolean =>
  httpStatus === 200 && bodyHash !== null;

const isRefusal = (httpStatus: number): boolean =>
  httpStatus >= 400 && httpStatus < 500 && httpStatus !== 429 && httpStatus !== 451;

function isSpread(attempts: readonly EvidenceAttempt[], parameters: AuditParameters): boolean {
  const first = attempts[0];
  const last = attempts.at(-1);
  if (first === undefined || last === undefined || attempts.length < parameters.attempts) return false;
  return last.startedMs - first.startedMs >= parameters.attemptSpreadMs;
}

/** The last requests to the node in this round, one at least, brought nothing. */
function wasSilent(
  { node }: EvidenceRecord,
  all: readonly EvidenceRecord[],
  parameters: AuditParameters,
): boolean {
  const attempts = all
    .filter((record) => record.node === node)
    .flatMap((record) => record.attempts)
    .sort((a, b) => a.startedMs - b.startedMs);
  const lastSuccess = attempts.findLastIndex(isWholeSuccess);
  // Requests for metadata and health count to the streak but stand in no leaf, and an error answer may be a proxy's:
  // so neither the streak's length nor its kind can be checked here.
  return attempts.length > lastSuccess + 1 && parameters.silentAfterRequests > 0;
}
