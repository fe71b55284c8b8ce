// If this fails, a deployment or a command for mainnet or testnet talks about other objects than the official SDK.
import { join } from "node:path";
import { MAINNET_WALRUS_PACKAGE_CONFIG, TESTNET_WALRUS_PACKAGE_CONFIG } from "@mysten/walrus";
import { describe, expect, it } from "vitest";
import { unstable_readConfig } from "wrangler";
import { placeOf } from "../../../cli/audit/place.ts";
import { ROOT } from "../../../host/project-root.ts";
import { PUBLIC_NETWORKS } from "../../../shared/network/public-networks.ts";
import { parseObjectId } from "../../../shared/protocol/ids.ts";

const OFFICIAL = { mainnet: MAINNET_WALRUS_PACKAGE_CONFIG, testnet: TESTNET_WALRUS_PACKAGE_CONFIG };
const NAMES = ["mainnet", "testnet"] as const;
const CONFIGS = ["wrangler.toml", "auditor/wrangler.toml"];
const PANEL = { package: "0xa", registry: "0xb" };

const configOf = (file: string, env?: string) =>
  unstable_readConfig({ config: join(ROOT, file), ...(env === undefined ? {} : { env }) });

describe.each(NAMES)("%s", (name) => {
  const known = PUBLIC_NETWORKS[name];

  it("has the objects that the official SDK knows", () => {
    expect(known.systemObjectId).toBe(OFFICIAL[name].systemObjectId);
    expect(known.stakingObjectId).toBe(OFFICIAL[name].stakingPoolId);
  });

  it.each(CONFIGS)("is what %s deploys to", (file) => {
    const { vars } = configOf(file, name === "testnet" ? undefined : name);
    expect(vars).toMatchObject({
      NETWORK_KIND: "public",
      SUI_RPC_URLS: known.suiRpcUrl,
      SYSTEM_OBJECT_ID: known.systemObjectId,
      STAKING_OBJECT_ID: known.stakingObjectId,
    });
    if (file.startsWith("auditor")) expect(vars["SLASHING_MANAGER_ID"]).toBe(known.slashingManagerId);
  });

  it("is a network of the command line by name, with another endpoint and a panel when asked", () => {
    const { suiRpcUrl, ...ids } = known;
    const plain = placeOf({ network: name });
    expect(plain).toEqual({ url: suiRpcUrl, ids, kind: "public", contract: undefined, file: undefined });
    const archive = placeOf({ network: name, sui: "https://archive.example", ...PANEL });
    expect(archive).toMatchObject({
      url: "https://archive.example",
      ids,
      contract: { packageId: parseObjectId("0xa"), registryId: parseObjectId("0xb") },
    });
    expect(() => placeOf({ network: name, system: "0x1" })).toThrow(/says what --system is/);
  });
});

describe.each(CONFIGS)("%s", (file) => {
  it("gives mainnet the limits, triggers, classes and settings of testnet", () => {
    const [testnet, mainnet] = [configOf(file), configOf(file, "mainnet")];
    for (const key of ["limits", "triggers", "migrations", "compatibility_flags", "rules"] as const)
      expect(mainnet[key], key).toEqual(testnet[key]);
    expect(mainnet.durable_objects).toEqual(testnet.durable_objects);
    expect(Object.keys(mainnet.vars)).toEqual(Object.keys(testnet.vars));
    expect(mainnet.name).toBe(`${testnet.name}-mainnet`);
  });
});

describe("a network of the command line", () => {
  it("is named once", () => {
    expect(() => placeOf({ network: "other.json", sui: "https://node.example" })).toThrow(
      /exclude each other/,
    );
    expect(() => placeOf({ sui: "https://node.example" })).toThrow(/--sui needs --system and --staking/);
  });
});
