/**
 * Options and operands of a command, declared once: reading, checking and the help text are made from the declaration.
 *
 * Node's `parseArgs` splits the words. What it finds is judged here, so that every complaint is one line with the
 * numbers: an unknown option, a missing value, a value out of range.
 */
import { parseArgs } from "node:util";
import { isStandardInput } from "./input.ts";
import { UsageError } from "./usage-error.ts";

/** One option. A flag has no value. */
export interface Option<Value> {
  /** Stands for the value in the help text; undefined for a flag. */
  readonly value: string | undefined;
  readonly help: string;
  /** As the help text shows it. */
  readonly otherwise: string | undefined;
  readonly isRequired: boolean;
  /** Names a file that is read, so that `-` means standard input. */
  readonly isFile: boolean;
  /** Title of the part of the help text that lists it; undefined: the first part. */
  readonly section: string | undefined;
  /**
   * @param given every value on the command line, in order; empty when the option is absent
   * @param name with its dashes, for messages
   * @throws UsageError
   */
  read(given: readonly string[], name: string): Value;
}

export interface Operand {
  readonly name: string;
  readonly help: string;
  readonly isFile?: boolean;
}

// Every option's value is read through the declaration that carries its type.
export type Options = Readonly<Record<string, Option<unknown>>>;
export type ValuesOf<O extends Options> = {
  readonly [Name in keyof O]: O[Name] extends Option<infer Value> ? Value : never;
};

/** What a command takes. */
export interface CommandLine<O extends Options = Options, P extends readonly Operand[] = readonly Operand[]> {
  /** As it is typed: `floe blob-id`, `npm start`. */
  readonly name: string;
  /** One line, for lists of commands. */
  readonly about: string;
  /** What else there is to know, below the options. */
  readonly notes?: string;
  readonly options: O;
  /** Each is required. */
  readonly operands?: P;
  /** Any number of operands after those. */
  readonly rest?: Operand;
}

export interface Given<O extends Options, P extends readonly Operand[]> {
  readonly values: ValuesOf<O>;
  readonly operands: { readonly [Index in keyof P]: string };
  readonly rest: readonly string[];
}

const PLAIN = { otherwise: undefined, isRequired: false, isFile: false, section: undefined };

export const flag = (help: string): Option<boolean> => ({
  ...PLAIN,
  value: undefined,
  help,
  read: (given) => given.length > 0,
});

export function text(value: string, help: string): Option<string | undefined>;
export function text(value: string, help: string, otherwise: string): Option<string>;
export function text(value: string, help: string, otherwise?: string): Option<string | undefined> {
  return { ...PLAIN, value, help, otherwise, read: (given) => given.at(-1) ?? otherwise };
}

/** A file that is read; `-` is standard input. */
export const file = (help: string): Option<string | undefined> => ({ ...text("FILE", help), isFile: true });

/** May be given any number of times. @returns undefined when it is not given at all */
export const texts = (value: string, help: string): Option<readonly string[] | undefined> => ({
  ...PLAIN,
  value,
  help,
  read: (given) => (given.length === 0 ? undefined : given),
});

export interface Bounds {
  readonly from: number;
  readonly to: number;
}

export function whole(help: string, bounds: Bounds): Option<number | undefined>;
export function whole(help: string, bounds: Bounds, otherwise: number): Option<number>;
export function whole(help: string, bounds: Bounds, otherwise?: number): Option<number | undefined> {
  return {
    ...PLAIN,
    value: "N",
    help,
    otherwise: otherwise === undefined ? undefined : String(otherwise),
    read(given, name) {
      const last = given.at(-1);
      return last === undefined ? otherwise : wholeNumber(name, last, bounds);
    },
  };
}

/** Whole numbers with commas between them. */
export const wholes = (
  help: string,
  bounds: Bounds,
  otherwise: readonly number[],
): Option<readonly number[]> => ({
  ...PLAIN,
  value: "LIST",
  help,
  otherwise: otherwise.join(","),
  read(given, name) {
    const last = given.at(-1);
    return last === undefined ? otherwise : last.split(",").map((each) => wholeNumber(name, each, bounds));
  },
});

/** Some of these words, with commas between them; all of them when it is not given. */
export const someOf = <Word extends string>(
  help: string,
  words: readonly Word[],
): Option<readonly Word[]> => ({
  ...PLAIN,
  value: "LIST",
  help: `${help}: some of ${words.join(",")}`,
  otherwise: "all",
  read(given, name) {
    const last = given.at(-1);
    if (last === undefined) return words;
    return last.split(",").map((each) => {
      const word = words.find((known) => known === each);
      if (word === undefined) throw new UsageError(`${name} takes some of ${words.join(",")}, not "${each}"`);
      return word;
    });
  },
});

/** An option that the command cannot do without. */
export const required = <Value>(option: Option<Value>): Option<NonNullable<Value>> =>
  // `readArguments` reads it only when it is given.
  ({ ...option, isRequired: true }) as Option<NonNullable<Value>>;

