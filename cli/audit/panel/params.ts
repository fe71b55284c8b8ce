/** Parameters of a panel as a person writes them: a JSON file, or NAME=VALUE. */
import { readInput } from "../../../host/input.ts";
import { UsageError } from "../../../host/usage-error.ts";
import type { RegistryParams } from "../../../shared/sui/audit/contracts.ts";

/** Largest value of each, by the type that it has on chain; u64 is held to the safe integers. */
const U8 = 0xff;
const U16 = 0xffff;
const U32 = 0xffff_ffff;
const LARGEST: Readonly<Record<keyof RegistryParams, number>> = {
  quorum: U8,
  nShards: U16,
  periodMs: Number.MAX_SAFE_INTEGER,
  windowMs: Number.MAX_SAFE_INTEGER,
  bondMist: Number.MAX_SAFE_INTEGER,
  maxOpenPerNode: U8,
  maxPerAuditorEpoch: U16,
  drawsPerShard: U32,
  retentionRounds: Number.MAX_SAFE_INTEGER,
};
/** May be nothing: no bond, or no claims at all. */
const MAY_BE_ZERO: ReadonlySet<string> = new Set(["bondMist", "maxOpenPerNode", "maxPerAuditorEpoch"]);

export const PARAMETERS = Object.keys(LARGEST) as readonly (keyof RegistryParams)[];

/**
 * @param words one path of a JSON file (the names of `show --json`), or any number of NAME=VALUE
 * @throws UsageError naming what is wrong
 */
export function parseParams(words: readonly string[]): Partial<RegistryParams> {
  const [first] = words;
  if (first === undefined) throw new UsageError("set-params needs a file or NAME=VALUE");
  if (!first.includes("=") && words.length === 1) return checked(fromFile(first));
  const pairs = words.map((word): [string, string] => {
    const at = word.indexOf("=");
    if (at < 1) throw new UsageError(`"${word}" is not NAME=VALUE`);
    return [word.slice(0, at), word.slice(at + 1)];
  });
  const twice = pairs.find(([name], i) => pairs.findIndex(([other]) => other === name) !== i);
  if (twice !== undefined) throw new UsageError(`${twice[0]} is given twice`);
  return checked(pairs);
}

function fromFile(path: string): [string, unknown][] {
  const text = readInput(path).toString("utf8");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new UsageError(`${path} is not JSON`);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new UsageError(`${path} is no JSON object of parameters`);
  return Object.entries(json);
}

function checked(pairs: readonly (readonly [string, unknown])[]): Partial<RegistryParams> {
  if (pairs.length === 0) throw new UsageError("there is no parameter to set");
  const values = pairs.map(([name, value]): [string, number | bigint] => {
    if (!Object.hasOwn(LARGEST, name))
      throw new UsageError(`there is no parameter ${name}; there are ${PARAMETERS.join(", ")}`);
    // The line above: it is one of the table's names.
    const number = wholeOf(name, value, LARGEST[name as keyof RegistryParams]);
    return [name, name === "bondMist" ? BigInt(number) : number];
  });
  return Object.fromEntries(values) as Partial<RegistryParams>;
}

function wholeOf(name: string, value: unknown, largest: number): number {
  const text = typeof value === "number" || typeof value === "string" ? String(value) : "";
  const number = Number(text);
  const least = MAY_BE_ZERO.has(name) ? 0 : 1;
  if (!/^\d+$/.test(text) || number < least || number > largest)
    throw new UsageError(
      `${name} takes a whole number from ${least} to ${largest}, not ${JSON.stringify(value)}`,
    );
  return number;
}
