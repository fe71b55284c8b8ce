/**
 * An auditor over the embedded network, in this process: the ledger's logic on Node's SQLite, speaking real HTTP and
 * gRPC. The platform shell around the same logic is tested in workerd.
 */

import { Auditor } from "../../../auditor/auditor.ts";
import { type AuditChain, readOnlyAuditChain } from "../../../auditor/chain/audit-chain.ts";
import { ClaimChain } from "../../../auditor/claims/claim-chain.ts";
import { answer } from "../../../auditor/face/routes.ts";
import { systemClock } from "../../../host/clock.ts";
import { nodeLedger } from "../../../host/node-sqlite.ts";
import { AUDIT_PROFILES, type AuditParameters } from "../../../shared/audit/parameters.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import type { FailPoint } from "../../../shared/base/fail-point.ts";
import { Gate, INVOCATION_REQUESTS } from "../../../shared/base/gate.ts";
import type { Sql } from "../../../shared/base/sql.ts";
import type { NetworkFile } from "../../../shared/network/network-file.ts";
import { escalationIdsOf } from "../../../shared/sui/audit/escalation.ts";
import { createSuiClient } from "../../../shared/sui/client/sui-client.ts";
import { type ChainReader, suiChainReader } from "../../../shared/sui/walrus/chain-reader.ts";
import { JumpingClock } from "../jumping-clock.ts";

export interface TestAuditor {
  readonly auditor: Auditor;
  readonly sql: Sql;
  readonly chain: ChainReader;
  /**
   * The round under way, else the first that begins from `fromMs` on, until it is closed. A jumping clock is set forward
   * to its beginning; auditors that shall hold the same round are given the same `fromMs`.
   *
   * @param fromMs by default the next beginning
   * @returns its number
   */
  run(fromMs?: number): Promise<number>;
  /** JSON of a route. */
  get<T>(path: string): Promise<T>;
  text(path: string): Promise<string>;
}

export interface TestAuditorOptions {
  readonly network: NetworkFile;
  readonly sql?: Sql;
  readonly parameters?: AuditParameters;
  /** The network's. Default: the system's. */
  readonly clock?: Clock;
  /** Stands between the auditor and the nodes. */
  readonly fetch?: (request: Request) => Promise<Response>;
  readonly failPoint?: FailPoint;
  /** Stands between the auditor and the chain; facts to compare with are better read past it. */
  readonly chain?: (chain: ChainReader) => ChainReader;
  readonly auditChain?: (chain: ChainReader) => AuditChain;
  readonly budgetMs?: number;
}

/** What never closes is an error, and not one of a slow machine. */
const RUN_MS = 300_000;

export function testAuditor(options: TestAuditorOptions): TestAuditor {
  const { network, clock = systemClock, parameters = AUDIT_PROFILES.local, sql = nodeLedger() } = options;
  const client = createSuiClient({ url: network.sui.url, fetch });
  const { chain: wrap = (each: ChainReader) => each } = options;
  const chain = wrap(suiChainReader(client, network.walrus, clock));
  const auditChain = (options.auditChain ?? readOnlyAuditChain)(chain);
  const claimChain =
    network.audit === undefined || auditChain.claims === undefined
      ? undefined
      : new ClaimChain({
          client,
          chain,
          clock,
          parameters,
          contract: network.audit,
          escalationIds: escalationIdsOf(network.walrus, network.audit),
          auditor: auditChain.claims.auditor,
        });
  const auditor = new Auditor({
    sql,
    chain,
    auditChain,
    transport: {
      fetch: options.fetch ?? ((request) => fetch(request)),
      clock,
      randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
      gate: new Gate(INVOCATION_REQUESTS),
    },
    networkKind: "local",
    parameters,
    failPoint: options.failPoint ?? (() => {}),
    log: () => {},
  });
  const ask = (path: string): Promise<Response> =>
    answer(new Request(`http://auditor${path}`), {
      sql,
      rounds: auditor.rounds,
      nodes: auditor.nodes,
      lists: auditor.lists,
      parameters,
      ids: network.walrus,
      nowMs: clock.nowMs(),
      claimChain,
    });
  return {
    auditor,
    sql,
    chain,
    async run(fromMs = auditor.nextBeginMs()) {
      let round = auditor.rounds.active();
      while (round === undefined) {
        if (clock instanceof JumpingClock) clock.jumpTo(fromMs);
        else await clock.sleep(Math.max(5, fromMs - clock.nowMs()));
        round = auditor.open();
      }
      const untilMs = clock.nowMs() + RUN_MS;
      while (clock.nowMs() < untilMs) {
        const budgetMs = options.budgetMs ?? RUN_MS;
        const wakeMs = await auditor.work({ untilMs: clock.nowMs() + budgetMs, requests: 10_000 });
        if (auditor.rounds.active()?.no !== round.no) return round.no;
        await clock.sleep(Math.max(0, (wakeMs ?? 0) - clock.nowMs()));
      }
      throw new Error(`round ${round.no} is still ${auditor.rounds.active()?.state}`);
    },
    async get<T>(path: string): Promise<T> {
      // Tests read what the routes document.
      return (await (await ask(path)).json()) as T;
    },
    text: async (path) => (await ask(path)).text(),
  };
}
