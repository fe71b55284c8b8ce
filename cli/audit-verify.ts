/**
 * `floe audit verify`: recomputes somebody's round from the chain, and lists what differs.
 *
 * From the auditor come its export and that of its round before; everything they are compared with is read here.
 */
import { readFileSync } from "node:fs";
import { suiChainReader } from "../auditor/chain-reader.ts";
import { systemClock } from "../localnet/clock.ts";
import { readChainFacts } from "../scripts/audit-facts.ts";
import type { Difference, Weight } from "../shared/audit/difference.ts";
import { AUDIT_PROFILES } from "../shared/audit/parameters.ts";
import type { RoundExport } from "../shared/audit/round-export.ts";
import { type ChainFacts, verifyRound } from "../shared/audit/verify-round.ts";
import { wordsTaken } from "../shared/audit/words-taken.ts";
import { clientOf, type Place } from "./audit-place.ts";
import { readRegistryFacts } from "./audit-verify-report.ts";
import { UsageError } from "./command.ts";

export interface VerifyOptions {
  /** Base URL. */
  readonly auditor?: string | undefined;
  readonly export?: string | undefined;
  readonly previous?: string | undefined;
  /** Evidence root, hex. */
  readonly root?: string | undefined;
}

/** @returns 0 when everything can be recomputed, else 1 */
export async function verify(at: Place, no: number, options: VerifyOptions): Promise<number> {
  const round = await load(no, options);
  const { parameters } = round;
  const expected = AUDIT_PROFILES[at.kind];
  const said = await readRegistryFacts(at, round, no, options.auditor);
  const opened = said?.opened;
  const isOpened = round.seedSource === "open_round";
  const chain = suiChainReader(clientOf(at), at.ids, systemClock);
  const { judgedCheckpoint = null } = round;
  const read = await readChainFacts(chain, { no, judgedCheckpoint }, expected, isOpened ? opened : undefined);
  const previous = await loadPrevious(no, options);
  const { root } = options;
  const facts: ChainFacts = {
    ...read,
    ...(opened === undefined ? {} : { openedSeed: opened }),
    ...(said === undefined ? {} : { registry: said }),
    ...(root === undefined ? {} : { committed: { evidenceRoot: root, nodesRoot: undefined } }),
    ...(previous === undefined ? {} : { previous }),
  };
  const differences = verifyRound(round, facts);
  if (round.no !== no)
    differences.push({ what: "round", detail: `the export is of round ${round.no}`, weight: "differs" });
  if (JSON.stringify(parameters) !== JSON.stringify(expected))
    differences.push({
      what: "parameters",
      detail: `they are not the ${expected.profile} profile`,
      weight: "differs",
    });
  return tell(no, round, differences, wordsTaken(round, facts));
}

/** Someone who reads DIFFERS takes the auditor for a liar: it is said of contradictions only. */
const SAID: Readonly<Record<Weight, string>> = { differs: "DIFFERS", unknown: "UNKNOWN", note: "NOTE   " };

function tell(
  no: number,
  { totals, leaves, state }: RoundExport,
  differences: readonly Difference[],
  words: ReadonlyMap<string, number>,
): number {
  for (const { what, detail, weight } of differences) console.log(`${SAID[weight]}  ${what}: ${detail}`);
  const counted = [...words].sort().map(([word, count]) => `${count} ${word}`);
  // Always said: what is not recomputed is believed, and by whom is for the reader to decide.
  console.log(`on the auditor's word: ${counted.length === 0 ? "no excuse" : counted.join(", ")}`);
  const countOf = (weight: Weight): number => differences.filter((each) => each.weight === weight).length;
  const [wrong, unknown] = [countOf("differs"), countOf("unknown")];
  const failed = totals.missing + totals.invalid;
  if (wrong > 0) console.log(`round ${no}: ${wrong} differences`);
  else if (unknown > 0)
    console.log(`round ${no}: no difference, ${unknown} things that could not be checked`);
  else
    console.log(
      `round ${no} recomputed: ${leaves.length} draws, ${totals.passed} passed, ${failed} failed, ${state}`,
    );
  return wrong === 0 && unknown === 0 ? 0 : 1;
}

async function load(no: number, options: VerifyOptions): Promise<RoundExport> {
  if (options.export !== undefined) return JSON.parse(readFileSync(options.export, "utf8")) as RoundExport;
  if (options.auditor === undefined) throw new UsageError("verify needs --auditor or --export");
  return get<RoundExport>(options.auditor, `/v1/audit/rounds/${no}/export`);
}

async function get<T>(auditor: string, path: string): Promise<T> {
  const url = `${auditor.replace(/\/$/, "")}${path}`;
  const response = await fetch(url);
  if (!response.ok) throw new UsageError(`${url} answered ${response.status}`);
  // Whatever it is, it is compared field by field.
  return (await response.json()) as T;
}

interface ListedRound {
  readonly no: number;
  readonly evidenceRoot: string | null;
}

/** @returns null when the auditor has none before; undefined when that is not known */
async function loadPrevious(no: number, options: VerifyOptions): Promise<RoundExport | null | undefined> {
  if (options.previous !== undefined)
    return JSON.parse(readFileSync(options.previous, "utf8")) as RoundExport;
  if (options.auditor === undefined) return undefined;
  for (let before = no; ; ) {
    const { rounds } = await get<{ rounds: ListedRound[] }>(
      options.auditor,
      `/v1/audit/rounds?before=${before}`,
    );
    // A round that was abandoned before anybody was asked has no evidence and changed no record.
    const found = rounds.find((round) => round.evidenceRoot !== null && round.no < before);
    if (found !== undefined) return get<RoundExport>(options.auditor, `/v1/audit/rounds/${found.no}/export`);
    const oldest = rounds.at(-1)?.no;
    if (oldest === undefined || oldest >= before) return null;
    before = oldest;
  }
}
