/**
 * Field masks: which fields of an answer the client wants.
 *
 * Paths are field names of the message as in its .proto file, dots between levels, applied to each element of a
 * repeated field; `*` is everything. The message types themselves say which paths exist, so a mistake in a mask is
 * refused instead of silently answered with nothing.
 */
import { invalidArgument } from "../../base/grpc-error.ts";

/** The part of a generated message type that describes its fields. */
export interface MessageShape {
  readonly typeName: string;
  readonly fields: readonly FieldShape[];
}

interface FieldShape {
  /** Name in the .proto file. */
  readonly name: string;
  /** Name in the generated interface. */
  readonly localName: string;
  readonly kind: string;
  readonly repeat?: unknown;
  readonly oneof?: string | undefined;
  readonly T?: unknown;
}

export interface FieldMask {
  readonly paths: readonly string[];
}

/** `true` keeps the whole field. */
type Selection = true | ReadonlyMap<string, Selection>;
type MutableSelection = true | Map<string, MutableSelection>;

const MAX_PATHS = 256;

/**
 * A copy of `message` with only the selected fields; others are absent, repeated ones empty.
 *
 * @param fallback paths used when the request names none
 * @throws GrpcError `INVALID_ARGUMENT` naming a path that does not exist
 */
export function applyMask<T extends object>(
  shape: MessageShape,
  message: T,
  mask: FieldMask | undefined,
  fallback: readonly string[] = ["*"],
): T {
  const paths = mask === undefined || mask.paths.length === 0 ? fallback : mask.paths;
  if (paths.length > MAX_PATHS) throw invalidArgument(`${paths.length} mask paths; at most ${MAX_PATHS}`);
  const selection = parsePaths(shape, paths);
  return selection === true ? message : select(shape, message, selection);
}

function parsePaths(shape: MessageShape, paths: readonly string[]): Selection {
  if (paths.includes("*")) return true;
  const root = new Map<string, MutableSelection>();
  for (const path of paths) {
    let level = root;
    let at: MessageShape | undefined = shape;
    const names = path.split(".");
    for (const [depth, name] of names.entries()) {
      const field: FieldShape | undefined = at?.fields.find((each) => each.name === name);
      if (field === undefined)
        throw invalidArgument(`mask path ${path}: no ${name} in ${at?.typeName ?? "it"}`);
      const known = level.get(field.localName);
      if (known === true) break;
      if (depth === names.length - 1) {
        level.set(field.localName, true);
        break;
      }
      const next: Map<string, MutableSelection> = known ?? new Map();
      level.set(field.localName, next);
      level = next;
      at = messageOf(field);
    }
  }
  return root;
}

function messageOf(field: FieldShape): MessageShape | undefined {
  if (field.kind !== "message" || typeof field.T !== "function") return undefined;
  // For message fields, generated types hold a function that returns the field's message type.
  return (field.T as () => MessageShape)();
}

function select<T extends object>(
  shape: MessageShape,
  message: T,
  selection: ReadonlyMap<string, Selection>,
): T {
  const source = message as Record<string, unknown>;
  const kept: Record<string, unknown> = {};
  for (const field of shape.fields) {
    const wanted = selection.get(field.localName);
    if (field.oneof !== undefined) {
      selectOneof(field, source, kept, wanted);
      continue;
    }
    const value = source[field.localName];
    if (wanted !== undefined && value !== undefined) {
      kept[field.localName] = descend(field, value, wanted);
    } else if (Array.isArray(value)) kept[field.localName] = [];
  }
  // Only optional fields were left out, and repeated ones emptied: still a message of this type.
  return kept as T;
}

function selectOneof(
  field: FieldShape,
  source: Record<string, unknown>,
  kept: Record<string, unknown>,
  wanted: Selection | undefined,
): void {
  const group = field.oneof ?? "";
  kept[group] ??= { oneofKind: undefined };
  const current = source[group] as Record<string, unknown> | undefined;
  if (wanted === undefined || current?.["oneofKind"] !== field.localName) return;
  kept[group] = {
    oneofKind: field.localName,
    [field.localName]: descend(field, current[field.localName], wanted),
  };
}

function descend(field: FieldShape, value: unknown, wanted: Selection): unknown {
  const shape = messageOf(field);
  if (wanted === true || shape === undefined) return value;
  const one = (each: unknown): unknown => select(shape, each as object, wanted);
  return Array.isArray(value) ? value.map(one) : one(value);
}
