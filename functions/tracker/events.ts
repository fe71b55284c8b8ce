/** The tracker's numbered history of one blob: bounded, the newest `TRACKER_LIMITS.eventsKept` events are kept. */

import { fromStoredJson, toStoredJson } from "../base/stored-json.ts";
import { TRACKER_LIMITS } from "./limits.ts";
import type { EventPage, UploadEvent, UploadEventName } from "./status-view.ts";
import type { TrackerTables } from "./tables.ts";

export class TrackerEvents {
  readonly #tables: TrackerTables;

  constructor(tables: TrackerTables) {
    this.#tables = tables;
  }

  /** Must be called in the transaction that makes the change. */
  add(name: UploadEventName, intentId: string | null, data: UploadEvent["data"] = {}): void {
    const { sql, clock } = this.#tables;
    sql.exec(
      "INSERT INTO event (at_ms, intent_id, name, data) VALUES (?, ?, ?, ?)",
      clock.nowMs(),
      intentId,
      name,
      toStoredJson(data),
    );
    sql.exec("DELETE FROM event WHERE id <= (SELECT MAX(id) FROM event) - ?", TRACKER_LIMITS.eventsKept);
  }

  get lastId(): number {
    const [row] = this.#tables.sql.exec("SELECT MAX(id) AS last FROM event");
    return Number(row?.["last"] ?? 0);
  }

  /** Events after number `after`, oldest first; a number this history never gave out starts from the beginning. */
  page(after: number, isOver: boolean): EventPage {
    const { sql } = this.#tables;
    const from = after > this.lastId ? 0 : after;
    const rows = sql.exec(
      "SELECT id, at_ms, intent_id, name, data FROM event WHERE id > ? ORDER BY id LIMIT ?",
      from,
      TRACKER_LIMITS.eventsPerAnswer,
    );
    const [oldest] = sql.exec("SELECT MIN(id) AS oldest FROM event");
    const events = rows.map((row): UploadEvent => {
      const intentId = row["intent_id"];
      return {
        id: Number(row["id"]),
        atMs: Number(row["at_ms"]),
        intentId: typeof intentId === "string" ? intentId : null,
        // Only `add` writes this column.
        name: String(row["name"]) as UploadEventName,
        data: fromStoredJson(String(row["data"])),
      };
    });
    const isLast = (events.at(-1)?.id ?? from) >= this.lastId;
    return { events, oldestId: Number(oldest?.["oldest"] ?? 0), isOver: isOver && isLast };
  }
}
