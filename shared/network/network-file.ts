/**
 * The network file: the one contract between a network, the Workers' configuration, tests and tools.
 *
 * `localnet` writes it; a file for a public network holds the same fields without `wallet`, `nodes` and `control`.
 */
import { ProtocolError } from "../base/errors.ts";
import { type ObjectId, parseObjectId } from "../protocol/ids.ts";

export interface NetworkFile {
  readonly nShards: number;
  readonly epoch: number;
  /** 0 = epochs advance only by command. */
  readonly epochDurationMs: number;
  readonly sui: { readonly url: string; readonly chainId: string };
  readonly walrus: {
    readonly systemObjectId: ObjectId;
    readonly stakingObjectId: ObjectId;
    /** Where votes for slashing are kept. */
    readonly slashingManagerId?: ObjectId;
  };
  readonly audit?: {
    readonly packageId: ObjectId;
    readonly registryId: ObjectId;
    /** Package of the gate that ties claims to the Walrus committee. */
    readonly gatePackageId?: ObjectId;
  };
  /** Funded, for local use only. */
  readonly wallet?: NetworkFileKey;
  /** On the audit panel and funded, for local use only. */
  readonly auditors?: readonly (NetworkFileKey & { readonly name: string })[];
  readonly nodes?: readonly NetworkFileNode[];
  readonly control?: { readonly url: string };
  readonly edge?: { readonly url: string };
  readonly auditor?: { readonly url: string };
}

export interface NetworkFileKey {
  readonly address: ObjectId;
  readonly secretKey: string;
}

export interface NetworkFileNode {
  readonly name: string;
  readonly nodeId: ObjectId;
  readonly url: string;
  readonly shards: readonly number[];
  /** How far away the node is made to be, when it is. */
  readonly distance?: NodeDistance;
  /** The node's own wallet, which also votes for it; funded, for local use only. */
  readonly wallet?: NetworkFileKey;
}

export interface NodeDistance {
  /** From a request's arrival to the moment the node sees it. */
  readonly latencyMs: number;
  /** Bytes a second in either direction; no limit when absent. */
  readonly bandwidth?: number;
}

/** @throws ProtocolError `INVALID_NETWORK_FILE` naming the field that is missing or wrong */
export function parseNetworkFile(text: string): NetworkFile {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new ProtocolError("INVALID_NETWORK_FILE", "the network file is not JSON", { cause });
  }
  const root = record(json, "network file");
  const sui = record(root["sui"], "sui");
  const walrus = record(root["walrus"], "walrus");
  return {
    nShards: count(root["nShards"], "nShards"),
    epoch: count(root["epoch"], "epoch"),
    epochDurationMs: count(root["epochDurationMs"], "epochDurationMs"),
    sui: { url: string(sui["url"], "sui.url"), chainId: string(sui["chainId"], "sui.chainId") },
    walrus: {
      systemObjectId: id(walrus["systemObjectId"], "walrus.systemObjectId"),
      stakingObjectId: id(walrus["stakingObjectId"], "walrus.stakingObjectId"),
      ...optionalId(walrus, "slashingManagerId", "walrus"),
    },
    ...optional(root, "audit", (audit) => ({
      packageId: id(audit["packageId"], "audit.packageId"),
      registryId: id(audit["registryId"], "audit.registryId"),
      ...optionalId(audit, "gatePackageId", "audit"),
    })),
    ...optional(root, "wallet", (wallet) => parseKey(wallet, "wallet")),
    ...(root["auditors"] === undefined
      ? {}
      : { auditors: list(root["auditors"], "auditors").map(parseAuditor) }),
    ...(root["nodes"] === undefined ? {} : { nodes: list(root["nodes"], "nodes").map(parseNode) }),
    ...optional(root, "control", urlOnly("control")),
    ...optional(root, "edge", urlOnly("edge")),
    ...optional(root, "auditor", urlOnly("auditor")),
  };
}

function parseKey(key: JsonRecord, at: string): NetworkFileKey {
  return {
    address: id(key["address"], `${at}.address`),
    secretKey: string(key["secretKey"], `${at}.secretKey`),
  };
}

function parseAuditor(value: unknown, position: number): NetworkFileKey & { name: string } {
  const at = `auditors[${position}]`;
  const auditor = record(value, at);
  return { name: string(auditor["name"], `${at}.name`), ...parseKey(auditor, at) };
}

function parseNode(value: unknown, position: number): NetworkFileNode {
  const at = `nodes[${position}]`;
  const node = record(value, at);
  return {
    name: string(node["name"], `${at}.name`),
    nodeId: id(node["nodeId"], `${at}.nodeId`),
    url: string(node["url"], `${at}.url`),
    shards: list(node["shards"], `${at}.shards`).map((shard) => count(shard, `${at}.shards`)),
    ...optional(node, "distance", (distance) => ({
      latencyMs: count(distance["latencyMs"], `${at}.distance.latencyMs`),
      ...(distance["bandwidth"] === undefined
        ? {}
        : { bandwidth: count(distance["bandwidth"], `${at}.distance.bandwidth`) }),
    })),
    ...optional(node, "wallet", (wallet) => parseKey(wallet, `${at}.wallet`)),
  };
}

type JsonRecord = Record<string, unknown>;

function optional<Key extends string, Value>(
  root: JsonRecord,
  key: Key,
  parse: (value: JsonRecord) => Value,
): { [K in Key]?: Value } {
  const value = root[key];
  return (value === undefined ? {} : { [key]: parse(record(value, key)) }) as { [K in Key]?: Value };
}

function optionalId<Key extends string>(from: JsonRecord, key: Key, at: string): { [K in Key]?: ObjectId } {
  const value = from[key];
  return (value === undefined ? {} : { [key]: id(value, `${at}.${key}`) }) as { [K in Key]?: ObjectId };
}

const urlOnly =
  (field: string) =>
  (value: JsonRecord): { url: string } => ({ url: string(value["url"], `${field}.url`) });

function record(value: unknown, field: string): JsonRecord {
  if (typeof value !== "object" || value === null || Array.isArray(value)) invalid(field, "an object");
  return value as JsonRecord;
}
function list(value: unknown, field: string): unknown[] {
  if (!Array.isArray(value)) invalid(field, "a list");
  return value;
}
function string(value: unknown, field: string): string {
  if (typeof value !== "string" || value === "") invalid(field, "a text");
  return value;
}
function count(value: unknown, field: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    invalid(field, "a whole number");
  return value;
}
function id(value: unknown, field: string): ObjectId {
  return parseObjectId(string(value, field));
}
function invalid(field: string, expected: string): never {
  throw new ProtocolError("INVALID_NETWORK_FILE", `${field} must be ${expected}`, { details: { field } });
}
