// If this fails, an auditor that cannot pay for gas stands still, and nobody learns why.
import { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readOnlyAuditChain } from "../../../auditor/chain/audit-chain.ts";
import { SuiAuditChain } from "../../../auditor/chain/sui-audit-chain.ts";
import { type Network, startNetwork } from "../../../localnet/network.ts";
import type { Log } from "../../../shared/base/log.ts";
import { parseObjectId } from "../../../shared/protocol/ids.ts";
import { createSuiClient } from "../../../shared/sui/client/sui-client.ts";
import { type TestAuditor, testAuditor } from "../../support/audit/system.ts";
import { JumpingClock, LONG_SLOTS, PATIENT } from "../../support/jumping-clock.ts";

const clock = new JumpingClock();
/** Of nobody on the panel, and without any coin. */
const key = new Ed25519Keypair();
const address = parseObjectId(key.toSuiAddress());
const lines: { event: string; fields: Parameters<Log>[1] }[] = [];

let network: Network;
let auditor: TestAuditor;
beforeAll(async () => {
  network = await startNetwork({ seed: "refusals", nodes: 4, clock, auditParams: LONG_SLOTS });
  const { audit, sui } = network.file;
  if (audit === undefined) throw new Error("the network has a panel");
  auditor = testAuditor({
    network: network.file,
    clock,
    parameters: PATIENT,
    auditChain: (chain) =>
      new SuiAuditChain({
        client: createSuiClient({ url: sui.url, fetch }),
        contract: audit,
        secretKey: key.getSecretKey(),
        clock,
        log: (event, fields) => lines.push({ event, fields }),
        fallback: readOnlyAuditChain(chain),
        periodMs: PATIENT.roundPeriodMs,
      }),
  });
});
afterAll(() => network.close());
beforeEach(() => {
  lines.length = 0;
});

/** Tries once to draw the seed of a round. @returns the round's state */
async function tryToOpen(): Promise<string | undefined> {
  clock.jumpTo(auditor.auditor.nextBeginMs());
  auditor.auditor.open();
  await auditor.auditor.work({ untilMs: clock.nowMs(), requests: 10 });
  return auditor.auditor.rounds.active()?.state;
}

describe("an auditor", () => {
  it("without SUI says that it cannot pay for a round, what it has, and no secret", async () => {
    expect(await tryToOpen()).toBe("opening");
    expect(lines).toEqual([
      {
        event: "transaction-refused",
        fields: {
          call: "open_round",
          reason: "SUI_REJECTED",
          message: expect.stringContaining("gas"),
          balanceMist: "0",
        },
      },
    ]);
    const said = JSON.stringify(lines);
    expect(said).not.toContain(key.getSecretKey());
    expect(said).not.toContain(address);
  });

  it("says so once while it lasts", async () => {
    await auditor.auditor.work({ untilMs: clock.nowMs(), requests: 10 });
    expect(lines).toEqual([]);
  });

  it("says by name what the contract holds against it", async () => {
    await network.faucet(address, { suiMist: 10_000_000_000n });
    await auditor.run();
    expect(lines).toEqual([
      {
        event: "transaction-refused",
        fields: { call: "report", reason: "audit::ENotAuditor", abortCode: 10 },
      },
    ]);
  });
});
