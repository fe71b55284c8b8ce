/** Whether a round's rows, totals and possession records follow from its leaves and from the round before. */

import { canonicalJson } from "../shared/audit/canonical-json.ts";
import type { EvidenceRecord } from "../shared/audit/evidence.ts";
import {
  countOutcome,
  NO_OUTCOMES,
  type OutcomeCounts,
  parseRow,
  reportTotals,
  serializeRow,
  serializeRows,
} from "../shared/audit/report-rows.ts";
import type { RoundExport } from "../shared/audit/round-export.ts";
import {
  addTrial,
  newPossession,
  nodeState,
  type PossessionState,
  possessionTest,
} from "../shared/audit/statistics.ts";
import { possessionTrial } from "../shared/audit/verdict.ts";
import { equalBytes, fromHex, toHex } from "../shared/base/bytes.ts";
import type { ChainFacts } from "./chain-facts.ts";
import { type Differs, expecting } from "./difference.ts";

/**
 * Rows, totals and possession records follow from the leaves.
 *
 * @param records the round's leaves in order; undefined where one is none
 */
export function checkNodes(
  round: RoundExport,
  records: readonly (EvidenceRecord | undefined)[],
  facts: ChainFacts,
  differs: Differs,
): void {
  const expect = expecting(differs);
  const { nodes, nodesRoot, totals, committee, parameters } = round;
  const names = new Map(facts.committee?.members.map(({ nodeId, name }) => [nodeId, name]));
  const test = possessionTest(parameters);
  expect(
    "nodes",
    [...committee]
      .map(({ nodeId }) => nodeId)
      .sort()
      .join(" "),
    nodes.map(({ node }) => node).join(" "),
  );
  checkBefore(round, facts, differs);
  const rows = nodes.map((claimed) => {
    const present = names.get(claimed.node) ?? claimed.name;
    // A node may rename itself, or end its pool, at any time.
    if (present !== claimed.name)
      differs(
        `name of ${claimed.node}`,
        `it is ${JSON.stringify(present)} today, the export says ${JSON.stringify(claimed.name)}`,
        "note",
      );
    let counts: OutcomeCounts = NO_OUTCOMES;
    let after = claimed.before;
    for (const record of records) {
      if (record?.node !== claimed.node) continue;
      counts = countOutcome(counts, record.outcome);
      const trial = possessionTrial(record);
      if (trial !== undefined) after = addTrial(after, trial === "failure", test);
    }
    const stated = parseRow(fromHex(claimed.row));
    const row = {
      ...counts,
      node: claimed.node,
      logLikelihoodRatio: after.logLikelihoodRatio,
      state: nodeState(after, test, claimed.confirmedClaims),
      // Availability is a mean over windows of many rounds: taken as stated.
      availability: stated.availability,
    };
    if (!equalBytes(serializeRow(row), fromHex(claimed.row)))
      differs("row", `node ${claimed.node}: the row does not follow from the leaves`);
    expect(`record of ${claimed.node}`, spellState(after), spellState(claimed.after));
    return row;
  });
  expect("nodes-root", toHex(serializeRows(rows).root), nodesRoot);
  expect("totals", canonicalJson({ ...reportTotals(rows) }), canonicalJson({ ...totals }));
}

/**
 * A possession record begins where the auditor's round before left it, or with nothing: an auditor cannot invent a
 * past.
 */
function checkBefore(round: RoundExport, facts: ChainFacts, differs: Differs): void {
  const { previous } = facts;
  const expect = expecting(differs);
  if (previous === undefined) return;
  const { no, epoch, nodes } = round;
  if (previous !== null && previous.no >= no)
    differs("previous", `round ${previous.no} is not before round ${no}`);
  const mayBeForgotten = previous === null && mayHaveForgotten(round, facts);
  for (const { node, before } of nodes) {
    const known = previous?.nodes.find((record) => record.node === node);
    const expected =
      known === undefined ? newPossession(before) : carriedOver(known.after, previous?.epoch === epoch);
    const what = `record of ${node} before`;
    if (mayBeForgotten && before.trials > 0)
      differs(what, "the rounds that it rests on may be past their retention", "unknown");
    else expect(what, spellState(expected), spellState(before));
  }
}

/** Whether an auditor may have had rounds in this epoch that are past their retention by now. */
function mayHaveForgotten({ parameters }: RoundExport, facts: ChainFacts): boolean {
  const { seedMs = 0, judged, tipMs } = facts;
  const { roundPeriodMs, retentionRounds } = parameters;
  const [own] = judged?.epochChanges ?? [];
  // Of the network's first epoch only the end is known.
  const startMs = own !== undefined && own.epochChangeStartMs <= seedMs ? own.epochChangeStartMs : 0;
  return Math.floor(startMs / roundPeriodMs) < Math.floor(tipMs / roundPeriodMs) - retentionRounds;
}

/** What a record is at the start of a round, after this one. */
function carriedOver(after: PossessionState, isSameEpoch: boolean): PossessionState {
  return isSameEpoch && after.trials > 0 ? after : newPossession(after);
}

/** Sums of logarithms are made in one order by every program; twelve digits leave room for nothing else. */
const spellState = (state: PossessionState): string =>
  [
    state.trials,
    state.failures,
    state.logLikelihoodRatio.toPrecision(12),
    state.maxLogLikelihoodRatio.toPrecision(12),
    state.cusum.toPrecision(12),
    state.alpha.toPrecision(12),
    state.beta.toPrecision(12),
  ].join(" ");
