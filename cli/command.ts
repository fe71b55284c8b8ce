/** What the commands share: their shape, their options, reading input and showing progress. */
import { createReadStream, fstatSync, openSync } from "node:fs";
import { type ParseArgsConfig, parseArgs } from "node:util";
import { MIN_SHARDS } from "../shared/protocol/bft.ts";

export interface Command {
  readonly help: string;
  /** @returns the exit code */
  run(args: string[]): Promise<number>;
}

/** The command was called wrongly: its help is shown and the exit code is 2. */
export class UsageError extends Error {}

/** The command was called rightly, but a file or a service it was given is of no use: its message alone, exit code 1. */
export class InputError extends Error {}

/** Both public networks. */
export const PUBLIC_SHARDS = 1000;
/** Indexes are u16 and the code supports this many. */
const MAX_SHARDS_HERE = 4096;

type Options = NonNullable<ParseArgsConfig["options"]>;

export interface Parsed {
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly positionals: readonly string[];
}

/** @throws UsageError for options it does not know or another number of operands */
export function parse(args: string[], options: Options, operands: readonly string[]): Parsed {
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    if (positionals.length !== operands.length) {
      throw new UsageError(`expected ${operands.join(" ")}, got ${positionals.length} operands`);
    }
    return { values: values as Parsed["values"], positionals };
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError((error as Error).message);
  }
}

export function wholeNumber(name: string, text: string, low: number, high: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < low || value > high) {
    throw new UsageError(`${name} takes a whole number from ${low} to ${high}, not "${text}"`);
  }
  return value;
}

export function shardCount(values: Parsed["values"]): number {
  const text = values["shards"];
  return typeof text === "string"
    ? wholeNumber("--shards", text, MIN_SHARDS, MAX_SHARDS_HERE)
    : PUBLIC_SHARDS;
}

export interface Input {
  readonly length: number;
  chunks(): AsyncIterable<Uint8Array>;
}

/** A file, read as it is needed, or `-`: standard input, which has to be held because its length is not known. */
export async function openInput(path: string): Promise<Input> {
  if (path !== "-") {
    const file = openSync(path, "r");
    const stats = fstatSync(file);
    if (stats.isDirectory()) throw new UsageError(`${path} is a folder`);
    return { length: stats.size, chunks: () => createReadStream(path, { fd: file, highWaterMark: 1 << 20 }) };
  }
  const held: Buffer[] = [];
  for await (const chunk of process.stdin) held.push(chunk as Buffer);
  const length = held.reduce((sum, chunk) => sum + chunk.length, 0);
  return {
    length,
    async *chunks() {
      yield* held;
    },
  };
}

const BAR_WIDTH = 30;

/** A bar on a terminal's standard error, nothing elsewhere: pipes and logs stay clean. */
export class Progress {
  readonly #isShown: boolean;
  readonly #what: string;
  #lastPercent = -1;

  constructor(what: string, isQuiet: boolean) {
    this.#what = what;
    this.#isShown = !isQuiet && process.stderr.isTTY === true;
  }

  update(done: number, total: number): void {
    const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
    if (!this.#isShown || percent === this.#lastPercent) return;
    this.#lastPercent = percent;
    const filled = Math.round((BAR_WIDTH * percent) / 100);
    const bar = "#".repeat(filled).padEnd(BAR_WIDTH, ".");
    process.stderr.write(`\r${this.#what} [${bar}] ${String(percent).padStart(3)} %`);
    if (percent === 100) process.stderr.write("\n");
  }
}
