/** Commands of `floe` and of the npm scripts: how they are made, found, run and ended. */
import { FloeError } from "../shared/base/errors.ts";
import { entry, helpCommand, helpOf, usageOf, wrap } from "./help.ts";
import { type CommandLine, type Given, type Operand, type Options, readArguments } from "./options.ts";
import { UsageError } from "./usage-error.ts";

/** The command was called rightly, but a file or a service it was given is of no use: its message alone, exit code 1. */
export class InputError extends Error {}

export interface Command {
  /** As it is typed: `floe audit`. */
  readonly name: string;
  /** One line. */
  readonly about: string;
  /**
   * With `--help` it prints its help text.
   *
   * @returns the exit code
   * @throws UsageError with the usage line in it
   */
  run(args: readonly string[]): Promise<number>;
}

/** A command that does something. */
export function command<O extends Options, const P extends readonly Operand[] = readonly []>(
  line: CommandLine<O, P>,
  work: (given: Given<O, P>) => Promise<number> | number,
): Command {
  return {
    name: line.name,
    about: line.about,
    async run(args) {
      try {
        const given = readArguments(line, args);
        if (given !== "help") return await work(given);
        console.log(helpOf(line));
        return 0;
      } catch (error) {
        if (error instanceof UsageError)
          error.usage ??= `${usageOf(line)}\n\n${helpCommand(line.name)} explains it.`;
        throw error;
      }
    },
  };
}

export interface Branch {
  readonly about: string;
  /** Loaded when it is called: some bring a compiler along. */
  readonly load: () => Promise<Command> | Command;
}

/** A command that only chooses among others by the first word. */
export function commandTree(
  name: string,
  about: string,
  branches: Readonly<Record<string, Branch>>,
): Command {
  const names = Object.keys(branches);
  const usage = `usage: ${name} COMMAND [OPTION ...]`;
  const list = Object.entries(branches).map(([each, branch]) => entry(each, branch.about));
  const help = [usage, wrap(about, 0), list.join("\n"), `${name} COMMAND --help explains a command.`].join(
    "\n\n",
  );
  return {
    name,
    about,
    async run([word, ...args]) {
      const isOption = word?.startsWith("-") === true;
      if (isOption && [word, ...args].some((each) => each === "--help" || each === "-h")) {
        console.log(help);
        return 0;
      }
      const branch = word !== undefined && Object.hasOwn(branches, word) ? branches[word] : undefined;
      if (branch !== undefined) return (await branch.load()).run(args);
      const error = new UsageError(
        word === undefined || isOption
          ? `a command is needed first: ${name} ${names.join(", ")}`
          : `${name} has the commands ${names.join(", ")}, not ${word}`,
      );
      error.usage = help;
      throw error;
    },
  };
}

export interface Ending {
  /** Stands before the message of an error: the command's name unless another is given. */
  readonly prefix?: string;
  /** Errors of other kinds whose message is enough. */
  readonly isExpected?: (error: Error) => boolean;
}

/**
 * Runs a command to its end and turns what it throws into a message and an exit code.
 *
 * @returns 2 when it was called wrongly, 1 when it failed
 */
export async function runToExitCode(
  { name, run }: Command,
  args: readonly string[],
  { prefix = name, isExpected = () => false }: Ending = {},
): Promise<number> {
  try {
    return await run(args);
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${error.message}\n\n${error.usage ?? `${helpCommand(name)} explains it.`}`);
      return 2;
    }
    if (!(error instanceof Error) || !(isUsual(error) || isExpected(error))) console.error(error);
    else console.error(`${prefix}: ${error.message}${error instanceof FloeError ? ` [${error.code}]` : ""}`);
    return 1;
  }
}

const isUsual = (error: Error): boolean =>
  error instanceof FloeError || error instanceof InputError || isSystemError(error);

/** A file that is not there, a port that is taken: the message tells enough without a stack. */
const isSystemError = (error: Error): boolean => "code" in error && "syscall" in error;
