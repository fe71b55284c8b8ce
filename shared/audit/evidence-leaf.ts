/** Reads an evidence leaf back, strictly: exactly the canonical text of a record and nothing else. */
import { FloeError } from "../base/errors.ts";
import { type Axis, parseBlobId, parseObjectId, type ShardIndex } from "../protocol/ids.ts";
import { AuditError } from "./audit-error.ts";
import { type EvidenceAttempt, type EvidenceRecord, evidenceBytes } from "./evidence.ts";
import type { DrawMode } from "./selection.ts";
import type { AttemptKind, Excuse, VerdictOutcome } from "./verdict.ts";

const OUTCOMES: readonly VerdictOutcome[] = [
  "passed",
  "missing",
  "invalid",
  "timeout",
  "refused",
  "excused",
  "vacuous",
];
const EXCUSES: readonly Excuse[] = [
  "epoch-change",
  "shard-moved",
  "maintenance",
  "denied",
  "invalid-blob",
  "just-certified",
  "not-owner",
  "no-metadata",
  "self-suspect",
];
const MODES: readonly DrawMode[] = [0, 1, 2, 3];
const KINDS: readonly AttemptKind[] = ["symbol", "sliver"];
const AXES: readonly Axis[] = ["primary", "secondary"];

type Json = Readonly<Record<string, unknown>>;

/** @throws AuditError `INVALID_EVIDENCE` */
export function parseLeaf(text: string): EvidenceRecord {
  const json = object(parse(text));
  const record: EvidenceRecord = {
    round: count(json, "round"),
    mode: oneOf(json, "mode", MODES),
    shard: count(json, "shard") as ShardIndex,
    t: count(json, "t"),
    node: id(() => parseObjectId(String(json["node"]))),
    blobId: id(() => parseBlobId(String(json["blob"]))),
    pair: count(json, "pair"),
    axis: oneOf(json, "axis", AXES),
    symbol: count(json, "symbol"),
    outcome: oneOf(json, "outcome", OUTCOMES),
    excuse: json["excuse"] === null ? null : oneOf(json, "excuse", EXCUSES),
    attempts: list(json["attempts"]).map(parseAttempt),
  };
  // One comparison covers spelling, order of keys, extra members and everything else.
  if (new TextDecoder().decode(evidenceBytes(record)) !== text) invalid("it is not in canonical form");
  return record;
}

function parseAttempt(value: unknown): EvidenceAttempt {
  const json = object(value);
  const hash = json["body_hash"];
  return {
    kind: oneOf(json, "kind", KINDS),
    startedMs: count(json, "started_ms"),
    ms: count(json, "ms"),
    httpStatus: count(json, "status"),
    bodyHash: hash === null ? null : String(hash),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AuditError("INVALID_EVIDENCE", "it is not JSON", { cause });
  }
}

function object(value: unknown): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) invalid("it is no object");
  return value as Json;
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) invalid("attempts is no list");
  return value;
}

function count(json: Json, field: string): number {
  const value = json[field];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) invalid(`${field} is no count`);
  return value;
}

function oneOf<Choice extends string | number>(
  json: Json,
  field: string,
  choices: readonly Choice[],
): Choice {
  const choice = choices.find((each) => each === json[field]);
  if (choice === undefined) invalid(`${field} is ${String(json[field]).slice(0, 40)}`);
  return choice;
}

function id<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof FloeError) throw new AuditError("INVALID_EVIDENCE", cause.message, { cause });
    throw cause;
  }
}

function invalid(reason: string): never {
  throw new AuditError("INVALID_EVIDENCE", reason);
}
