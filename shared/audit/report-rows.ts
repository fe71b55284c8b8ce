/**
 * What a round's report says on chain: totals, and one row per node.
 *
 * | offset | length | field of a row                                                     |
 * |--------|--------|--------------------------------------------------------------------|
 * | 0      | 32     | node ID                                                            |
 * | 32     | 14     | u16 LE each: passed, missing, invalid, timeouts, refused, excused, |
 * |        |        | vacuous                                                            |
 * | 46     | 4      | log-likelihood ratio in millionths, i32 LE, clamped                |
 * | 50     | 1      | state: 0 unaudited, 1 healthy, 2 watch, 3 suspect, 4 confirmed     |
 * | 51     | 1      | availability in percent, rounded down; 255 = unknown               |
 *
 * Rows ascend by node ID; at most 128 of them, so that the event stays below 6.7 kB. The nodes root is the tree over
 * the rows. Totals are eight u32: challenged, then the sums of the seven counters; challenged = all but vacuous.
 */
import { merkleRoot } from "../codec/merkle.ts";
import { BcsReader, BcsWriter } from "../protocol/bcs.ts";
import { type ObjectId, objectIdFromBytes, objectIdToBytes } from "../protocol/ids.ts";
import { HASH_BYTES } from "../protocol/metadata.ts";
import { AuditError } from "./audit-error.ts";
import type { NodeState } from "./statistics.ts";
import type { VerdictOutcome } from "./verdict.ts";

export const ROW_BYTES = 52;
export const MAX_ROWS = 128;
const MAX_COUNT = 0xffff;
const UNKNOWN_AVAILABILITY = 255;
const STATES: readonly NodeState[] = ["unaudited", "healthy", "watch", "suspect", "confirmed"];

/** Outcomes of one node in one round. */
export interface OutcomeCounts {
  readonly passed: number;
  readonly missing: number;
  readonly invalid: number;
  readonly timeouts: number;
  readonly refused: number;
  readonly excused: number;
  readonly vacuous: number;
}

const COUNTERS = ["passed", "missing", "invalid", "timeouts", "refused", "excused", "vacuous"] as const;

export interface ReportRow extends OutcomeCounts {
  readonly node: ObjectId;
  readonly logLikelihoodRatio: number;
  readonly state: NodeState;
  /** 0..1; undefined when no window had a challenge. */
  readonly availability: number | undefined;
}

export interface ReportTotals extends OutcomeCounts {
  readonly challenged: number;
}

const COUNTER_OF: Readonly<Record<VerdictOutcome, keyof OutcomeCounts>> = {
  passed: "passed",
  missing: "missing",
  invalid: "invalid",
  timeout: "timeouts",
  refused: "refused",
  excused: "excused",
  vacuous: "vacuous",
};

export const NO_OUTCOMES: OutcomeCounts = {
  passed: 0,
  missing: 0,
  invalid: 0,
  timeouts: 0,
  refused: 0,
  excused: 0,
  vacuous: 0,
};

export function countOutcome(counts: OutcomeCounts, outcome: VerdictOutcome): OutcomeCounts {
  const counter = COUNTER_OF[outcome];
  return { ...counts, [counter]: counts[counter] + 1 };
}

/** @throws AuditError `INVALID_REPORT` for a counter above 65,535 */
export function serializeRow(row: ReportRow): Uint8Array {
  const writer = new BcsWriter(ROW_BYTES).fixed(objectIdToBytes(row.node));
  for (const counter of COUNTERS) {
    const count = row[counter];
    if (!Number.isInteger(count) || count < 0 || count > MAX_COUNT) {
      throw new AuditError("INVALID_REPORT", `${counter} of ${row.node} is ${count}`, {
        details: { node: row.node, counter, count },
      });
    }
    writer.u16(count);
  }
  const millionths = Math.round(row.logLikelihoodRatio * 1_000_000);
  const clamped = Math.max(-0x8000_0000, Math.min(0x7fff_ffff, millionths));
  const percent = row.availability === undefined ? UNKNOWN_AVAILABILITY : Math.floor(row.availability * 100);
  // Two's complement of an i32 is its value modulo 2^32.
  return writer
    .u32(clamped >>> 0)
    .u8(STATES.indexOf(row.state))
    .u8(percent)
    .finish();
}

export function parseRow(bytes: Uint8Array): ReportRow {
  const reader: BcsReader = new BcsReader(bytes, "report row");
  const node = objectIdFromBytes(reader.fixed(32));
  const counts = { ...NO_OUTCOMES };
  for (const counter of COUNTERS) counts[counter] = reader.u16();
  const logLikelihoodRatio = (reader.u32() | 0) / 1_000_000;
  const state = STATES[reader.u8()];
  const percent = reader.u8();
  reader.end();
  if (state === undefined) reader.fail("unknown state");
  if (percent > 100 && percent !== UNKNOWN_AVAILABILITY) reader.fail(`availability ${percent} %`);
  const availability = percent === UNKNOWN_AVAILABILITY ? undefined : percent / 100;
  return { node, ...counts, logLikelihoodRatio, state, availability };
}

/**
 * Rows as they are emitted, and their root.
 *
 * @throws AuditError `INVALID_REPORT` for more than 128 rows, or two of one node
 */
export function serializeRows(rows: readonly ReportRow[]): { bytes: Uint8Array; root: Uint8Array } {
  if (rows.length > MAX_ROWS) {
    throw new AuditError("INVALID_REPORT", `${rows.length} rows, at most ${MAX_ROWS}`, {
      details: { rows: rows.length, limit: MAX_ROWS },
    });
  }
  const sorted = [...rows].sort((a, b) => (a.node < b.node ? -1 : 1));
  const writer = new BcsWriter(rows.length * ROW_BYTES);
  sorted.forEach((row, i) => {
    if (sorted[i - 1]?.node === row.node) {
      throw new AuditError("INVALID_REPORT", `two rows of node ${row.node}`, { details: { node: row.node } });
    }
    writer.fixed(serializeRow(row));
  });
  const bytes = writer.finish();
  return { bytes, root: merkleRoot(bytes, ROW_BYTES) ?? new Uint8Array(HASH_BYTES) };
}

/** Sums over rows, as the contract checks them. */
export function reportTotals(rows: readonly OutcomeCounts[]): ReportTotals {
  const sums = { ...NO_OUTCOMES };
  for (const row of rows) for (const counter of COUNTERS) sums[counter] += row[counter];
  const { passed, missing, invalid, timeouts, refused, excused } = sums;
  return { ...sums, challenged: passed + missing + invalid + timeouts + refused + excused };
}

/** The eight numbers in the contract's order. */
export const totalsVector = (totals: ReportTotals): number[] => [
  totals.challenged,
  ...COUNTERS.map((counter) => totals[counter]),
];
