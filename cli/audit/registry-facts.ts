/** What the audit registry knows of a published round: its seed, the report, the auditor at a URL. */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import type { RoundExport } from "../../shared/audit/round-export.ts";
import { toHex } from "../../shared/base/bytes.ts";
import { FloeError } from "../../shared/base/errors.ts";
import { type ObjectId, parseObjectId } from "../../shared/protocol/ids.ts";
import { type AuditEventOf, isOfRegistry, parseAuditEvent } from "../../shared/sui/audit/events.ts";
import { findAuditEvent, findRoundOpened } from "../../shared/sui/audit/find-events.ts";
import {
  type RegistryState,
  type RoundState,
  readRegistry,
  readReport,
  readRound,
} from "../../shared/sui/audit/reader.ts";
import { suiCall } from "../../shared/sui/client/sui-client.ts";
import { createWalletChain } from "../../shared/sui/wallet/wallet-chain.ts";
import type { ChainFacts } from "../../verifier/chain-facts.ts";
import { memberAt, type RegistryFacts, type ReportOnChain } from "../../verifier/report-check.ts";
import { clientOf, type Place } from "./place.ts";

export interface FactsOfRound extends RegistryFacts {
  readonly opened: NonNullable<ChainFacts["openedSeed"]> | undefined;
}

/**
 * @param auditorUrl where the export came from
 * @returns undefined when no registry was named
 * @throws SuiError
 * Cost: some ten requests; for a report that the export does not name and the registry has pruned, up to 100 more.
 */
export async function readRegistryFacts(
  at: Place,
  { auditor, tx, epoch }: RoundExport,
  no: number,
  auditorUrl: string | undefined,
): Promise<FactsOfRound | undefined> {
  if (at.contract === undefined) return undefined;
  const client = clientOf(at);
  const registry = await readRegistry(client, at.contract);
  const round = await readRound(client, registry, no);
  const sinceMs = round?.openedMs ?? no * registry.params.periodMs;
  const found = await findRoundOpened(client, registry, no, sinceMs, round?.seed);
  const reporter = objectIdOf(auditor);
  const hasReports = round !== undefined || found !== undefined;
  return {
    opened: found && { seed: found.event.seed, checkpoint: found.checkpoint },
    report:
      reporter === undefined || !hasReports
        ? null
        : ((await readReported(client, registry, round, no, reporter, tx)) ?? null),
    ...memberAt(registry.auditors, auditorUrl, reporter, epoch),
  };
}

async function readReported(
  client: SuiGrpcClient,
  registry: RegistryState,
  round: RoundState | undefined,
  no: number,
  auditor: ObjectId,
  tx: string | null,
): Promise<ReportOnChain | undefined> {
  const kept = round && (await readReport(client, round, auditor));
  // Until the round is pruned its reports stand in the registry, and nothing else is one.
  if (round !== undefined && kept === undefined) return undefined;
  const isOfRound = (event: Reported): boolean => Number(event.no) === no && event.auditor === auditor;
  const named = tx === null ? undefined : await reportIn(client, registry, isOfRound, tx);
  if (kept === undefined)
    return named ?? (tx === null ? await findReport(client, registry, isOfRound, no) : undefined);
  const evidenceRoot = toHex(kept.evidenceRoot);
  return {
    auditor,
    isInNamed: named?.evidenceRoot === evidenceRoot,
    checkpoint: named?.checkpoint,
    epoch: kept.epoch,
    totals: kept.totals,
    evidenceRoot,
    nodesRoot: toHex(kept.nodesRoot),
  };
}

type Reported = AuditEventOf<"RoundReported">;

const toReport = (event: Reported, isInNamed: boolean, checkpoint: number | undefined): ReportOnChain => ({
  auditor: event.auditor,
  isInNamed,
  checkpoint,
  epoch: event.epoch,
  totals: event.totals,
  evidenceRoot: toHex(event.evidence_root),
  nodesRoot: toHex(event.nodes_root),
});

/** The report of a pruned round whose export names no report. */
async function findReport(
  client: SuiGrpcClient,
  registry: RegistryState,
  isOfRound: (event: Reported) => boolean,
  no: number,
): Promise<ReportOnChain | undefined> {
  const { retentionRounds } = registry.params;
  // A round is reported before it is past its retention: such a report is older than any of this round.
  const isPast = (event: Reported): boolean => Number(event.no) + retentionRounds + 1 < no;
  const found = await findAuditEvent(client, registry, "RoundReported", isOfRound, isPast);
  return found && toReport(found.event, false, found.checkpoint);
}

async function reportIn(
  client: SuiGrpcClient,
  { contracts: { originalPackageId, registry } }: RegistryState,
  isOfRound: (event: Reported) => boolean,
  tx: string,
): Promise<ReportOnChain | undefined> {
  const executed = await createWalletChain(client, [client]).lookUp(tx);
  for (const { type, contents } of executed?.events ?? []) {
    const event = parseAuditEvent(type, contents, originalPackageId);
    if (event?.kind !== "RoundReported" || !isOfRegistry(event, registry.objectId)) continue;
    if (!isOfRound(event)) continue;
    const { response } = await suiCall(`looking up ${tx}`, async () =>
      client.ledgerService.getTransaction({ digest: tx, readMask: { paths: ["checkpoint"] } }),
    );
    const checkpoint = response.transaction?.checkpoint;
    return toReport(event, true, checkpoint === undefined ? undefined : Number(checkpoint));
  }
  return undefined;
}

/** What is no address is not looked for; `verifyRound` names it. */
function objectIdOf(auditor: string | null): ObjectId | undefined {
  try {
    return auditor === null ? undefined : parseObjectId(String(auditor));
  } catch (error) {
    if (error instanceof FloeError) return undefined;
    throw error;
  }
}
