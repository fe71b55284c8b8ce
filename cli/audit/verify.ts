/**
 * `floe audit verify`: recomputes an auditor's round from the chain, and lists what differs.
 *
 * From the auditor come its export and that of its round before; everything they are compared with is read here.
 */

import { systemClock } from "../../host/clock.ts";
import { command, InputError } from "../../host/command.ts";
import { file, text, wholeNumber } from "../../host/options.ts";
import { UsageError } from "../../host/usage-error.ts";
import { AUDIT_PROFILES } from "../../shared/audit/parameters.ts";
import { EXPORT_FORMAT, type RoundExport } from "../../shared/audit/round-export.ts";
import { suiChainReader } from "../../shared/sui/walrus/chain-reader.ts";
import type { ChainFacts } from "../../verifier/chain-facts.ts";
import type { OnRead } from "../../verifier/chain-history.ts";
import { type Difference, expecting, type Weight } from "../../verifier/difference.ts";
import { readChainFacts } from "../../verifier/read-chain-facts.ts";
import { verifyRound } from "../../verifier/verify-round.ts";
import { wordsTaken } from "../../verifier/words-taken.ts";
import { clientOf, PLACE_OPTIONS, type Place, placeOf } from "./place.ts";
import { readRegistryFacts } from "./registry-facts.ts";
import { jsonOfAuditor, jsonOfFile } from "./source.ts";

/** How often progress is printed. */
const PRINT_MS = 10_000;

interface VerifyOptions {
  /** Base URL. */
  readonly auditor?: string | undefined;
  readonly export?: string | undefined;
  readonly previous?: string | undefined;
  /** Evidence root, hex. */
  readonly root?: string | undefined;
}

export const verify = command(
  {
    name: "floe audit verify",
    about:
      "Recomputes a round from the chain and the auditor's export. Exits 1 on any difference, and when something could not be checked. Needs --auditor or --export.",
    options: {
      auditor: text("URL", "base URL of the auditor that held the round"),
      export: file("an export fetched before"),
      previous: file(
        "export of the auditor's round before, whose records this one goes on with; --auditor finds it",
      ),
      root: text("HEX", "the evidence root you noted earlier, or read in the report on chain"),
      ...PLACE_OPTIONS,
    },
    operands: [{ name: "ROUND", help: "number of the round" }],
  },
  ({ values, operands: [round] }) =>
    verifyAt(placeOf(values), wholeNumber("ROUND", round, { from: 0, to: Number.MAX_SAFE_INTEGER }), values),
);

/** @returns 0 when everything can be recomputed, else 1 */
async function verifyAt(at: Place, no: number, options: VerifyOptions): Promise<number> {
  const round = await load(no, options);
  const expected = AUDIT_PROFILES[at.kind];
  const obvious = obviousDifferences(at, no, round);
  if (obvious.length > 0) return tell(no, round, obvious);
  const registry = await readRegistryFacts(at, round, no, options.auditor);
  const opened = registry?.opened;
  const isOpened = round.seedSource === "open_round";
  // Without its seed there are no draws to compare, and all would seem to differ.
  if (isOpened && registry === undefined)
    throw new UsageError(`the contract drew the seed of round ${no}: name --package and --registry`);
  const chain = suiChainReader(clientOf(at), at.ids, systemClock);
  const { epoch, judgedCheckpoint = null, leaves } = round;
  const claimed = { no, epoch, judgedCheckpoint, leaves };
  const read = await readChainFacts(
    chain,
    claimed,
    expected,
    isOpened ? opened : undefined,
    progressPrinter(),
  );
  const previous = await loadPrevious(no, options);
  const { root } = options;
  const facts: ChainFacts = {
    ...read,
    ...(opened === undefined ? {} : { openedSeed: opened }),
    ...(registry === undefined ? {} : { registry }),
    ...(root === undefined ? {} : { committed: { evidenceRoot: root, nodesRoot: undefined } }),
    ...(previous === undefined ? {} : { previous }),
  };
  return tell(no, round, verifyRound(round, facts), wordsTaken(round, facts));
}

