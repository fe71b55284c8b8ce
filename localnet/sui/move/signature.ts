/**
 * Signatures of Move functions, written as Move writes them:
 *
 *   system::reserve_space(&mut System, u64, u32, &mut Coin<WAL>, &mut TxContext): Storage
 *   coin::split<T>(&mut Coin<T>, u64, &mut TxContext): Coin<T>
 *   entry audit::open_round(&mut Registry, u64, &Random, &Clock, &mut TxContext)      private, as its `entry` is alone
 *
 * One text is the source of three things that must agree: how arguments are checked, which shared inputs a
 * transaction needs mutably, and what `GetFunction` answers.
 */
import { assert } from "../../../shared/base/errors.ts";

export type TypeTerm =
  | { readonly kind: "primitive"; readonly name: string }
  | { readonly kind: "parameter"; readonly index: number }
  | { readonly kind: "vector"; readonly element: TypeTerm }
  | { readonly kind: "struct"; readonly name: string; readonly arguments: readonly TypeTerm[] };

export type Passing = "value" | "reference" | "mutable-reference";

export interface Parameter {
  readonly passing: Passing;
  readonly type: TypeTerm;
}

export interface MoveSignature {
  readonly module: string;
  readonly name: string;
  /** Private, for transactions only: no other module can wrap a call of it. */
  readonly isPrivateEntry: boolean;
  readonly typeParameters: number;
  /** Without the transaction context, which callers do not pass. */
  readonly parameters: readonly Parameter[];
  /** How the function takes the transaction context, if at all. */
  readonly context: Passing | undefined;
  readonly returns: readonly TypeTerm[];
}

const PRIMITIVES = new Set(["bool", "u8", "u16", "u32", "u64", "u128", "u256", "address"]);

/**
 * @param structs full names (`address::module::Name`) by the short names used in `text`
 * Programmer errors (bad text, unknown struct) are assertion failures: the texts are our own.
 */
export function parseSignature(text: string, structs: ReadonlyMap<string, string>): MoveSignature {
  const head = /^(entry )?(\w+)::(\w+)(?:<([\w, ]+)>)?\((.*?)\)(?:: (.+))?$/.exec(text);
  assert(head !== null, `signature: ${text}`);
  const [, entry, module = "", name = "", generics = "", parameterText = "", returnText = ""] = head;
  const typeParameters = generics === "" ? [] : generics.split(",").map((each) => each.trim());
  const term = (source: string): TypeTerm => parseTerm(source, typeParameters, structs);
  const all = splitTopLevel(parameterText).map((source): Parameter & { isContext: boolean } => {
    const passing: Passing = source.startsWith("&mut ")
      ? "mutable-reference"
      : source.startsWith("&")
        ? "reference"
        : "value";
    const bare = source.replace(/^&(mut )?/, "");
    return bare === "TxContext"
      ? { passing, type: { kind: "primitive", name: "TxContext" }, isContext: true }
      : { passing, type: term(bare), isContext: false };
  });
  const returns = returnText.startsWith("(")
    ? splitTopLevel(returnText.slice(1, -1))
    : splitTopLevel(returnText);
  return {
    module,
    name,
    isPrivateEntry: entry !== undefined,
    typeParameters: typeParameters.length,
    parameters: all.filter((each) => !each.isContext).map(({ passing, type }) => ({ passing, type })),
    context: all.find((each) => each.isContext)?.passing,
    returns: returns.map(term),
  };
}

function parseTerm(
  source: string,
  typeParameters: readonly string[],
  structs: ReadonlyMap<string, string>,
): TypeTerm {
  if (PRIMITIVES.has(source)) return { kind: "primitive", name: source };
  const index = typeParameters.indexOf(source);
  if (index >= 0) return { kind: "parameter", index };
  const match = /^(\w+)(?:<(.+)>)?$/.exec(source);
  assert(match !== null, `type: ${source}`);
  const [, short = "", inner = ""] = match;
  const terms = splitTopLevel(inner).map((each) => parseTerm(each, typeParameters, structs));
  if (short === "vector") {
    const [element] = terms;
    assert(element !== undefined && terms.length === 1, `vector: ${source}`);
    return { kind: "vector", element };
  }
  const name = structs.get(short);
  assert(name !== undefined, `unknown struct ${short}`);
  return { kind: "struct", name, arguments: terms };
}

function splitTopLevel(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    const character = text[i];
    if (character === "<") depth++;
    if (character === ">") depth--;
    if (i === text.length || (character === "," && depth === 0)) {
      const part = text.slice(start, i).trim();
      if (part !== "") parts.push(part);
      start = i + 1;
    }
  }
  return parts;
}

/** Canonical name of the type with its parameters replaced. */
export function typeName(term: TypeTerm, typeArguments: readonly string[]): string {
  switch (term.kind) {
    case "primitive":
      return term.name;
    case "parameter": {
      const argument = typeArguments[term.index];
      assert(argument !== undefined, `type argument ${term.index}`);
      return argument;
    }
    case "vector":
      return `vector<${typeName(term.element, typeArguments)}>`;
    case "struct": {
      const inner = term.arguments.map((each) => typeName(each, typeArguments));
      return inner.length === 0 ? term.name : `${term.name}<${inner.join(",")}>`;
    }
  }
}
