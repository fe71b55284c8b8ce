/** Strict readers of a deployment's settings: texts in, values out; a failure names the setting, never its value. */

import { FloeError } from "../base/errors.ts";
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

/**
 * Where another service answers, without a trailing slash.
 *
 * @throws ConfigError unless it is https (on a local network also http), without credentials, query and fragment
 */
export function serviceUrlOf(name: string, text: SettingText, networkKind: "local" | "public"): string {
  const value = required(name, text);
  const schemes = networkKind === "public" ? ["https:"] : ["http:", "https:"];
  const expected = `one ${schemes.join("// or ")}// URL without credentials, query and fragment`;
  const url = URL.canParse(value) ? new URL(value) : invalidSetting(name, expected);
  const isPlain = url.username === "" && url.password === "" && url.search === "" && url.hash === "";
  if (!isPlain || !schemes.includes(url.protocol)) invalidSetting(name, expected);
  return url.href.replace(/\/+$/, "");
}

/** A secret that two of our services share. @throws ConfigError */
export function tokenOf(name: string, text: SettingText): string {
  const value = required(name, text);
  // 32 characters of base64 or hex are at least 128 bits: nobody guesses that over a network.
  if (!/^[A-Za-z0-9_~+/.=-]{32,256}$/.test(value))
    invalidSetting(name, "32 to 256 letters, digits or characters of _~+/.=-");
  return value;
}

/** @throws ConfigError `INVALID_SETTING`, always */
export function invalidSetting(name: string, expected: string): never {
  throw new ConfigError("INVALID_SETTING", `${name} must be ${expected}`);
}
