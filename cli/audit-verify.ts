/**
 * `floe audit verify`: recomputes somebody's round from the chain, and lists what differs.
 *
 * From the auditor come its export and that of its round before; everything they are compared with is read here.
 */
import { readFileSync } from "node:fs";
import { suiChainReader } from "../auditor/chain-reader.ts";
import { findRoundOpened } from "../auditor/sui-audit-chain.ts";
import { systemClock } from "../localnet/clock.ts";
import { readChainFacts } from "../scripts/audit-facts.ts";
import { AUDIT_PROFILES } from "../shared/audit/parameters.ts";
import type { RoundExport } from "../shared/audit/round-export.ts";
import { type Difference, verifyRound } from "../shared/audit/verify-round.ts";
import { toHex } from "../shared/protocol/bytes.ts";
import type { ObjectId } from "../shared/protocol/ids.ts";
import { isOfRegistry, parseAuditEvent } from "../shared/sui/audit-events.ts";
import {
  type RegistryState,
  type RoundState,
  readRegistry,
  readReport,
  readRound,
} from "../shared/sui/audit-reader.ts";
import { createWalletChain } from "../shared/sui/wallet-chain.ts";
import { clientOf, type Place } from "./audit-place.ts";
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
  const said = await readContract(at, no, round.tx, options.auditor);
  const isOpened = round.seedSource === "open_round";
  const chain = suiChainReader(clientOf(at), at.ids, systemClock);
  const facts = await readChainFacts(chain, no, expected, isOpened ? said.opened : undefined);
  const previous = await loadPrevious(no, options);
  const { reported, opened } = said;
  const committed =
    options.root === undefined ? reported : { evidenceRoot: options.root, nodesRoot: undefined };
  const differences = verifyRound(round, {
    ...facts,
    ...(opened === undefined ? {} : { openedSeed: opened }),
    ...(committed === undefined ? {} : { committed }),
    ...(previous === undefined ? {} : { previous }),
  });
  differences.push(...outside(at, no, round, said));
  if (JSON.stringify(parameters) !== JSON.stringify(expected))
    differences.push({ what: "parameters", detail: `they are not the ${expected.profile} profile` });
  return tell(no, round, differences);
}

/** What the round's own recomputation does not look at: whose it is, and of which network. */
function outside(at: Place, no: number, round: RoundExport, said: Contract): Difference[] {
  const differences: Difference[] = [];
  const differs = (what: string, detail: string): void => void differences.push({ what, detail });
  const { network, auditor, tx } = round;
  const { systemObjectId, stakingObjectId } = at.ids;
  if (network.systemObjectId !== systemObjectId || network.stakingObjectId !== stakingObjectId)
    differs(
      "network",
      `the export is of System ${network.systemObjectId}, Staking ${network.stakingObjectId}`,
    );
  if (round.no !== no) differs("round", `the export is of round ${round.no}`);
  if (tx !== null && said.reported === undefined) differs("report", `the chain has no report of it in ${tx}`);
  // Who denies its place on the panel could choose between the panel's seed and the checkpoint's.
  if (said.member !== undefined && auditor === null)
    differs("auditor", `the panel knows it as ${said.member}, the export says that it has no key`);
  return differences;
}

function tell(
  no: number,
  { totals, leaves, state }: RoundExport,
  differences: readonly Difference[],
): number {
  for (const { what, detail } of differences) console.log(`DIFFERS  ${what}: ${detail}`);
  console.log(
    differences.length === 0
      ? `round ${no} recomputed: ${leaves.length} draws, ${totals.passed} passed, ${totals.missing + totals.invalid} failed, ${state}`
      : `round ${no}: ${differences.length} differences`,
  );
  return differences.length === 0 ? 0 : 1;
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

interface Contract {
  readonly opened?: { readonly seed: Uint8Array; readonly checkpoint: number } | undefined;
  /** The report that the export names. */
  readonly reported?: { readonly evidenceRoot: string; readonly nodesRoot: string } | undefined;
  /** The auditor that the panel knows at this URL. */
  readonly member?: ObjectId | undefined;
}

/** What the contract knows of a round: its seed, and the roots of the report the export names. */
async function readContract(
  at: Place,
  no: number,
  tx: string | null,
  auditorUrl: string | undefined,
): Promise<Contract> {
  if (at.contract === undefined) return {};
  const client = clientOf(at);
  const registry = await readRegistry(client, at.contract);
  const round = await readRound(client, registry, no);
  const sinceMs = round?.openedMs ?? no * registry.params.periodMs;
  const opened = await findRoundOpened(client, registry, no, sinceMs, round?.seed);
  const isAt = (url: string): boolean =>
    auditorUrl !== undefined && url.replace(/\/$/, "") === auditorUrl.replace(/\/$/, "");
  return {
    opened: opened && { seed: opened.event.seed, checkpoint: opened.checkpoint },
    reported: tx === null ? undefined : await readReported(at, registry, round, no, tx),
    member: registry.auditors.find(({ url, isActive }) => isActive && isAt(url))?.address,
  };
}

async function readReported(
  at: Place,
  { contracts: { originalPackageId, registry } }: RegistryState,
  round: RoundState | undefined,
  no: number,
  tx: string,
): Promise<Contract["reported"]> {
  const client = clientOf(at);
  const executed = await createWalletChain(client, [client]).lookUp(tx);
  const event = executed?.events
    .map(({ type, contents }) => parseAuditEvent(type, contents, originalPackageId))
    .find(
      (each) =>
        each?.kind === "RoundReported" && isOfRegistry(each, registry.objectId) && Number(each.no) === no,
    );
  if (event?.kind !== "RoundReported") return undefined;
  const evidenceRoot = toHex(event.evidence_root);
  // Until it is pruned, the report stands in the registry itself.
  const kept = round && (await readReport(client, round, event.auditor));
  if (round !== undefined && (kept === undefined || toHex(kept.evidenceRoot) !== evidenceRoot))
    return undefined;
  return { evidenceRoot, nodesRoot: toHex(event.nodes_root) };
}
