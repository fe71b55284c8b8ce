/** Strict readers of a deployment's settings: texts in, values out; a failure names the setting, never its value. */
import { FloeError } from "./errors.ts";
import { type ObjectId, parseObjectId } from "./ids.ts";

export class ConfigError extends FloeError<"MISSING_SETTING" | "INVALID_SETTING"> {}

/** A setting as bindings give it; an empty text counts as absent. */
export type SettingText = string | undefined;

export const isSet = (text: SettingText): text is string => text !== undefined && text !== "";

/** @throws ConfigError `MISSING_SETTING` */
export function required(name: string, text: SettingText): string {
  if (!isSet(text)) throw new ConfigError("MISSING_SETTING", `${name} is not set`);
  return text;
}

/** @throws ConfigError */
export function oneOf<const Choice extends string>(
  name: string,
  text: SettingText,
  choices: readonly Choice[],
): Choice {
  const value = required(name, text);
  const choice = choices.find((each) => each === value);
  if (choice === undefined) invalidSetting(name, choices.join(" or "));
  return choice;
}

/** @throws ConfigError */
export function objectIdOf(name: string, text: SettingText): ObjectId {
  const value = required(name, text);
  try {
    return parseObjectId(value);
  } catch (cause) {
    if (cause instanceof FloeError) invalidSetting(name, "an object ID");
    throw cause;
  }
}

/** A whole number. @throws ConfigError `INVALID_SETTING` below `atLeast` or beyond 2^53 */
export function countOf(name: string, text: SettingText, byDefault: number, atLeast = 0): number {
  if (!isSet(text)) return byDefault;
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(value) || value < atLeast) {
    invalidSetting(name, `a number of at least ${atLeast}`);
  }
  return value;
}

/**
 * Comma-separated endpoints. A local network may also use a remote full node over https.
 *
 * @throws ConfigError
 */
export function endpointUrlsOf(name: string, text: SettingText, networkKind: "local" | "public"): string[] {
  const urls = required(name, text)
    .split(",")
    .map((each) => each.trim());
  const schemes = networkKind === "public" ? ["https:"] : ["http:", "https:"];
  for (const url of urls) {
    if (!URL.canParse(url) || !schemes.includes(new URL(url).protocol)) {
      invalidSetting(name, `a comma-separated list of ${schemes.join("// or ")}// URLs`);
    }
  }
  return urls;
}

/** @throws ConfigError `INVALID_SETTING`, always */
export function invalidSetting(name: string, expected: string): never {
  throw new ConfigError("INVALID_SETTING", `${name} must be ${expected}`);
}
