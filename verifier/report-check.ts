/**
 * Whose round it is, and whether it is the one that stands on chain.
 *
 * An export that names an auditor is believed to be that auditor's for one of two reasons: its report of the round, or
 * the panel's entry of the URL that the export came from. A report on chain binds roots, totals and rows, whether the
 * export names it or not: an auditor cannot report one thing and publish another.
 */

import { totalsVector } from "../shared/audit/report-rows.ts";
import type { RoundExport } from "../shared/audit/round-export.ts";
import { FloeError } from "../shared/base/errors.ts";
import { type ObjectId, parseObjectId } from "../shared/protocol/ids.ts";
import type { Differs } from "./difference.ts";

/** An auditor's report of a round, as the registry or its event has it. Hex where bytes. */
export interface ReportOnChain {
  readonly auditor: ObjectId;
  /** Whether it is in the transaction that the export names. */
  readonly isInNamed: boolean;
  /** That holds it; undefined when only the registry tells of it. */
  readonly checkpoint: number | undefined;
  readonly epoch: number;
  /** challenged, passed, missing, invalid, timeouts, refused, excused, vacuous */
  readonly totals: readonly number[];
  readonly evidenceRoot: string;
  readonly nodesRoot: string;
}

/** What an audit registry says of a round. */
export interface RegistryFacts {
  /** Of the round, by the auditor that the export names; null when there is none. */
  readonly report: ReportOnChain | null;
  /** Whom the panel knows at the URL that the export came from (`memberAt`). */
  readonly member: ObjectId | undefined;
  /** It joined in the round's epoch, maybe after the round. */
  readonly isNewMember?: boolean;
}

/** @param registry undefined when none was named: then an auditor and its report cannot be looked for */
export function checkReport(round: RoundExport, registry: RegistryFacts | undefined, differs: Differs): void {
  const { auditor, tx } = round;
  if (auditor === null) {
    if (tx !== null) differs("report", `${tx} is somebody's report, and the export names no auditor`);
    // Who denies its place on the panel could choose between the panel's seed and the checkpoint's.
    if (registry?.member !== undefined)
      differs(
        "auditor",
        `the panel knows it as ${registry.member}, the export says that it has no key`,
        registry.isNewMember === true ? "unknown" : "differs",
      );
    return;
  }
  if (!isObjectId(String(auditor))) {
    differs("auditor", `${String(auditor).slice(0, 80)} is no address`);
    return;
  }
  if (registry === undefined) {
    differs(
      "auditor",
      `${auditor} and its report cannot be looked for: name --package and --registry`,
      "unknown",
    );
    return;
  }
  const { report, member } = registry;
  if (member !== undefined && member !== auditor)
    differs("auditor", `the panel knows it as ${member}, the export names ${auditor}`);
  if (report === null) {
    if (tx !== null) differs("report", `the chain has no report of it by ${auditor} in ${tx}`);
    else if (member === undefined)
      differs(
        "auditor",
        `nothing shows that it is of ${auditor}: there is no report of it, and the panel has nobody where it came from`,
        "unknown",
      );
    return;
  }
  checkRoots(round, report, differs);
  const { checkpoint } = report;
  const { judgedCheckpoint } = round;
  if (checkpoint !== undefined && judgedCheckpoint !== null && checkpoint <= judgedCheckpoint)
    differs("judged", `it was reported in checkpoint ${checkpoint}, and judged by ${judgedCheckpoint}`);
}

/** An entry of the panel, as far as it says who answers where. */
export interface PanelEntry {
  readonly address: ObjectId;
  readonly url: string;
  readonly sinceEpoch: number;
  readonly isActive: boolean;
}

/**
 * Whom the panel knows at a URL. An auditor that changed its key has two entries there, the old one not active any
 * more; one that joined after a round had no key in it.
 *
 * @param named whom the export names; undefined when it names no auditor
 */
export function memberAt(
  panel: readonly PanelEntry[],
  url: string | undefined,
  named: ObjectId | undefined,
  epoch: number,
): Pick<RegistryFacts, "member" | "isNewMember"> {
  const here = panel.filter((entry) => url !== undefined && plainUrl(entry.url) === plainUrl(url));
  const own = here.find(({ address }) => address === named);
  const found = own ?? here.find(({ isActive, sinceEpoch }) => isActive && sinceEpoch <= epoch);
  return { member: found?.address, isNewMember: found?.sinceEpoch === epoch };
}

/** One spelling of those that name the same place: case of the host, default port, a slash at the end. */
function plainUrl(url: string): string {
  const text = URL.canParse(url) ? new URL(url).href : url;
  return text.replace(/\/+$/, "");
}

function checkRoots(round: RoundExport, report: ReportOnChain, differs: Differs): void {
  const { auditor, tx, epoch, totals, evidenceRoot, nodesRoot } = round;
  const expect = (what: string, onChain: string, claimed: string): void => {
    if (onChain !== claimed) differs(what, `reported ${onChain}, the export says ${claimed}`);
  };
  if (tx === null) differs("report", `${auditor} has reported it on chain, and the export names no report`);
  else if (!report.isInNamed) differs("report", `the report of it by ${auditor} is not in ${tx}`);
  expect("report-auditor", report.auditor, String(auditor));
  expect("report-epoch", `${report.epoch}`, `${epoch}`);
  expect("report-totals", report.totals.join(" "), totalsVector(totals).join(" "));
  expect("evidence-root-committed", report.evidenceRoot, evidenceRoot);
  expect("nodes-root-committed", report.nodesRoot, nodesRoot);
}

function isObjectId(text: string): boolean {
  try {
    return parseObjectId(text) === text;
  } catch (error) {
    if (error instanceof FloeError) return false;
    throw error;
  }
}
