/**
 * Filters of lists and subscriptions: terms joined by "or", literals of a term by "and", each possibly negated.
 *
 * | literal    | matches                                                          |
 * |------------|------------------------------------------------------------------|
 * | sender     | the transaction's sender                                         |
 * | emitModule | `package[::module]` of the function called at the top            |
 * | eventType  | `address[::module[::Name[<type arguments>]]]` of the event       |
 * | moveCall   | `package[::module[::function]]` of any call (transactions only)  |
 */

import type { GrpcTypes } from "@mysten/sui/grpc";
import { normalizeStructTag } from "@mysten/sui/utils";
import { type ObjectId, parseObjectId } from "../../../shared/protocol/ids.ts";
import { GrpcError, invalidArgument } from "../base/grpc-error.ts";
import type { EmittedEvent, ExecutedTransaction } from "../ledger/state.ts";
import { parseAnyTransaction } from "../vm/transaction-data.ts";
import { requiredId } from "./context.ts";

export type Predicate<T> = (item: T) => boolean;

const MAX_TERMS = 10;
const MAX_LITERALS = 10;

interface Literal {
  readonly negated: boolean;
}

/** Builds the predicate once per request. @throws GrpcError `INVALID_ARGUMENT` for literals that make no sense */
function disjunction<L extends Literal, T>(
  terms: readonly { readonly literals: readonly L[] }[] | undefined,
  predicateOf: (literal: L) => Predicate<T>,
): Predicate<T> {
  if (terms === undefined || terms.length === 0) return () => true;
  if (terms.length > MAX_TERMS) throw invalidArgument(`${terms.length} filter terms; at most ${MAX_TERMS}`);
  const conjunctions = terms.map(({ literals }) => {
    if (literals.length === 0 || literals.length > MAX_LITERALS) {
      throw invalidArgument(`a filter term of ${literals.length} literals; 1 to ${MAX_LITERALS}`);
    }
    return literals.map((literal): Predicate<T> => {
      const matches = predicateOf(literal);
      return (item) => matches(item) !== literal.negated;
    });
  });
  return (item) => conjunctions.some((literals) => literals.every((matches) => matches(item)));
}

export const eventPredicate = (filter: GrpcTypes.EventFilter | undefined): Predicate<EmittedEvent> =>
  disjunction(filter?.terms, ({ predicate }) => {
    switch (predicate.oneofKind) {
      case "sender": {
        const sender = requiredId(predicate.sender.address, "filter.sender.address");
        return (event) => event.sender === sender;
      }
      case "emitModule":
        return emittedBy(predicate.emitModule.module);
      case "eventType":
        return ofType(predicate.eventType.eventType);
      default:
        throw unsupported(predicate.oneofKind);
    }
  });

export const transactionPredicate = (
  filter: GrpcTypes.TransactionFilter | undefined,
): Predicate<ExecutedTransaction> =>
  disjunction(filter?.terms, ({ predicate }) => {
    switch (predicate.oneofKind) {
      case "sender": {
        const sender = requiredId(predicate.sender.address, "filter.sender.address");
        return (transaction) => senderOf(transaction) === sender;
      }
      case "affectedObject": {
        const id = requiredId(predicate.affectedObject.objectId, "filter.affected_object.object_id");
        return ({ effects }) => effects.changes.some((change) => change.id === id);
      }
      case "moveCall":
        return calling(predicate.moveCall.function);
      case "emitModule": {
        const matches = emittedBy(predicate.emitModule.module);
        return ({ events }) => events.some(matches);
      }
      case "eventType": {
        const matches = ofType(predicate.eventType.eventType);
        return ({ events }) => events.some(matches);
      }
      default:
        throw unsupported(predicate.oneofKind);
    }
  });

const unsupported = (kind: string | undefined): GrpcError =>
  kind === undefined
    ? invalidArgument("a filter literal without a predicate")
    : new GrpcError("UNIMPLEMENTED", `filter by ${kind} is not supported`);

/** A path's package in canonical form, and the names after it. */
function parsePath(path: string | undefined, field: string): readonly [ObjectId, ...string[]] {
  const [first = "", ...names] = (path ?? "").split("::");
  return [requiredId(first, field), ...names];
}

function emittedBy(path: string | undefined): Predicate<EmittedEvent> {
  const [packageId, module] = parsePath(path, "filter.emit_module.module");
  return (event) => event.packageId === packageId && (module === undefined || event.module === module);
}

function ofType(path: string | undefined): Predicate<EmittedEvent> {
  const text = path ?? "";
  if (text.split("::").length < 3) {
    const [address, module] = parsePath(text, "filter.event_type.event_type");
    const prefix = module === undefined ? `${address}::` : `${address}::${module}::`;
    return (event) => event.type.startsWith(prefix);
  }
  let type: string;
  try {
    type = normalizeStructTag(text);
  } catch (cause) {
    throw invalidArgument("filter.event_type.event_type is no type", cause);
  }
  return (event) => event.type === type || event.type.startsWith(`${type}<`);
}

function calling(path: string | undefined): Predicate<ExecutedTransaction> {
  const [packageId, module, name] = parsePath(path, "filter.move_call.function");
  return (transaction) =>
    parseAnyTransaction(transaction.bytes).data.commands.some((command) => {
      if (command.$kind !== "MoveCall") return false;
      const call = command.MoveCall;
      return (
        parseObjectId(call.package) === packageId &&
        (module === undefined || call.module === module) &&
        (name === undefined || call.function === name)
      );
    });
}

const senderOf = ({ bytes }: ExecutedTransaction): ObjectId =>
  parseObjectId(parseAnyTransaction(bytes).data.sender);
