/**
 * Counts the rows that statements write, as the platform does (`rowsWritten` of its cursors): a row, one more for each
 * index that a new row goes into, and none for the indexes that a deleted row leaves.
 */
import type { Sql } from "../shared/base/sql.ts";

/** @returns the ledger to use, and how many rows have been written through it */
export function countingRows(ledger: Sql): { sql: Sql; rowsWritten: () => number } {
  let written = 0;
  const indexes = new Map<string, number>();
  const changed = (): number => Number(ledger.exec("SELECT total_changes() AS rows")[0]?.["rows"]);
  const indexesOf = (table: string): number => {
    const known = indexes.get(table) ?? countIndexes(ledger, table);
    indexes.set(table, known);
    return known;
  };
  const exec: Sql["exec"] = (query, ...parameters) => {
    // Updates here change no column that is in an index.
    const table = /^\s*INSERT\b.*?\bINTO\s+(\w+)/s.exec(query)?.[1];
    const before = changed();
    const rows = ledger.exec(query, ...parameters);
    written += (changed() - before) * (table === undefined ? 1 : 1 + indexesOf(table));
    return rows;
  };
  return { sql: { exec, transaction: (work) => ledger.transaction(work) }, rowsWritten: () => written };
}

/** Beside the table itself, which is the index of its primary key where it has no row IDs. */
function countIndexes(ledger: Sql, table: string): number {
  const indexes = ledger.exec(`PRAGMA index_list(${table})`);
  const isWithoutRowIds = ledger.exec(`PRAGMA table_list(${table})`)[0]?.["wr"] === 1;
  return indexes.filter(({ origin }) => origin !== "pk" || !isWithoutRowIds).length;
}
