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
 * | EDGE_READS_TOKEN      | secret | none     | shared with the edges that tell what reads saw; without it nobody may       |
 */
import { AUDIT_PROFILES, type AuditParameters, checkParameters } from "../shared/audit/parameters.ts";
import type { NetworkKind } from "../shared/node/node-address.ts";
import type { ObjectId } from "../shared/protocol/ids.ts";
import {
  ConfigError,
  endpointUrlsOf,
  isSet,
  objectIdOf,
  oneOf,
  tokenOf,
} from "../shared/protocol/settings.ts";

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
  readonly EDGE_READS_TOKEN?: string;
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
  /** Never logged, never part of an error. */
  readonly edgeReadsToken: string | undefined;
}

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
    suiRpcUrls: endpointUrlsOf("SUI_RPC_URLS", env.SUI_RPC_URLS, networkKind),
    systemObjectId: objectIdOf("SYSTEM_OBJECT_ID", env.SYSTEM_OBJECT_ID),
    stakingObjectId: objectIdOf("STAKING_OBJECT_ID", env.STAKING_OBJECT_ID),
    contract: parseContract(env),
    gatePackageId: optionalId("AUDIT_GATE_PACKAGE_ID", env.AUDIT_GATE_PACKAGE_ID),
    slashingManagerId: optionalId("SLASHING_MANAGER_ID", env.SLASHING_MANAGER_ID),
    secretKey: isSet(env.AUDITOR_SECRET_KEY) ? env.AUDITOR_SECRET_KEY : undefined,
    edgeReadsToken: isSet(env.EDGE_READS_TOKEN)
      ? tokenOf("EDGE_READS_TOKEN", env.EDGE_READS_TOKEN)
      : undefined,
  };
}

function parseContract(env: Env): AuditorConfig["contract"] {
  if (!isSet(env.AUDIT_PACKAGE_ID) && !isSet(env.AUDIT_REGISTRY_ID)) return undefined;
  return {
    packageId: objectIdOf("AUDIT_PACKAGE_ID", env.AUDIT_PACKAGE_ID),
    registryId: objectIdOf("AUDIT_REGISTRY_ID", env.AUDIT_REGISTRY_ID),
  };
}

const optionalId = (name: string, text: string | undefined): ObjectId | undefined =>
  isSet(text) ? objectIdOf(name, text) : undefined;
