// If this fails, nobody can say who audits, or an auditor that was let in cannot work.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import { MultiSigPublicKey } from "@mysten/sui/multisig";
import { Transaction } from "@mysten/sui/transactions";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { readOnlyAuditChain } from "../../auditor/chain/audit-chain.ts";
import { SuiAuditChain } from "../../auditor/chain/sui-audit-chain.ts";
import { ownedAdminCap } from "../../cli/audit/admin-cap.ts";
import { audit } from "../../cli/audit/audit.ts";
import { setPaused } from "../../cli/audit/panel/changes.ts";
import { carryOut, type PanelAccess } from "../../cli/audit/panel/send.ts";
import { systemClock } from "../../host/clock.ts";
import { ROOT } from "../../host/project-root.ts";
import { UsageError } from "../../host/usage-error.ts";
import { type Network, startNetwork } from "../../localnet/network.ts";
import { AUDIT_PROFILES } from "../../shared/audit/parameters.ts";
import { fromBase64 } from "../../shared/base/bytes.ts";
import { FloeError } from "../../shared/base/errors.ts";
import { type ObjectId, parseObjectId } from "../../shared/protocol/ids.ts";
import { type RegistryState, readRegistry, readReport, readRound } from "../../shared/sui/audit/reader.ts";
import { openRoundTransaction } from "../../shared/sui/audit/transactions.ts";
import { createSuiClient } from "../../shared/sui/client/sui-client.ts";
import { SuiError } from "../../shared/sui/client/sui-error.ts";
import { toSdkRef } from "../../shared/sui/wallet/blob-transactions.ts";
import { buildChecked, sendOnce } from "../../shared/sui/wallet/send-once.ts";
import { createWalletChain } from "../../shared/sui/wallet/wallet-chain.ts";
import { type TestAuditor, testAuditor } from "../support/audit/system.ts";
import { runScript } from "../support/run-script.ts";

const scratch = mkdtempSync(join(tmpdir(), "floe-panel-"));
const path = (name: string): string => join(scratch, name);
const FUNDS = { suiMist: 10_000_000_000n };
let network: Network;

beforeAll(async () => {
  network = await startNetwork({ seed: "audit-panel", nodes: 4, shards: 13, auditors: 0 });
  writeFileSync(path("network.json"), JSON.stringify(network.file));
});
afterAll(async () => {
  await network.close();
  rmSync(scratch, { recursive: true, force: true });
});

const client = () => createSuiClient({ url: network.file.sui.url, fetch });
const wallet = (): Ed25519Keypair => Ed25519Keypair.fromSecretKey(network.file.wallet?.secretKey ?? "");
const addressOf = (key: Ed25519Keypair): ObjectId => parseObjectId(key.toSuiAddress());
const [first, second, third] = [1, 2, 3].map((seed) =>
  Ed25519Keypair.fromSecretKey(new Uint8Array(32).fill(seed)),
) as [Ed25519Keypair, Ed25519Keypair, Ed25519Keypair];
function contract() {
  const { audit: found } = network.file;
  if (found === undefined) throw new Error("the network has a registry");
  return found;
}
const registry = (): Promise<RegistryState> => readRegistry(client(), contract());

