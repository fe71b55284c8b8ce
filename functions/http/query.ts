/**
 * Strict query strings, as the official services read them: standard form decoding; unknown parameters, duplicates,
 * booleans other than `true`/`false` and integers other than plain decimal u32 are refused with 400.
 */
import { type ObjectId, parseObjectId } from "../../shared/protocol/ids.ts";
import { EdgeError } from "../base/edge-error.ts";
import type { PublishQuery } from "../upload/publish.ts";

const U32_MAX = 0xffff_ffff;
/** More parameters than any route knows: refused before the list is walked. */
const MAX_QUERY_CHARACTERS = 4096;

/** What `GET /v1/blobs/{id}` was asked to check. */
export type Consistency = "default" | "strict" | "skip";

/** @throws EdgeError `INVALID_QUERY`, `INVALID_BLOB_PERSISTENCE` */
export function parsePublishQuery(url: URL): PublishQuery {
  const query = readQuery(url, [
    "epochs",
    "encoding_type",
    "permanent",
    "deletable",
    "force",
    "reuse_resources",
    "send_object_to",
    "share",
    "quilt_version",
  ]);
  const encodingType = query.get("encoding_type");
  if (encodingType !== undefined && encodingType !== "RS2") {
    invalidQuery(`encoding_type: unknown variant \`${printable(encodingType)}\`, expected \`RS2\``);
  }
  const permanent = boolean(query, "permanent") ?? false;
  const deletable = boolean(query, "deletable") ?? false;
  if (permanent && deletable) {
    throw new EdgeError("INVALID_BLOB_PERSISTENCE", "both deletable=true and permanent=true");
  }
  // Accepted, as there: hits are rare upstream too, and a store without reuse is always right.
  boolean(query, "reuse_resources");
  const share = boolean(query, "share");
  const recipient = query.get("send_object_to");
  if (recipient !== undefined && share !== undefined)
    invalidQuery("send_object_to and share exclude each other");
  return {
    epochs: u32(query, "epochs") ?? 1,
    deletable: !permanent,
    force: boolean(query, "force") ?? false,
    share: share ?? false,
    ...(recipient === undefined ? {} : { sendObjectTo: address(recipient) }),
  };
}

/** @throws EdgeError `INVALID_QUERY`, `INVALID_CONSISTENCY_CHECK` */
export function parseReadQuery(url: URL): Consistency {
  const query = readQuery(url, ["strict_consistency_check", "skip_consistency_check"]);
  const strict = boolean(query, "strict_consistency_check") ?? false;
  const skip = boolean(query, "skip_consistency_check") ?? false;
  if (strict && skip) throw new EdgeError("INVALID_CONSISTENCY_CHECK", "both checks are set");
  return strict ? "strict" : skip ? "skip" : "default";
}

function readQuery(url: URL, known: readonly string[]): Map<string, string> {
  if (url.search.length > MAX_QUERY_CHARACTERS) {
    invalidQuery(`${url.search.length} characters, at most ${MAX_QUERY_CHARACTERS}`);
  }
  const query = new Map<string, string>();
  for (const [name, value] of url.searchParams) {
    if (!known.includes(name)) invalidQuery(`unknown field \`${printable(name)}\``);
    if (query.has(name)) invalidQuery(`duplicate field \`${name}\``);
    query.set(name, value);
  }
  return query;
}

function boolean(query: Map<string, string>, name: string): boolean | undefined {
  const text = query.get(name);
  if (text === undefined) return undefined;
  if (text !== "true" && text !== "false")
    invalidQuery(`${name}: provided string was not \`true\` or \`false\``);
  return text === "true";
}

function u32(query: Map<string, string>, name: string): number | undefined {
  const text = query.get(name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^[0-9]{1,10}$/.test(text) || value > U32_MAX)
    invalidQuery(`${name}: not a decimal number up to ${U32_MAX}`);
  return value;
}

function address(text: string): ObjectId {
  try {
    return parseObjectId(text);
  } catch (cause) {
    throw new EdgeError("INVALID_QUERY", "send_object_to: not a Sui address", { cause });
  }
}

/** Untrusted text for a message: short, and nothing that could be taken for markup or a line break. */
const printable = (text: string): string => text.slice(0, 40).replace(/[^A-Za-z0-9_.-]/g, "?");

function invalidQuery(reason: string): never {
  throw new EdgeError("INVALID_QUERY", reason);
}
