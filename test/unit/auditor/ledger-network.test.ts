// If this fails, a ledger of one network is gone on with on another, and its populations are lists of neither.
import { expect, it } from "vitest";
import { Auditor } from "../../../auditor/auditor.ts";
import type { AuditChain } from "../../../auditor/chain/audit-chain.ts";
import { LedgerNetworkError } from "../../../auditor/chain/ledger-network.ts";
import { answer } from "../../../auditor/face/routes.ts";
import { readMeta } from "../../../auditor/ledger/meta.ts";
import { nodeLedger } from "../../../host/node-sqlite.ts";
import { AUDIT_PROFILES } from "../../../shared/audit/parameters.ts";
import { Gate, INVOCATION_REQUESTS } from "../../../shared/base/gate.ts";
import { parseObjectId } from "../../../shared/protocol/ids.ts";
import { SuiError } from "../../../shared/sui/client/sui-error.ts";
import type { ChainReader } from "../../../shared/sui/walrus/chain-reader.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const SYSTEM = parseObjectId(`0x${"1".repeat(64)}`);
const OTHER_SYSTEM = parseObjectId(`0x${"2".repeat(64)}`);
const BUDGET = { untilMs: Number.POSITIVE_INFINITY, requests: 1 };

interface FakeChain {
  readonly system?: typeof SYSTEM;
  readonly id?: string;
  /** First byte of the digest of checkpoint 0; 0 = the endpoint has forgotten it. */
  readonly genesis?: number;
  readonly isSilent?: boolean;
}

const sql = nodeLedger();
/** Another program on the same ledger, with no round to hold. */
function auditorOn({ system = SYSTEM, id = "chain-a", genesis = 7, isSilent = false }: FakeChain) {
  const said: string[] = [];
  // No round opens, so nothing else is read.
  const chain = {
    systemObjectId: system,
    chainId: () =>
      isSilent
        ? Promise.reject(new SuiError("SUI_UNREACHABLE", "nobody answers", { retryable: true }))
        : Promise.resolve(id),
    firstAvailable: async () => (genesis === 0 ? 100 : 0),
    checkpoint: async (sequence: number) => ({
      sequence,
      digest: new Uint8Array(32).fill(genesis),
      timestampMs: 0,
    }),
  } as unknown as ChainReader;
  const auditor = new Auditor({
    sql,
    chain,
    auditChain: { writes: false } as AuditChain,
    transport: {
      fetch: () => Promise.reject(new Error("nobody")),
      clock: new VirtualClock(),
      randomBytes: () => new Uint8Array(),
      gate: new Gate(INVOCATION_REQUESTS),
    },
    networkKind: "public",
    parameters: AUDIT_PROFILES.public,
    failPoint: () => {},
    log: (event) => said.push(event),
  });
  return { auditor, said, work: () => auditor.work(BUDGET) };
}

it("refuses a ledger of another Walrus, another chain, or the same one begun anew, and changes nothing in it", async () => {
  // Nobody can tell yet: nothing is noted, and it is asked again.
  const silent = auditorOn({ isSilent: true });
  expect(await silent.work()).toBeGreaterThan(0);
  expect(silent.said).toEqual(["chain-unavailable"]);
  expect(readMeta(sql, "chain_id")).toBeUndefined();

  await auditorOn({}).work();
  const noted = sql.exec("SELECT * FROM meta");
  await auditorOn({ genesis: 0 }).work();
  for (const [other, what] of [
    [{ system: OTHER_SYSTEM }, "System object"],
    [{ id: "chain-b" }, "chain"],
    [{ genesis: 8 }, "first checkpoint"],
  ] as const) {
    const { work, said } = auditorOn(other);
    const error = await work().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(LedgerNetworkError);
    expect(error).toMatchObject({ code: "LEDGER_OF_ANOTHER_NETWORK", retryable: false, details: { what } });
    expect(said).toEqual(["wrong-ledger"]);
  }
  expect(sql.exec("SELECT * FROM meta")).toEqual(noted);
  await auditorOn({}).work();
});

it("opens no round and shows nothing once the System object is another one", async () => {
  await auditorOn({}).work();
  const { auditor } = auditorOn({ system: OTHER_SYSTEM });
  expect(() => auditor.open()).toThrow(LedgerNetworkError);
  expect(sql.exec("SELECT * FROM round")).toEqual([]);
  const { rounds, nodes, lists } = auditor;
  const ids = { systemObjectId: OTHER_SYSTEM, stakingObjectId: SYSTEM };
  const parts = { sql, rounds, nodes, lists, parameters: AUDIT_PROFILES.public, ids, nowMs: 0 };
  for (const path of ["/audit", "/v1/audit/nodes", "/metrics"]) {
    const response = await answer(new Request(`http://auditor${path}`), parts);
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({ error: { code: "LEDGER_OF_ANOTHER_NETWORK" } });
  }
  const own = await answer(new Request("http://auditor/audit"), {
    ...parts,
    ids: { ...ids, systemObjectId: SYSTEM },
  });
  expect(own.status).toBe(200);
});
