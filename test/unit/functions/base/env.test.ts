// If this fails, a deployment starts with settings it does not understand, or spends money nobody allowed it to spend.
import { describe, expect, it } from "vitest";
import { type Env, parseConfig } from "../../../../functions/base/env.ts";
import { ConfigError } from "../../../../shared/protocol/settings.ts";

const SECRET = "suiprivkey1canary";
const TOKEN = "t".repeat(32);
const settings = {
  NETWORK_KIND: "public",
  SUI_RPC_URLS: "https://a.example:443, https://b.example",
  SYSTEM_OBJECT_ID: "0x2a",
  STAKING_OBJECT_ID: `0x${"b".repeat(64)}`,
};
// Bindings other than settings are not looked at.
const parse = (changes: Record<string, string> = {}) =>
  parseConfig({ ...settings, ...changes } as unknown as Env);

describe("settings", () => {
  it("default to a closed publisher without a wallet and the standard body limit", () => {
    expect(parse()).toEqual({
      networkKind: "public",
      suiRpcUrls: ["https://a.example:443", "https://b.example"],
      systemObjectId: `0x${"0".repeat(62)}2a`,
      stakingObjectId: `0x${"b".repeat(64)}`,
      publisherAccess: "closed",
      spendingCaps: {},
      walletSecretKey: undefined,
      maxBodyBytes: 32 * 1024 * 1024,
      stagingMaxBytes: 32 * 1024 * 1024,
      uploadLeaseMs: 15_000,
    });
  });

  it("tell an auditor of reads only when it is named, so that the token can be set first", () => {
    expect(parse({ EDGE_READS_TOKEN: TOKEN }).edgeReads).toBeUndefined();
    expect(parse({ AUDITOR_URL: "https://a.example/audit/", EDGE_READS_TOKEN: TOKEN }).edgeReads).toEqual({
      auditorUrl: "https://a.example/audit",
      token: TOKEN,
      flushMs: 20_000,
    });
    const local = { NETWORK_KIND: "local", AUDITOR_URL: "http://127.0.0.1:9", EDGE_READS_TOKEN: TOKEN };
    expect(parse({ ...local, EDGE_READS_FLUSH_MS: "100" }).edgeReads).toMatchObject({
      auditorUrl: "http://127.0.0.1:9",
      flushMs: 100,
    });
  });

  it("stay closed with a wallet until access is opened in so many words", () => {
    expect(parse({ WALLET_SECRET_KEY: SECRET }).publisherAccess).toBe("closed");
    expect(parse({ WALLET_SECRET_KEY: SECRET, PUBLISHER_ACCESS: "open" }).publisherAccess).toBe("open");
  });

  it.each<[string, Record<string, string>]>([
    ["NETWORK_KIND", { NETWORK_KIND: "mainnet" }],
    ["NETWORK_KIND", { NETWORK_KIND: "" }],
    ["SUI_RPC_URLS", { SUI_RPC_URLS: "" }],
    ["SUI_RPC_URLS", { SUI_RPC_URLS: "http://a.example" }],
    ["SUI_RPC_URLS", { SUI_RPC_URLS: "https://a.example,," }],
    ["SYSTEM_OBJECT_ID", { SYSTEM_OBJECT_ID: "system" }],
    ["STAKING_OBJECT_ID", { STAKING_OBJECT_ID: "" }],
    ["PUBLISHER_ACCESS", { PUBLISHER_ACCESS: "yes", WALLET_SECRET_KEY: SECRET }],
    ["WALLET_SECRET_KEY", { PUBLISHER_ACCESS: "open" }],
    ["MAX_BODY_BYTES", { MAX_BODY_BYTES: "10MB" }],
    ["MAX_BODY_BYTES", { MAX_BODY_BYTES: "-1" }],
    ["STAGING_MAX_BYTES", { STAGING_MAX_BYTES: "1e6" }],
    ["UPLOAD_LEASE_MS", { UPLOAD_LEASE_MS: "10" }],
    ["AUDITOR_URL", { AUDITOR_URL: "http://a.example", EDGE_READS_TOKEN: TOKEN }],
    ["AUDITOR_URL", { AUDITOR_URL: "auditor", EDGE_READS_TOKEN: TOKEN }],
    ["AUDITOR_URL", { AUDITOR_URL: `https://me:${SECRET}@a.example`, EDGE_READS_TOKEN: TOKEN }],
    ["AUDITOR_URL", { AUDITOR_URL: `https://a.example?key=${SECRET}`, EDGE_READS_TOKEN: TOKEN }],
    ["EDGE_READS_TOKEN", { AUDITOR_URL: "https://a.example" }],
    ["EDGE_READS_TOKEN", { AUDITOR_URL: "https://a.example", EDGE_READS_TOKEN: SECRET }],
    ["EDGE_READS_TOKEN", { AUDITOR_URL: "https://a.example", EDGE_READS_TOKEN: `${SECRET}\n${TOKEN}` }],
    [
      "EDGE_READS_FLUSH_MS",
      { AUDITOR_URL: "https://a.example", EDGE_READS_TOKEN: TOKEN, EDGE_READS_FLUSH_MS: "1s" },
    ],
  ])("with a wrong %s are refused by name, without showing a value", (name, changes) => {
    try {
      parse(changes);
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      expect(String(error)).toContain(name);
      expect(String(error)).not.toContain(SECRET);
      return;
    }
    throw new Error("accepted");
  });
});
