/**
 * What a deployment of the auditor configures, parsed once and strictly.
 *
 * | name                  | kind   | default  | effect                                                                      |
 * |-----------------------|--------|----------|-----------------------------------------------------------------------------|
 * | NETWORK_KIND          | var    | required | `public`: nodes by https and DNS name only; `local`: http, any host         |
 * | AUDIT_PROFILE         | var    | required | `public` or `local`: periods, graces and rates; `local` only locally        |
 * | SUI_RPC_URLS          | var    | required | comma-separated endpoints of one chain, tried in order                      |
 * | SYSTEM_OBJECT_ID      | var    | required | Walrus System object                                                        |
 * | STAKING_OBJECT_ID     | var    | required | Walrus Staking object                                                       |
 * | AUDIT_PACKAGE_ID      | var    | none     | `floe_audit`; with AUDIT_REGISTRY_ID                                        |
 * | AUDIT_REGISTRY_ID     | var    | none     | its registry; with AUDIT_PACKAGE_ID                                         |
 * | AUDIT_GATE_PACKAGE_ID | var    | none     | `floe_audit_walrus`; without it claims are not bound and no vote is offered |
 * | SLASHING_MANAGER_ID   | var    | none     | where Walrus keeps votes; without it no vote is offered                     |
 * | AUDITOR_SECRET_KEY    | secret | none     | `suiprivkey1...`; without it nothing is written to the chain                |
 */
import { AUDIT_PROFILES, type AuditParameters, checkParameters } from "../shared/audit/parameters.ts";
import type { NetworkKind } from "../shared/node/node-address.ts";
import { FloeError } from "../shared/protocol/errors.ts";
import { type ObjectId, parseObjectId } from "../shared/protocol/ids.ts";

/** The ledger's object as the Worker calls it; the class itself imports this file. */
export interface LedgerPort {
  fetch(request: Request): Promise<Response>;
  tick(): Promise<void>;
}

/** Bindings of wrangler.toml. Texts are untrusted until `parseConfig` has read them. */
export interface Env {
  readonly AUDIT_LEDGER: DurableObjectNamespace<LedgerPort & Rpc.DurableObjectBranded>;
  readonly NETWORK_KIND?: string;
  readonly AUDIT_PROFILE?: string;
  readonly SUI_RPC_URLS?: string;
  readonly SYSTEM_OBJECT_ID?: string;
  readonly STAKING_OBJECT_ID?: string;
  readonly AUDIT_PACKAGE_ID?: string;
  readonly AUDIT_REGISTRY_ID?: string;
  readonly AUDIT_GATE_PACKAGE_ID?: string;
  readonly SLASHING_MANAGER_ID?: string;
  readonly AUDITOR_SECRET_KEY?: string;
  /** Tests only: is told the name of each fail point reached, and answers 200 to go on or anything else to die. */
  readonly TEST_FAIL_POINTS?: Fetcher;
}

export interface AuditorConfig {
  readonly networkKind: NetworkKind;
  readonly parameters: AuditParameters;
  readonly suiRpcUrls: readonly string[];
  readonly systemObjectId: ObjectId;
  readonly stakingObjectId: ObjectId;
  readonly contract: { readonly packageId: ObjectId; readonly registryId: ObjectId } | undefined;
  readonly gatePackageId: ObjectId | undefined;
  readonly slashingManagerId: ObjectId | undefined;
  /** Never logged, never part of an error. */
  readonly secretKey: string | undefined;
}

export class ConfigError extends FloeError<"MISSING_SETTING" | "INVALID_SETTING"> {}

/** @throws ConfigError naming the setting and what it must be; never its value */
export function parseConfig(env: Env): AuditorConfig {
  const networkKind = oneOf("NETWORK_KIND", env.NETWORK_KIND, ["local", "public"]);
  const profile = oneOf("AUDIT_PROFILE", env.AUDIT_PROFILE, ["local", "public"]);
  if (profile === "local" && networkKind === "public") {
    throw new ConfigError("INVALID_SETTING", "AUDIT_PROFILE local would flood the nodes of a public network");
  }
  return {
    networkKind,
    parameters: checkParameters(AUDIT_PROFILES[profile]),
    suiRpcUrls: parseRpcUrls(required("SUI_RPC_URLS", env.SUI_RPC_URLS), networkKind),
    systemObjectId: parseId("SYSTEM_OBJECT_ID", env.SYSTEM_OBJECT_ID),
    stakingObjectId: parseId("STAKING_OBJECT_ID", env.STAKING_OBJECT_ID),
    contract: parseContract(env),
    gatePackageId: optionalId("AUDIT_GATE_PACKAGE_ID", env.AUDIT_GATE_PACKAGE_ID),
    slashingManagerId: optionalId("SLASHING_MANAGER_ID", env.SLASHING_MANAGER_ID),
    secretKey: isSet(env.AUDITOR_SECRET_KEY) ? env.AUDITOR_SECRET_KEY : undefined,
  };
}

function parseContract(env: Env): AuditorConfig["contract"] {
  if (!isSet(env.AUDIT_PACKAGE_ID) && !isSet(env.AUDIT_REGISTRY_ID)) return undefined;
  return {
    packageId: parseId("AUDIT_PACKAGE_ID", env.AUDIT_PACKAGE_ID),
    registryId: parseId("AUDIT_REGISTRY_ID", env.AUDIT_REGISTRY_ID),
  };
}

function parseRpcUrls(text: string, networkKind: NetworkKind): string[] {
  const urls = text.split(",").map((each) => each.trim());
  const schemes = networkKind === "public" ? ["https:"] : ["http:", "https:"];
  for (const url of urls) {
    if (!URL.canParse(url) || !schemes.includes(new URL(url).protocol))
      invalid("SUI_RPC_URLS", `a comma-separated list of ${schemes.join(" or ")} URLs`);
  }
  return urls;
}

function parseId(name: string, text: string | undefined): ObjectId {
  const value = required(name, text);
  try {
    return parseObjectId(value);
  } catch (cause) {
    if (cause instanceof FloeError) invalid(name, "an object ID");
    throw cause;
  }
}

const optionalId = (name: string, text: string | undefined): ObjectId | undefined =>
  isSet(text) ? parseId(name, text) : undefined;

const isSet = (text: string | undefined): text is string => text !== undefined && text !== "";

function required(name: string, text: string | undefined): string {
  if (!isSet(text)) throw new ConfigError("MISSING_SETTING", `${name} is not set`);
  return text;
}

function oneOf<const Choice extends string>(
  name: string,
  text: string | undefined,
  choices: readonly Choice[],
): Choice {
  const value = required(name, text);
  const choice = choices.find((each) => each === value);
  if (choice === undefined) invalid(name, choices.join(" or "));
  return choice;
}

function invalid(name: string, expected: string): never {
  throw new ConfigError("INVALID_SETTING", `${name} must be ${expected}`);
}