/** What needs no reading of the chain: hours of it would only bring more differences. */
function obviousDifferences({ ids, kind }: Place, no: number, round: RoundExport): Difference[] {
  const found: Difference[] = [];
  const expect = expecting((what, detail) => found.push({ what, detail, weight: "differs" }));
  const expected = AUDIT_PROFILES[kind];
  const idsOf = ({ systemObjectId, stakingObjectId }: RoundExport["network"]): string =>
    `System ${systemObjectId}, Staking ${stakingObjectId}`;
  expect("round", `${no}`, `${round.no}`);
  expect("network", idsOf(ids), idsOf(round.network));
  if (JSON.stringify(round.parameters) !== JSON.stringify(expected))
    found.push({
      what: "parameters",
      detail: `they are not the ${expected.profile} profile`,
      weight: "differs",
    });
  return found;
}

/** Prints on standard error how far the chain is read: on a public network it takes hours. */
function progressPrinter(): OnRead {
  let printedMs = systemClock.nowMs();
  return (checkpoint, target) => {
    if (systemClock.nowMs() - printedMs < PRINT_MS) return;
    printedMs = systemClock.nowMs();
    console.error(`reading events: checkpoint ${checkpoint} of ${target}`);
  };
}

/** DIFFERS accuses the auditor of a lie: only a contradiction gets that word. */
const LABELS: Readonly<Record<Weight, string>> = { differs: "DIFFERS", unknown: "UNKNOWN", note: "NOTE   " };

function tell(
  no: number,
  { totals, leaves, state }: RoundExport,
  differences: readonly Difference[],
  /** Absent when the chain was not read for it. */
  words?: ReadonlyMap<string, number>,
): number {
  for (const { what, detail, weight } of differences) console.log(`${LABELS[weight]}  ${what}: ${detail}`);
  const counted = [...(words ?? [])].sort().map(([word, count]) => `${count} ${word}`);
  // Always printed: these words cannot be recomputed, and the reader decides whether to believe them.
  if (words !== undefined)
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
  if (options.export !== undefined) return exportIn(jsonOfFile(options.export), options.export);
  if (options.auditor === undefined) throw new UsageError("verify needs --auditor or --export");
  return exportOf(options.auditor, no);
}

/** Checks the outline only: the fields are compared later, one by one. @throws InputError when it does not even claim to be an export */
function exportIn(value: unknown, from: string): RoundExport {
  const { format, ...parts } = (value ?? {}) as Partial<Record<keyof RoundExport, unknown>>;
  if (format !== EXPORT_FORMAT)
    throw new InputError(`${from} is no export of a round in the format ${EXPORT_FORMAT}`);
  for (const name of ["leaves", "nodes", "committee"] as const)
    if (!Array.isArray(parts[name])) throw new InputError(`${from} has no list of ${name}`);
  for (const name of ["network", "parameters", "populations", "totals"] as const)
    if (typeof parts[name] !== "object" || parts[name] === null)
      throw new InputError(`${from} has no ${name}`);
  return value as RoundExport;
}

async function exportOf(auditor: string, no: number): Promise<RoundExport> {
  const path = `/v1/audit/rounds/${no}/export`;
  return exportIn(await jsonOfAuditor(auditor, path), `${auditor}${path}`);
}

async function roundsBefore(auditor: string, no: number): Promise<ListedRound[]> {
  const path = `/v1/audit/rounds?before=${no}`;
  const { rounds } = ((await jsonOfAuditor(auditor, path)) ?? {}) as { readonly rounds?: ListedRound[] };
  if (!Array.isArray(rounds)) throw new InputError(`${auditor}${path} answered no list of rounds`);
  return rounds;
}

interface ListedRound {
  readonly no: number;
  readonly evidenceRoot: string | null;
}

/** @returns null when the auditor has none before; undefined when that is not known */
async function loadPrevious(no: number, options: VerifyOptions): Promise<RoundExport | null | undefined> {
  if (options.previous !== undefined) return exportIn(jsonOfFile(options.previous), options.previous);
  if (options.auditor === undefined) return undefined;
  for (let before = no; ; ) {
    const rounds = await roundsBefore(options.auditor, before);
    // A round that was abandoned before anybody was asked has no evidence and changed no record.
    const found = rounds.find((round) => round.evidenceRoot !== null && round.no < before);
    if (found !== undefined) return exportOf(options.auditor, found.no);
    const oldest = rounds.at(-1)?.no;
    if (oldest === undefined || oldest >= before) return null;
    before = oldest;
  }
}
