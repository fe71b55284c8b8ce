// If this fails, nobody can set up an audit panel of their own, or sets one up that is compiled against stubs.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bcs } from "@mysten/sui/bcs";
import { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { audit } from "../../cli/audit/audit.ts";
import { systemClock } from "../../host/clock.ts";
import { ROOT } from "../../host/project-root.ts";
import { type Network, startNetwork } from "../../localnet/network.ts";
import { compileForPublishing, FRAMEWORK_STUBS } from "../../move/build.ts";
import { fromBase64 } from "../../shared/base/bytes.ts";
import { FloeError } from "../../shared/base/errors.ts";
import { type ObjectId, parseObjectId } from "../../shared/protocol/ids.ts";
import { publishTransaction } from "../../shared/sui/audit/publishing.ts";
import { type RegistryState, readRegistry, readRound } from "../../shared/sui/audit/reader.ts";
import { openRoundTransaction } from "../../shared/sui/audit/transactions.ts";
import { createSuiClient } from "../../shared/sui/client/sui-client.ts";
import { buildChecked, sendOnce } from "../../shared/sui/wallet/send-once.ts";
import { createWalletChain } from "../../shared/sui/wallet/wallet-chain.ts";

const scratch = mkdtempSync(join(tmpdir(), "floe-deploy-"));
const path = (name: string): string => join(scratch, name);
let network: Network;

const start = (): Promise<Network> => startNetwork({ seed: "audit-deploy", nodes: 4, dataDir: path("data") });
beforeAll(async () => {
  network = await start();
  writeFileSync(path("network.json"), JSON.stringify(network.file));
});
afterAll(async () => {
  await network.close();
  rmSync(scratch, { recursive: true, force: true });
});

const client = () => createSuiClient({ url: network.file.sui.url, fetch });
const wallet = (): Ed25519Keypair => Ed25519Keypair.fromSecretKey(network.file.wallet?.secretKey ?? "");

/** What the command prints on standard output, or the code of its error. */
async function deploy(...args: string[]): Promise<string> {
  const out: string[] = [];
  const spies = [
    vi.spyOn(console, "log").mockImplementation((line: string) => void out.push(line)),
    vi.spyOn(console, "error").mockImplementation(() => {}),
  ];
  try {
    expect(await audit.run(["deploy", ...args])).toBe(0);
    return out.join("\n");
  } catch (error) {
    return error instanceof FloeError ? error.code : (error as Error).message;
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

interface Fragment {
  readonly audit: { packageId: ObjectId; registryId: ObjectId; gatePackageId: ObjectId };
}
let deployed: Fragment["audit"];

const registryOf = (ids: Fragment["audit"]): Promise<RegistryState> => readRegistry(client(), ids);

it("publishes packages and registry on the embedded network and prints what a network file needs", async () => {
  const auditor = ["--auditor", wallet().toSuiAddress(), "--name", "me", "--url", "https://auditor.example"];
  const args = ["--network", path("network.json"), "--quorum", "3", ...auditor];
  deployed = (JSON.parse(await deploy(...args)) as Fragment).audit;
  expect(deployed.packageId).not.toBe(network.file.audit?.packageId);
  const registry = await registryOf(deployed);
  expect(registry).toMatchObject({
    gate: `${deployed.gatePackageId.slice(2)}::gate::WalrusCommittee`,
    auditors: [{ address: wallet().toSuiAddress(), name: "me", isActive: true, claimsFiled: 0 }],
    params: { quorum: 3, nShards: network.file.nShards },
  });
  expect(registry.contracts.originalPackageId).toBe(deployed.packageId);
});

it("puts on chain exactly the modules that were compiled, under the new address", async () => {
  const { objects } = await client().getObjects({
    objectIds: [deployed.packageId],
    include: { objectBcs: true },
  });
  const [object] = objects;
  if (object === undefined || object instanceof Error) throw new Error("the package is an object");
  const { Package } = bcs.Object.parse(object.objectBcs).data;
  const compiled = await compileForPublishing("floe_audit", {});
  const own = fromBase64(compiled.modules[2] ?? "");
  const stored = Package?.moduleMap.get("audit");
  expect([...(Package?.moduleMap.keys() ?? [])]).toEqual(["audit", "proof", "select"]);
  expect(stored?.length).toBe(own.length);
  // Only the module's own address differs: 32 zero bytes as it was compiled.
  const differing = [...own.keys()].filter((i) => own[i] !== stored?.[i]);
  expect(Math.max(...differing) - Math.min(...differing)).toBeLessThan(32);
});

it("goes on after a deployment without doing anything twice", async () => {
  const again = await deploy("--network", path("network.json"), "--resume", deployed.packageId);
  expect((JSON.parse(again) as Fragment).audit).toEqual(deployed);
});

it("is a panel that works, also after the network was started anew", async () => {
  await network.close();
  network = await start();
  // Its ports are others when somebody took one meanwhile.
  writeFileSync(path("network.json"), JSON.stringify(network.file));
  const chain = createWalletChain(client(), [client()]);
  const registry = await registryOf(deployed);
  const owner = parseObjectId(wallet().toSuiAddress());
  // Only its own slot opens a round: when this one went by before the transaction ran, the next one does.
  for (let isOpen = false; !isOpen; ) {
    const no = Math.floor(systemClock.nowMs() / registry.params.periodMs);
    const transaction = openRoundTransaction(registry.contracts, no);
    try {
      await sendOnce(chain, systemClock, await buildChecked(chain, transaction, owner), wallet());
      isOpen = (await readRound(client(), registry, no)) !== undefined;
    } catch (error) {
      expect(String(error)).toContain("ETooLate");
    }
  }
});

it("is refused for modules that nobody here could run, and for links to packages that are not there", async () => {
  const chain = createWalletChain(client(), [client()]);
  const owner = parseObjectId(wallet().toSuiAddress());
  const { modules, dependencies } = await compileForPublishing("floe_audit", {});
  const changed = fromBase64(modules[0] ?? "");
  changed[changed.length - 3] = (changed[changed.length - 3] ?? 0) ^ 1;
  const attempt = (given: string[], links: string[]) =>
    buildChecked(chain, publishTransaction(given, links, owner), owner);
  const foreign = [Buffer.from(changed).toString("base64"), ...modules.slice(1)];
  await expect(attempt(foreign, dependencies)).rejects.toThrow("FeatureNotYetSupported");
  await expect(attempt(modules, dependencies.slice(1))).rejects.toThrow("PublishUpgradeMissingDependency");
});

it("is documented as it works", async () => {
  const text = readFileSync(join(ROOT, "docs/audit.md"), "utf8");
  const commands = [...text.matchAll(/^npm run floe -- audit deploy (.*)$/gm)].map(([, line = ""]) => line);
  const [local, live, ...more] = commands.map((line) =>
    line.replace("network.json", path("network.json")).split(" "),
  );
  expect(more).toEqual([]);
  const again = await deploy(...(local ?? []), "--resume", deployed.packageId);
  expect((JSON.parse(again) as Fragment).audit).toEqual(deployed);
  const { sui, walrus } = network.file;
  const values: Record<string, string> = {
    URL: sui.url,
    ID: walrus.systemObjectId,
    DIR: FRAMEWORK_STUBS,
    "admin.key": path("admin.key"),
  };
  expect(await deploy(...(live ?? []).map((word) => values[word] ?? word))).toBe("STUBS_REFUSED");
});

it("takes no stubs to a public network, and no key from nowhere", async () => {
  const { sui, walrus } = network.file;
  const place = ["--sui", sui.url, "--system", walrus.systemObjectId, "--staking", walrus.stakingObjectId];
  expect(await deploy(...place)).toContain("needs --framework");
  expect(await deploy(...place, "--framework", FRAMEWORK_STUBS)).toBe("STUBS_REFUSED");
  cpSync(FRAMEWORK_STUBS, path("copied"), { recursive: true });
  expect(await deploy(...place, "--framework", path("copied"))).toBe("STUBS_REFUSED");
  for (const [folder, file] of [
    ["move-stdlib", "vector"],
    ["sui-framework", "object"],
  ] as const)
    writeFileSync(path(`copied/${folder}/sources/${file}.move`), "");
  expect(await deploy(...place, "--framework", path("copied"))).toContain("needs --key-file");
});
