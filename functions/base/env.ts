/**
 * What a deployment configures, parsed once and strictly.
 *
 * | name               | kind   | default  | effect                                                            |
 * |--------------------|--------|----------|-------------------------------------------------------------------|
 * | NETWORK_KIND       | var    | required | `public`: nodes by https and DNS name only; `local`: http, any host |
 * | SUI_RPC_URLS       | var    | required | comma-separated endpoints of one chain, tried in order             |
 * | SYSTEM_OBJECT_ID   | var    | required | Walrus System object                                               |
 * | STAKING_OBJECT_ID  | var    | required | Walrus Staking object                                              |
 * | PUBLISHER_ACCESS   | var    | `closed` | `open` publishes for all clients at the wallet's cost              |
 * | WALLET_SECRET_KEY  | secret | none     | `suiprivkey1...`; without it this is a reader only                 |
 * | MAX_BODY_BYTES     | var    | 33554432 | largest upload                                                     |
 * | STAGING            | R2     | none     | bucket that holds blobs until they are certified and spread         |
 * | STAGING_MAX_BYTES  | var    | 33554432 | without the bucket: largest blob held in its tracker's SQLite       |
 * | UPLOAD_LEASE_MS    | var    | 15000    | silence after which a tracker takes an upload over; 200 at least    |
 * | AUDITOR_URL        | var    | none     | auditor that gets what reads saw of storage nodes; with the token    |
 * | EDGE_READS_TOKEN   | secret | none     | the auditor's secret of the same name; without AUDITOR_URL unused    |
 * | EDGE_READS_FLUSH_MS | var   | 20000    | least pause between two batches of one isolate                      |
 * | MAX_SPEND_PER_REQUEST_FROST       | var | none | dearest upload, in FROST without gas                    |
 * | MAX_SPEND_PER_PRINCIPAL_DAY_FROST | var | none | one principal's uploads of a UTC day                    |
 * | MAX_SPEND_PER_DAY_FROST           | var | none | all uploads of a UTC day                                |
 */

import { EDGE_READ_LIMITS } from "../../shared/audit/edge-reads.ts";
import type { NetworkKind } from "../../shared/node/node-address.ts";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import {
  ConfigError,
  countOf,
  endpointUrlsOf,
  invalidSetting,
  isSet,
  objectIdOf,
  oneOf,
  serviceUrlOf,
  tokenOf,
} from "../../shared/protocol/settings.ts";
import type { SpendingCaps } from "../../shared/sui/wallet/spending.ts";
import { EDGE_LIMITS } from "./limits.ts";

/**
 * Bindings of wrangler.toml. Texts are untrusted until `parseConfig` has read them. Durable Objects stand here without
 * their methods: those are the ports of their rooms.
 */
export interface Env {
  readonly BLOB_TRACKER: DurableObjectNamespace;
  readonly WALLET: DurableObjectNamespace;
  readonly CHAIN_VIEW: DurableObjectNamespace;
  readonly IDEMPOTENCY_KEY: DurableObjectNamespace;
  /** Staged copies of blobs. */
  readonly STAGING?: R2Bucket;
  readonly NETWORK_KIND?: string;
  readonly SUI_RPC_URLS?: string;
  readonly SYSTEM_OBJECT_ID?: string;
  readonly STAKING_OBJECT_ID?: string;
  readonly PUBLISHER_ACCESS?: string;
  readonly WALLET_SECRET_KEY?: string;
  readonly MAX_BODY_BYTES?: string;
  readonly STAGING_MAX_BYTES?: string;
  readonly UPLOAD_LEASE_MS?: string;
  readonly AUDITOR_URL?: string;
  readonly EDGE_READS_TOKEN?: string;
  readonly EDGE_READS_FLUSH_MS?: string;
  readonly MAX_SPEND_PER_REQUEST_FROST?: string;
  readonly MAX_SPEND_PER_PRINCIPAL_DAY_FROST?: string;
  readonly MAX_SPEND_PER_DAY_FROST?: string;
  /** Tests only: gets the name of each fail point reached, and answers 200 to go on or anything else to die. */
  readonly TEST_FAIL_POINTS?: Fetcher;
  /** Tests only: is told, as JSON, what each invocation asked of the platform. */
  readonly TEST_INVOCATIONS?: Fetcher;
}

/** `closed`: no client may publish; `open`: all may, at the wallet's cost. */
export type PublisherAccess = "closed" | "open";

