/**
 * `floe audit run --once`: one round of challenges from this host, and what it came to.
 *
 * On a public network it takes hours, the first one with the chain's whole history before it. Standard error
 * shows the state at each change, and every ten seconds. With `--ledger` all progress is kept, also on Ctrl-C, and the
 * next run goes on from there.
 */
import { closeSync, openSync, writeFileSync } from "node:fs";
import { Auditor } from "../../auditor/auditor.ts";
import { readOnlyAuditChain } from "../../auditor/chain/audit-chain.ts";
import { type Reading, readingOf } from "../../auditor/chain/reading.ts";
import { nodesView } from "../../auditor/face/views.ts";
import { drawProgress } from "../../auditor/ledger/draws.ts";
import { openLedger } from "../../auditor/ledger/ledger-sql.ts";
import type { Round } from "../../auditor/ledger/rounds.ts";
import { exportRound } from "../../auditor/round/publish-round.ts";
import { systemClock } from "../../host/clock.ts";
import { command, InputError } from "../../host/command.ts";
import { nodeLedger } from "../../host/node-sqlite.ts";
import { flag, text } from "../../host/options.ts";
import { UsageError } from "../../host/usage-error.ts";
import { AUDIT_PROFILES } from "../../shared/audit/parameters.ts";
import { Gate, INVOCATION_REQUESTS } from "../../shared/base/gate.ts";
import { suiChainReader } from "../../shared/sui/walrus/chain-reader.ts";
import { clientOf, PLACE_OPTIONS, type Place, placeOf } from "./place.ts";

/** How often the state is looked at, and how often the same state is printed again. */
const LOOK_MS = 1_000;
const PRINT_MS = 10_000;
/** What one turn of work may use up before it is looked at again. */
const TURN = { ms: 60_000, requests: 5_000 };

type Ledger = ReturnType<typeof nodeLedger>;

export const run = command(
  {
    name: "floe audit run",
    about:
      "Holds one round of challenges from this host and prints what it came to. Writes nothing to the chain.",
    options: {
      once: flag("one round; there is no other way to run"),
      ledger: text(
        "FILE",
        "SQLite file of the ledger, which the next run goes on with; in memory when absent",
      ),
      out: text("FILE", "writes the round's export there"),
      ...PLACE_OPTIONS,
    },
  },
  ({ values }) => {
    if (!values.once) throw new UsageError("run holds one round: it needs --once");
    return runOnce(placeOf(values), values);
  },
);

/** @returns 0 for a round that counts, 1 for a void one */
async function runOnce(
  at: Place,
  { ledger, out }: { readonly ledger?: string | undefined; readonly out?: string | undefined },
): Promise<number> {
  // Now, not after hours: a file that cannot be written would cost the round.
  if (out !== undefined) closeSync(openSync(out, "a"));
  const sql = openedLedger(ledger);
  let progress: NodeJS.Timeout | undefined;
  try {
    const auditor = auditorAt(at, sql);
    // Later an endpoint that is silent is waited for; one that does not answer at all was probably misspelt.
    await auditor.checkNetwork();
    const round = await roundNow(at, auditor);
    progress = setInterval(statePrinter(auditor, sql), LOOK_MS);
    while (auditor.rounds.active()?.no === round) {
      const budget = { untilMs: systemClock.nowMs() + TURN.ms, requests: TURN.requests };
      const wakeMs = await auditor.work(budget);
      await systemClock.sleep(Math.max(0, (wakeMs ?? 0) - systemClock.nowMs()));
    }
    return tell(at, auditor, sql, round, out);
  } finally {
    clearInterval(progress);
    sql.close();
  }
}

/** @throws InputError for a file that is no ledger, or cannot be made one */
function openedLedger(path: string | undefined): Ledger {
  let sql: Ledger | undefined;
  try {
    sql = nodeLedger(path);
    openLedger(sql);
    return sql;
  } catch (error) {
    sql?.close();
    // SQLite's own complaints carry its number.
    if (!(error instanceof Error && "errcode" in error)) throw error;
    throw new InputError(`--ledger ${path}: ${error.message}`);
  }
}

function auditorAt(at: Place, sql: Ledger): Auditor {
  const chain = suiChainReader(clientOf(at), at.ids, systemClock);
  return new Auditor({
    sql,
    chain,
    auditChain: readOnlyAuditChain(chain),
    transport: {
      fetch: (request) => fetch(request),
      clock: systemClock,
      randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
      gate: new Gate(INVOCATION_REQUESTS),
    },
    networkKind: at.kind,
    parameters: AUDIT_PROFILES[at.kind],
    failPoint: () => {},
    log: (event, fields) => console.error(JSON.stringify({ event, ...fields })),
  });
}

/** The round under way, else the next one that may open. */
async function roundNow(at: Place, auditor: Auditor): Promise<number> {
  // Here a round begins every two seconds, and who asks for one has just uploaded something; elsewhere once an hour.
  let round = auditor.rounds.active() ?? (at.kind === "local" ? undefined : auditor.open());
  const fromMs = auditor.nextBeginMs();
  if (round === undefined && fromMs - systemClock.nowMs() > PRINT_MS)
    console.error(`the next round begins at ${new Date(fromMs).toISOString()}`);
  while (round === undefined) {
    await systemClock.sleep(Math.max(10, fromMs - systemClock.nowMs()));
    round = auditor.open();
  }
  return round.no;
}

/** Prints the round's state when it has changed, or was last printed some time ago. */
function statePrinter({ rounds }: Auditor, sql: Ledger): () => void {
  let printed = { state: "", ms: 0 };
  return () => {
    const round = rounds.active();
    const ms = systemClock.nowMs();
    if (round === undefined || (round.state === printed.state && ms - printed.ms < PRINT_MS)) return;
    printed = { state: round.state, ms };
    console.error(`round ${round.no}: ${round.state}${placeIn(sql, round, readingOf(sql, rounds))}`);
  };
}

function placeIn(sql: Ledger, { no, state }: Round, reading: Reading | null): string {
  if (reading !== null && reading.backTo !== null)
    return `, event blobs looked up back to checkpoint ${reading.backTo}`;
  if (reading !== null) return `, checkpoint ${reading.checkpoint} of ${reading.target}`;
  if (state !== "challenging") return "";
  const { draws, decided } = drawProgress(sql, no);
  return `, ${decided} of ${draws} challenges decided`;
}

function tell(at: Place, auditor: Auditor, sql: Ledger, no: number, out: string | undefined): number {
  const { rounds, nodes, lists } = auditor;
  const parameters = AUDIT_PROFILES[at.kind];
  const closed = rounds.round(no);
  if (closed === undefined) throw new Error(`round ${no} was opened`);
  const exported = exportRound({ sql, rounds, nodes, parameters, ids: at.ids }, closed);
  if (out !== undefined && exported !== undefined) writeFileSync(out, `${JSON.stringify(exported)}\n`);
  console.log(`round ${no}: ${closed.state}, evidence root ${closed.evidenceRoot ?? "none"}`);
  const view = nodesView({
    sql,
    rounds,
    nodes,
    lists,
    parameters: { ...parameters, publicationDelayRounds: 0 },
    nowMs: systemClock.nowMs(),
  });
  for (const { name, state, trials, failures, outcomes } of view.nodes) {
    const { timeouts, refused, excused } = outcomes;
    console.log(
      `${name.padEnd(24)} ${state.padEnd(10)} ${trials - failures} of ${trials} passed, ${timeouts + refused} unavailable, ${excused} excused`,
    );
  }
  return closed.state === "done" ? 0 : 1;
}
