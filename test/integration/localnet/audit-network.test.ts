// If this fails, nobody can audit on the embedded network: no panel, no keys, no coins, or no way onto the panel.
import { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import { afterEach, expect, test } from "vitest";
import { type Network, startNetwork } from "../../../localnet/network.ts";
import { parseNetworkFile } from "../../../shared/network/network-file.ts";
import { parseObjectId } from "../../../shared/protocol/ids.ts";
import { readRegistry } from "../../../shared/sui/audit/reader.ts";
import { createSuiClient } from "../../../shared/sui/client/sui-client.ts";

let network: Network | undefined;
afterEach(() => network?.close());

test("three auditors with keys of their own are on the panel and can pay; others can be added", async () => {
  network = await startNetwork({
    nodes: 4,
    shards: 10,
    seed: "audit panel",
    auditParams: { periodMs: 1_000, bondMist: 5n },
  });
  const file = parseNetworkFile(JSON.stringify(network.file));
  expect(file).toEqual(network.file);
  const { audit, auditors = [], nodes = [], sui } = file;
  if (audit === undefined) throw new Error("the file names the panel");
  const client = createSuiClient({ url: sui.url, fetch: (url, init) => fetch(url, init) });
  const panel = await readRegistry(client, audit);
  expect(panel).toMatchObject({
    isPaused: false,
    params: { nShards: 10, quorum: 2, periodMs: 1_000, bondMist: 5n },
    gate: `${audit.gatePackageId}::gate::WalrusCommittee`.replace("0x", ""),
  });
  expect(panel.auditors.map(({ address, isActive }) => [address, isActive])).toEqual(
    auditors.map(({ address }) => [address, true]),
  );
  const wallets = [...auditors, ...nodes.flatMap(({ wallet }) => wallet ?? [])];
  expect(new Set(wallets.map(({ address }) => address)).size).toBe(3 + 4);
  for (const { address, secretKey } of wallets) {
    expect(Ed25519Keypair.fromSecretKey(secretKey).toSuiAddress()).toBe(address);
    const { balance } = await client.getBalance({ owner: address });
    expect(BigInt(balance.balance)).toBeGreaterThanOrEqual(10n ** 12n);
  }
  const address = parseObjectId("0xa0d1");
  const entry = { address, name: "another", url: "https://audit.example", sinceEpoch: 1 };
  expect(network.addAuditor(entry)).toBe(true);
  expect(network.addAuditor(entry)).toBe(false);
  expect((await readRegistry(client, audit)).auditors).toHaveLength(4);
});
