/**
 * What is left of excuses once all is recomputed: the auditor's word, counted, so that no reader trusts it unknowingly.
 */

import type { EvidenceRecord } from "../shared/audit/evidence.ts";
import { parseLeaf } from "../shared/audit/evidence-leaf.ts";
import type { RoundExport } from "../shared/audit/round-export.ts";
import { FloeError } from "../shared/base/errors.ts";
import type { ChainFacts } from "./chain-facts.ts";
import { ExcuseCheck } from "./excuse-check.ts";
import { looksFailed } from "./verdict-check.ts";

const REFUSALS = "refusals without envelope";

/**
 * How many draws rest on the auditor's word, by what it is taken for: an excuse that nothing on chain shows, or a
 * failure that something which cannot be read any more might excuse, or an unavailability that only the answers' bodies
 * tell from a failure; and how many nodes' records go on from a round that the caller does not know. Leaves that are
 * none are `verifyRound`'s to name.
 */
export function wordsTaken(round: RoundExport, facts: ChainFacts): ReadonlyMap<string, number> {
  const words = new Map<string, number>();
  const past = round.nodes.filter(({ before }) => before.trials > 0).length;
  if (facts.previous === undefined && past > 0) words.set("records from before", past);
  if (facts.judged === undefined) return words;
  const check = new ExcuseCheck(facts.judged, facts.justCertified, round.parameters);
  for (const leaf of round.leaves) {
    const record = recordOf(leaf);
    if (record === undefined) continue;
    const word = check.wordTaken(record);
    if (word !== undefined) words.set(word, (words.get(word) ?? 0) + 1);
    if (looksFailed(record, round.parameters)) words.set(REFUSALS, (words.get(REFUSALS) ?? 0) + 1);
  }
  return words;
}

function recordOf(leaf: string): EvidenceRecord | undefined {
  try {
    return parseLeaf(leaf);
  } catch (error) {
    if (error instanceof FloeError) return undefined;
    throw error;
  }
}