/** Lists these options under a title of their own in the help text. */
export function section<O extends Options>(title: string, options: O): O {
  const titled = Object.entries(options).map(([name, option]) => [name, { ...option, section: title }]);
  // The same names with the same kinds of options.
  return Object.fromEntries(titled) as O;
}

/** @throws UsageError with the bounds */
export function wholeNumber(name: string, given: string, { from, to }: Bounds): number {
  const value = Number(given);
  if (!/^\d+$/.test(given) || value < from || value > to)
    throw new UsageError(`${name} takes a whole number from ${from} to ${to}, not "${given}"`);
  return value;
}

/**
 * @returns "help" when the help text is asked for, whatever else is given
 * @throws UsageError naming the option or operand that is wrong
 */
export function readArguments<O extends Options, P extends readonly Operand[]>(
  line: CommandLine<O, P>,
  args: readonly string[],
): Given<O, P> | "help" {
  const { given, operands } = split(line, args);
  if (given.has("help")) return "help";
  const { wanted, rest } = operandsOf(line, operands);
  checkStandardInput(line, given, operands);
  const values = Object.entries(line.options).map(([name, option]) => {
    const words = given.get(name) ?? [];
    if (option.isRequired && words.length === 0)
      throw new UsageError(`${line.name} needs --${name} ${option.value ?? ""}`.trimEnd());
    return [name, option.read(words, `--${name}`)];
  });
  return {
    // Each value was read by the declaration of its name.
    values: Object.fromEntries(values) as ValuesOf<O>,
    // As many as are declared: `operandsOf` has counted them.
    operands: wanted as Given<O, P>["operands"],
    rest,
  };
}

function split(
  { name, options }: CommandLine,
  args: readonly string[],
): { readonly given: ReadonlyMap<string, string[]>; readonly operands: readonly string[] } {
  const config = Object.fromEntries(
    Object.entries(options).map(([each, { value }]) => [
      each,
      { type: value === undefined ? ("boolean" as const) : ("string" as const) },
    ]),
  );
  const { tokens } = parseArgs({
    args: [...args],
    options: { ...config, help: { type: "boolean", short: "h" } },
    strict: false,
    tokens: true,
  });
  const given = new Map<string, string[]>();
  const operands: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") operands.push(token.value);
    if (token.kind !== "option") continue;
    if (token.name !== "help") checkToken(name, options, token);
    given.set(token.name, [...(given.get(token.name) ?? []), token.value ?? ""]);
  }
  return { given, operands };
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

function checkToken(
  command: string,
  options: Options,
  { name, rawName, value, inlineValue }: OptionToken,
): void {
  const option = Object.hasOwn(options, name) ? options[name] : undefined;
  if (option === undefined || !rawName.startsWith("--")) {
    const known = Object.keys(options).map((each) => `--${each}`);
    throw new UsageError(
      `${command} takes no ${rawName}; it takes ${known.length === 0 ? "no option" : known.join(", ")}`,
    );
  }
  if (option.value === undefined) {
    if (value !== undefined) throw new UsageError(`${rawName} takes no value, not "${value}"`);
    return;
  }
  // Another option in the value's place was meant as that option. A lone dash is standard input, a number a number.
  const isOption = inlineValue !== true && value !== undefined && /^-[^\d]/.test(value);
  if (value === undefined || isOption)
    throw new UsageError(`${rawName} needs a value: ${rawName} ${option.value}`);
}

function operandsOf(
  { name, operands = [], rest }: CommandLine,
  given: readonly string[],
): { readonly wanted: readonly string[]; readonly rest: readonly string[] } {
  if (given.length < operands.length) {
    const missing = operands.slice(given.length).map((operand) => operand.name);
    throw new UsageError(`${name} needs ${missing.join(" ")}`);
  }
  const more = given.slice(operands.length);
  if (more.length > 0 && rest === undefined)
    throw new UsageError(
      `${name} takes ${operands.length} operands, not ${given.length}: there is nothing to do with ${more.join(" ")}`,
    );
  return { wanted: given.slice(0, operands.length), rest: more };
}

/** Standard input can be read once only: the second reader would find it empty. */
function checkStandardInput(
  { options, operands = [], rest }: CommandLine,
  given: ReadonlyMap<string, string[]>,
  words: readonly string[],
): void {
  const fromOptions = Object.entries(options).flatMap(([name, { isFile }]) =>
    isFile && (given.get(name) ?? []).some(isStandardInput) ? `--${name}` : [],
  );
  const fromOperands = words.flatMap((word, i) => {
    const operand = operands[i] ?? rest;
    return operand?.isFile === true && isStandardInput(word) ? operand.name : [];
  });
  const readers = [...fromOptions, ...fromOperands];
  if (readers.length > 1)
    throw new UsageError(`standard input is read once, and ${readers.join(" and ")} cannot each have it`);
}