/** Where outcomes of reads go. */
export interface EdgeReadsConfig {
  readonly auditorUrl: string;
  /** Never logged, never part of an error. */
  readonly token: string;
  readonly flushMs: number;
}

export interface EdgeConfig {
  readonly networkKind: NetworkKind;
  readonly suiRpcUrls: readonly string[];
  readonly systemObjectId: ObjectId;
  readonly stakingObjectId: ObjectId;
  readonly publisherAccess: PublisherAccess;
  /** Never logged, never part of an error. */
  readonly walletSecretKey: string | undefined;
  readonly maxBodyBytes: number;
  readonly stagingMaxBytes: number;
  readonly uploadLeaseMs: number;
  readonly spendingCaps: SpendingCaps;
  /** Undefined: nothing is counted, nothing is sent. */
  readonly edgeReads: EdgeReadsConfig | undefined;
}

/** Shorter than a call or two to the tracker, and every upload would look dead. */
const MIN_TURN_MS = 200;

/** @throws ConfigError naming the setting and what it must be; never its value */
export function parseConfig(env: Env): EdgeConfig {
  const networkKind = oneOf("NETWORK_KIND", env.NETWORK_KIND, ["local", "public"]);
  const publisherAccess = oneOf("PUBLISHER_ACCESS", env.PUBLISHER_ACCESS ?? "closed", ["closed", "open"]);
  const walletSecretKey = env.WALLET_SECRET_KEY;
  if (publisherAccess === "open" && (walletSecretKey === undefined || walletSecretKey === "")) {
    throw new ConfigError("MISSING_SETTING", "PUBLISHER_ACCESS is open, but WALLET_SECRET_KEY is not set");
  }
  return {
    networkKind,
    publisherAccess,
    walletSecretKey: walletSecretKey === "" ? undefined : walletSecretKey,
    suiRpcUrls: endpointUrlsOf("SUI_RPC_URLS", env.SUI_RPC_URLS, networkKind),
    systemObjectId: objectIdOf("SYSTEM_OBJECT_ID", env.SYSTEM_OBJECT_ID),
    stakingObjectId: objectIdOf("STAKING_OBJECT_ID", env.STAKING_OBJECT_ID),
    maxBodyBytes: countOf("MAX_BODY_BYTES", env.MAX_BODY_BYTES, EDGE_LIMITS.bodyBytes),
    stagingMaxBytes: countOf("STAGING_MAX_BYTES", env.STAGING_MAX_BYTES, EDGE_LIMITS.stagedBytes),
    uploadLeaseMs: countOf("UPLOAD_LEASE_MS", env.UPLOAD_LEASE_MS, EDGE_LIMITS.uploadLeaseMs, MIN_TURN_MS),
    spendingCaps: {
      perRequestFrost: parseFrost("MAX_SPEND_PER_REQUEST_FROST", env.MAX_SPEND_PER_REQUEST_FROST),
      perPrincipalPerDayFrost: parseFrost(
        "MAX_SPEND_PER_PRINCIPAL_DAY_FROST",
        env.MAX_SPEND_PER_PRINCIPAL_DAY_FROST,
      ),
      perDayFrost: parseFrost("MAX_SPEND_PER_DAY_FROST", env.MAX_SPEND_PER_DAY_FROST),
    },
    edgeReads: parseEdgeReads(env, networkKind),
  };
}

/** The URL asks for it; a token alone does not, so that the secret can be set first. */
function parseEdgeReads(env: Env, networkKind: NetworkKind): EdgeReadsConfig | undefined {
  if (!isSet(env.AUDITOR_URL)) return undefined;
  return {
    auditorUrl: serviceUrlOf("AUDITOR_URL", env.AUDITOR_URL, networkKind),
    token: tokenOf("EDGE_READS_TOKEN", env.EDGE_READS_TOKEN),
    flushMs: countOf("EDGE_READS_FLUSH_MS", env.EDGE_READS_FLUSH_MS, EDGE_READ_LIMITS.flushMs),
  };
}

/** @returns undefined, no cap, when the setting is absent */
function parseFrost(name: string, text: string | undefined): bigint | undefined {
  if (!isSet(text)) return undefined;
  if (!/^[0-9]{1,19}$/.test(text)) invalidSetting(name, "an amount of FROST");
  return BigInt(text);
}
