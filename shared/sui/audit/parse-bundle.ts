/**
 * Reads an escalation bundle out of bytes from outside.
 *
 * Shapes only, so that what follows may trust the types: exactly the fields of a bundle, each of its kind, every list
 * bounded. What the values are is compared with the chain.
 */
import { ProtocolError } from "../../base/errors.ts";
import { parseObjectId } from "../../protocol/ids.ts";
import { MAX_ESCALATED_CLAIMS, refuse } from "./escalation.ts";
import { BUNDLE_FORMAT, type EscalationBundle, isJsonObject, jsonObject } from "./escalation-bundle.ts";

/** 16 claims with paths and leaves stay far below. */
const MAX_BUNDLE_CHARACTERS = 1 << 20;
const MAX_ATTESTORS = 64;
const MAX_PATH = 32;

interface PlainShape {
  readonly expected: string;
  readonly fits: (value: unknown) => boolean;
}
interface OptionalShape {
  readonly orNull: Shape;
}
interface ListShape {
  readonly list: Shape;
  readonly max: number;
}
interface RecordShape {
  readonly fields: Readonly<Record<string, Shape>>;
}
type Shape = PlainShape | OptionalShape | ListShape | RecordShape;

const plain = (expected: string, fits: PlainShape["fits"]): PlainShape => ({ expected, fits });
const orNull = (shape: Shape): OptionalShape => ({ orNull: shape });
const list = (of: Shape, max: number): ListShape => ({ list: of, max });
const record = (fields: RecordShape["fields"]): RecordShape => ({ fields });

const text = plain("a text", (value) => typeof value === "string");
const count = plain("a whole number", (value) => Number.isSafeInteger(value) && Number(value) >= 0);
const flag = plain("true or false", (value) => typeof value === "boolean");
const hex = plain("bytes in hex", (value) => typeof value === "string" && /^([0-9a-f]{2})*$/.test(value));
const id = plain("an ID of 64 digits", (value) => typeof value === "string" && isCanonicalId(value));

function isCanonicalId(value: string): boolean {
  try {
    return parseObjectId(value) === value;
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw error;
  }
}

const SHAPE = record({
  format: text,
  network: record({
    systemObjectId: id,
    stakingObjectId: id,
    slashingManagerId: id,
    auditPackageId: id,
    auditRegistryId: id,
    gatePackageId: id,
    chainId: text,
    walrusPackageId: id,
    nShards: count,
  }),
  auditor: id,
  claim: id,
  candidate: id,
  epoch: count,
  claims: list(
    record({
      id: id,
      round: count,
      mode: count,
      shard: count,
      t: count,
      entry: record({ blobId: text, unencodedLength: count, endEpoch: count }),
      pair: count,
      axis: text,
      symbol: count,
      node: id,
      epoch: count,
      accuser: id,
      attestors: list(id, MAX_ATTESTORS),
      quorum: count,
      filedMs: count,
      deadlineMs: count,
      state: text,
      isBound: flag,
      populationSize: count,
      populationRoot: hex,
      confirmation: orNull(hex),
      seed: orNull(hex),
    }),
    MAX_ESCALATED_CLAIMS,
  ),
  evidence: list(
    record({
      claim: id,
      index: count,
      size: count,
      leaf: text,
      path: list(orNull(hex), MAX_PATH),
      root: hex,
      reportTx: orNull(text),
    }),
    MAX_ESCALATED_CLAIMS,
  ),
  vote: record({ voter: orNull(id), transactionKind: text }),
});

/** @throws EscalationError `MALFORMED_BUNDLE` naming the field */
export function parseBundle(characters: string): EscalationBundle {
  if (characters.length > MAX_BUNDLE_CHARACTERS)
    refuse("MALFORMED_BUNDLE", `${characters.length} characters; at most ${MAX_BUNDLE_CHARACTERS}`);
  const value = jsonObject(characters, "the bundle");
  const { error, format } = value;
  // An auditor that has no bundle answers an error instead, which may have been saved under the bundle's name.
  if (isJsonObject(error))
    refuse("MALFORMED_BUNDLE", `the auditor answered ${error["code"]}: ${error["message"]}`.slice(0, 300));
  if (format !== BUNDLE_FORMAT) refuse("MALFORMED_BUNDLE", `the format is not ${BUNDLE_FORMAT}`);
  checkShape(value, SHAPE, "");
  // The shape names exactly the fields of the type.
  return value as unknown as EscalationBundle;
}

function checkShape(value: unknown, shape: Shape, at: string): void {
  if ("fits" in shape) {
    if (!shape.fits(value)) refuse("MALFORMED_BUNDLE", `${at} must be ${shape.expected}`);
  } else if ("orNull" in shape) {
    if (value !== null) checkShape(value, shape.orNull, at);
  } else if ("list" in shape) {
    if (!Array.isArray(value) || value.length > shape.max)
      refuse("MALFORMED_BUNDLE", `${at} must be a list of at most ${shape.max}`);
    for (const [i, item] of value.entries()) checkShape(item, shape.list, `${at}[${i}]`);
  } else checkFields(value, shape, at);
}

function checkFields(value: unknown, { fields }: RecordShape, at: string): void {
  if (!isJsonObject(value)) refuse("MALFORMED_BUNDLE", `${at} must be an object`);
  const name = (field: string): string => (at === "" ? field : `${at}.${field}`);
  for (const field of Object.keys(value))
    if (!Object.hasOwn(fields, field))
      refuse("MALFORMED_BUNDLE", `${name(field).slice(0, 80)} is no field of it`);
  for (const [field, shape] of Object.entries(fields)) checkShape(value[field], shape, name(field));
}