interface Said {
  /** 2: wrong usage. */
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The command in this process, as `floe` runs it. */
async function command(args: string[]): Promise<Said> {
  const [out, err]: [string[], string[]] = [[], []];
  const spies = [
    vi.spyOn(console, "log").mockImplementation((line: string) => void out.push(line)),
    vi.spyOn(console, "error").mockImplementation((line: string) => void err.push(line)),
  ];
  const said = (code: number): Said => ({ code, out: out.join("\n"), err: err.join("\n") });
  try {
    return said(await audit.run(args));
  } catch (error) {
    if (error instanceof UsageError) err.push(error.message);
    else if (error instanceof FloeError) err.push(`${error.message} [${error.code}]`);
    else throw error;
    return said(error instanceof UsageError ? 2 : 1);
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
const panel = (...args: string[]): Promise<Said> =>
  command(["panel", ...args, "--network", path("network.json")]);

/** Version of the registry on chain: a command that did nothing leaves it. */
async function version(): Promise<bigint> {
  const { objects } = await client().getObjects({ objectIds: [contract().registryId] });
  const [object] = objects;
  if (object === undefined || object instanceof Error) throw new Error("the registry is an object");
  return BigInt(object.version);
}

function auditorWith(key: Ed25519Keypair): TestAuditor {
  return testAuditor({
    network: network.file,
    auditChain: (chain) =>
      new SuiAuditChain({
        client: client(),
        contract: contract(),
        secretKey: key.getSecretKey(),
        clock: systemClock,
        fallback: readOnlyAuditChain(chain),
        log: () => {},
        periodMs: AUDIT_PROFILES.local.roundPeriodMs,
      }),
  });
}

describe("floe audit panel", () => {
  it("shows an empty panel, who may change it, and that nothing can be confirmed", async () => {
    const { code, out } = await panel("show");
    expect(code).toBe(0);
    expect(out).toContain(`with ${addressOf(wallet())}`);
    expect(out).toContain("auditors  0, 0 active, quorum 2");
    expect(out).toContain("no claim can be confirmed: 0 active auditors, quorum 2");
  });

  it("adds auditors in one transaction, as a process of its own", async () => {
    const before = await version();
    const { code, output } = await runScript("cli/main.ts", [
      ...["audit", "panel", "add", "--network", path("network.json")],
      ...["--auditor", addressOf(first), "--name", "one", "--url", "https://one.example"],
      ...["--auditor", addressOf(second), "--name", "two", "--url", "https://two.example"],
    ]);
    expect(output).toContain(`adds ${addressOf(second)} (two)`);
    expect(output).not.toContain("no claim can be confirmed");
    expect(code).toBe(0);
    expect((await registry()).auditors).toMatchObject([
      { address: addressOf(first), name: "one", url: "https://one.example", sinceEpoch: 1, isActive: true },
      { address: addressOf(second), name: "two", isActive: true },
    ]);
    expect(await version()).toBeGreaterThan(before);
  }, 30_000);

  it("says that an auditor is there already, does nothing, and is content", async () => {
    const before = await version();
    const again = await panel(
      "add",
      "--auditor",
      addressOf(first),
      "--name",
      "one",
      "--url",
      "https://one.example",
    );
    expect(again).toMatchObject({ code: 0, out: "", err: expect.stringContaining("on the panel already") });
    const bare = await panel("add", "--auditor", addressOf(second));
    expect(bare).toMatchObject({ code: 0, out: "", err: expect.stringContaining("(two) is on the panel") });
    expect(await version()).toBe(before);
  });

  it("adds only who is missing, under a name of its own", async () => {
    const { err } = await panel("add", "--auditor", addressOf(first), "--auditor", addressOf(third));
    expect(err).toContain(`adds ${addressOf(third)} (${addressOf(third).slice(0, 10)})`);
    expect(err).toContain(`${addressOf(first)} (one) is on the panel already`);
    expect((await registry()).auditors).toHaveLength(3);
  });

  it("lets in an auditor that really reports rounds on chain", async () => {
    await network.faucet(addressOf(first), FUNDS);
    const auditor = auditorWith(first);
    const reported = async (no: number) => {
      const round = await readRound(client(), await registry(), no);
      return round && readReport(client(), round, addressOf(first));
    };
    // A round whose slot went by before this machine came to it has no report on chain; the next one has.
    let report = await reported(await auditor.run());
    for (let more = 0; more < 10 && report === undefined; more++)
      report = await reported(await auditor.run());
    expect(report).toMatchObject({ auditor: addressOf(first), epoch: 1 });
  }, 60_000);

  it("shows as JSON what the chain says", async () => {
    const { out } = await panel("show", "--json");
    expect(JSON.parse(out)).toMatchObject({
      registryId: contract().registryId,
      isPaused: false,
      adminCap: { owner: addressOf(wallet()) },
      params: { quorum: 2, bondMist: "1000000000", nShards: 13 },
      auditors: [{ name: "one", claimsOpen: 0, bondsMist: "0" }, { name: "two" }, { isActive: true }],
    });
  });

  it("deactivates an auditor once, and takes it back with its record", async () => {
    const args = ["deactivate", "--auditor", addressOf(third)];
    expect(await panel(...args)).toMatchObject({ code: 0, out: expect.stringMatching(/^\w{40,}$/) });
    expect((await registry()).auditors[2]).toMatchObject({ isActive: false });
    expect(await panel(...args)).toMatchObject({ code: 0, out: "", err: expect.stringContaining("already") });
    const back = await panel("add", "--auditor", addressOf(third), "--name", "three");
    expect(back.err).toContain("(three) back, with its record: 0 claims filed, 0 refuted");
    expect((await registry()).auditors).toMatchObject([{}, {}, { name: "three", isActive: true }]);
  });

  it("stops rounds and lets them go on", async () => {
    const { params, contracts } = await registry();
    const owner = addressOf(second);
    await network.faucet(owner, FUNDS);
    const chain = createWalletChain(client(), [client()]);
    const open = () =>
      buildChecked(chain, openRoundTransaction(contracts, Math.floor(Date.now() / params.periodMs)), owner);
    expect(await panel("pause")).toMatchObject({ code: 0 });
    await expect(open()).rejects.toThrow("audit::EPaused");
    expect((await panel("show")).out).toContain("PAUSED");
    expect((await panel("pause")).err).toContain("the panel is paused already");
    expect(await panel("resume")).toMatchObject({ code: 0, err: expect.stringContaining("go on") });
    expect((await registry()).isPaused).toBe(false);
  });

  it("sets parameters by name and by file, and leaves all others", async () => {
    const before = (await registry()).params;
    expect(await panel("set-params", "quorum=3", "bondMist=5")).toMatchObject({
      code: 0,
      err: expect.stringContaining("quorum: 2 becomes 3"),
    });
    expect((await registry()).params).toEqual({ ...before, quorum: 3, bondMist: 5n });
    const { params } = JSON.parse((await panel("show", "--json")).out) as { params: object };
    writeFileSync(path("params.json"), JSON.stringify({ ...params, quorum: 2, bondMist: "1000000000" }));
    expect((await panel("set-params", path("params.json"))).code).toBe(0);
    expect((await registry()).params).toEqual(before);
    const again = await panel("set-params", path("params.json"));
    expect(again).toMatchObject({ code: 0, out: "", err: expect.stringContaining("quorum is 2 already") });
    const warned = await panel("set-params", "quorum=4");
    expect(warned.err).toContain("no claim can be confirmed: 3 active auditors, quorum 4");
    await panel("set-params", "quorum=2");
  });
});

describe("floe audit panel refuses, with the numbers and a way out,", () => {
  it.each<[string, number, string[], RegExp]>([
    ["no action", 2, [], /panel show, add, deactivate/],
    ["an unknown action", 2, ["remove"], /not remove/],
    ["nobody to add", 2, ["add"], /needs --auditor/],
    [
      "fewer names than auditors",
      2,
      ["add", "--auditor", "0x1", "--auditor", "0x2", "--name", "a"],
      /1 --name for 2/,
    ],
    ["the same auditor twice", 2, ["add", "--auditor", "0x1", "--auditor", "0x01"], /given twice/],
    ["a name where none belongs", 2, ["deactivate", "--auditor", "0x1", "--name", "a"], /takes no --name/],
    ["a key for looking", 2, ["show", "--key-file", "x"], /takes no --key-file/],
    ["no address", 1, ["add", "--auditor", "one"], /INVALID_OBJECT_ID/],
    ["a name too long", 1, ["add", "--auditor", "0x1", "--name", "x".repeat(65)], /65 bytes of at most 64/],
    ["whom nobody knows", 1, ["deactivate", "--auditor", "0x1"], /none of the panel's 3 auditors.*show/],
    ["no parameter", 2, ["set-params"], /needs a file/],
    ["an unknown parameter", 2, ["set-params", "bond=1"], /there are quorum/],
    ["half a number", 2, ["set-params", "quorum=1.5"], /whole number from 1 to 255/],
    ["a number too large", 2, ["set-params", "maxOpenPerNode=256"], /0 to 255/],
    ["a parameter twice", 2, ["set-params", "quorum=1", "quorum=2"], /given twice/],
    ["another period", 1, ["set-params", "periodMs=1"], /periodMs stays \d+.*new registry/],
    ["rounds that end before their claims", 1, ["set-params", "retentionRounds=1"], /takes \d+ rounds/],
    ["another Walrus", 1, ["set-params", "nShards=1000"], /not that of this Walrus, 13/],
    ["both ways of not sending", 2, ["pause", "--unsigned", "--dry-run"], /exclude each other/],
    ["a sender that is not the key's", 2, ["pause", "--sender", "0x1"], /not of --sender/],
  ])("%s", async (_what, code, args, message) => {
    const before = await version();
    const said = await panel(...args);
    expect(said.err).toMatch(message);
    expect(said.code).toBe(code);
    expect(await version()).toBe(before);
  });

  it("another name for an auditor that is there", async () => {
    const said = await panel("add", "--auditor", addressOf(first), "--name", "uno");
    expect(said).toMatchObject({
      code: 1,
      err: expect.stringMatching(/is on the panel as "one".*AUDITOR_DIFFERS/),
    });
  });

  it("more auditors than the contract takes", async () => {
    const many = Array.from({ length: 62 }, (_, i) => ["--auditor", `0x${(i + 100).toString(16)}`]).flat();
    const said = await panel("add", ...many);
    expect(said).toMatchObject({ code: 1, err: expect.stringMatching(/3 of 64 .* 62 more .*PANEL_FULL/) });
  });

  it("a network file without a panel", async () => {
    const { audit: _, ...rest } = network.file;
    writeFileSync(path("bare.json"), JSON.stringify(rest));
    const said = await command(["panel", "show", "--network", path("bare.json")]);
    expect(said).toMatchObject({ code: 2, err: expect.stringContaining("lacks audit") });
  });

  it("a key on a public network that nobody gave", async () => {
    const { sui, walrus, audit: ids } = network.file;
    const place = ["--sui", sui.url, "--system", walrus.systemObjectId, "--staking", walrus.stakingObjectId];
    const said = await command([
      ...["panel", "pause", ...place],
      ...["--package", ids?.packageId ?? "", "--registry", ids?.registryId ?? ""],
    ]);
    expect(said).toMatchObject({
      code: 2,
      err: expect.stringMatching(/--key-file or FLOE_SECRET_KEY.*--unsigned/),
    });
  });
});

describe("floe audit panel, when the outcome is not known,", () => {
  it("takes a reply that was lost for what it was", async () => {
    network.setSuiFault({ kind: "lose-reply", count: 1 });
    expect(await panel("pause")).toMatchObject({ code: 0, out: expect.stringMatching(/^\w{40,}$/) });
    await panel("resume");
  });

  /** The reply is lost for good; whether the transaction ran is the test's choice. */
  function withoutReplies(runs: boolean): PanelAccess {
    const chain = createWalletChain(client(), [client()]);
    return {
      client: client(),
      wallet: {
        ...chain,
        execute: async (...args) => {
          if (runs) await chain.execute(...args);
          throw new SuiError("SUI_OUTCOME_UNKNOWN", "the connection broke", { retryable: true });
        },
        lookUp: async () => undefined,
      },
      clock: { nowMs: () => Date.now(), sleep: async () => {} },
      readRegistry: registry,
      sender: addressOf(wallet()),
    };
  }
  const quietly = async <T>(run: () => Promise<T>): Promise<T> => {
    const spy = vi.spyOn(console, "error").mockImplementation(() => {});
    try {
      return await run();
    } finally {
      spy.mockRestore();
    }
  };

  it("reads the panel again and finds that it stands", async () => {
    const done = quietly(() =>
      carryOut(withoutReplies(true), setPaused(true), { kind: "send", key: wallet() }),
    );
    expect(await done).toBeUndefined();
    expect((await registry()).isPaused).toBe(true);
    await panel("resume");
  });

  it("reads the panel again and says that nobody knows", async () => {
    const failed = quietly(() =>
      carryOut(withoutReplies(false), setPaused(true), { kind: "send", key: wallet() }),
    );
    await expect(failed).rejects.toMatchObject({ code: "SUI_OUTCOME_UNKNOWN" });
    expect((await registry()).isPaused).toBe(false);
  });
});

describe("floe audit panel as documented", () => {
  it("works line by line", async () => {
    const { sui, walrus } = network.file;
    writeFileSync(path("admin.key"), network.file.wallet?.secretKey ?? "");
    const values: Record<string, string> = {
      "--network": path("network.json"),
      "--auditor": `0x${"a".repeat(64)}`,
      "--name": "documented",
      "--url": "https://documented.example",
      "--sui": sui.url,
      "--system": walrus.systemObjectId,
      "--staking": walrus.stakingObjectId,
      "--package": contract().packageId,
      "--registry": contract().registryId,
      "--key-file": path("admin.key"),
    };
    const text = readFileSync(join(ROOT, "docs/audit.md"), "utf8");
    const lines = [...text.matchAll(/^npm run floe -- audit (panel .*)$/gm)].map(([, line = ""]) => line);
    expect(lines).toHaveLength(8);
    for (const line of lines) {
      const words = line.split(" ");
      const said = await command(words.map((word, i) => values[words[i - 1] ?? ""] ?? word));
      expect(said, `${line}: ${said.err}`).toMatchObject({ code: 0 });
    }
    expect((await registry()).auditors.at(-1)).toMatchObject({ name: "documented", isActive: true });
  });
});

describe("floe audit panel for a wallet elsewhere", () => {
  const keys = [first, second, third] as const;
  const multisig = MultiSigPublicKey.fromPublicKeys({
    threshold: 2,
    publicKeys: keys.map((key) => ({ publicKey: key.getPublicKey(), weight: 1 })),
  });
  const address = parseObjectId(multisig.toSuiAddress());

  it("simulates, and sends nothing", async () => {
    const before = await version();
    const said = await panel("pause", "--dry-run");
    expect(said).toMatchObject({
      code: 0,
      out: "",
      err: expect.stringMatching(/at most \d+ MIST.*nothing was sent/),
    });
    expect(await version()).toBe(before);
  });

  it("prints for a multisig, found by the cap it holds, what runs once two of three have signed", async () => {
    const chain = createWalletChain(client(), [client()]);
    const { contracts } = await registry();
    const cap = await ownedAdminCap(client(), addressOf(wallet()), contracts.originalPackageId);
    if (cap === undefined) throw new Error("the wallet holds the AdminCap");
    const handOver = new Transaction();
    handOver.transferObjects([handOver.objectRef(toSdkRef(cap))], address);
    await sendOnce(chain, systemClock, await buildChecked(chain, handOver, addressOf(wallet())), wallet());
    await network.faucet(address, FUNDS);
    const refused = await panel("pause");
    expect(refused).toMatchObject({
      code: 1,
      err: expect.stringContaining(
        `${address} does: give its key, or have it sign what --sender ${address} --unsigned`,
      ),
    });
    expect((await panel("show")).out).toContain(`with ${address}`);
    const { code, out } = await panel("pause", "--unsigned");
    expect(code).toBe(0);
    expect((await registry()).isPaused).toBe(false);
    const bytes = fromBase64(out);
    const signed = await Promise.all([first, third].map((key) => key.signTransaction(bytes)));
    const signature = multisig.combinePartialSignatures(signed.map((each) => each.signature));
    await client().executeTransaction({ transaction: bytes, signatures: [signature] });
    expect((await registry()).isPaused).toBe(true);
    expect(await panel("pause", "--unsigned")).toMatchObject({ code: 0, out: "" });
    const named = await panel("resume", "--unsigned", "--sender", address);
    expect(fromBase64(named.out).length).toBeGreaterThan(100);
  });
});
