/** What the routes about claims read from the chain, at most once in a while however often they are asked. */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import type { AuditParameters } from "../../shared/audit/parameters.ts";
import type { Clock } from "../../shared/base/clock.ts";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import type { AuditContracts } from "../../shared/sui/audit/contracts.ts";
import { type Escalation, type EscalationIds, readEscalation } from "../../shared/sui/audit/escalation.ts";
import { type ClaimOnChain, readClaims, readRegistry } from "../../shared/sui/audit/reader.ts";
import type { ChainReader } from "../../shared/sui/walrus/chain-reader.ts";

export interface ClaimChainParts {
  readonly client: SuiGrpcClient;
  readonly chain: ChainReader;
  readonly clock: Clock;
  readonly parameters: AuditParameters;
  readonly contract: { readonly packageId: ObjectId; readonly registryId: ObjectId };
  /** undefined unless gate and slashing manager are configured. */
  readonly escalationIds: EscalationIds | undefined;
  /** Whose ledger it is. */
  readonly auditor: ObjectId;
}

/** A claim together with what a transaction about it has to name. */
export interface ClaimWithContracts {
  readonly claim: ClaimOnChain | undefined;
  readonly contracts: AuditContracts;
}

/** As old as an answer may be. */
const KEPT_MS = 5_000;
const KEPT_ANSWERS = 64;

export class ClaimChain {
  readonly auditor: ObjectId;
  readonly escalationIds: EscalationIds | undefined;
  readonly #parts: ClaimChainParts;
  readonly #answers = new Map<string, { readonly untilMs: number; readonly answer: Promise<unknown> }>();

  constructor(parts: ClaimChainParts) {
    this.#parts = parts;
    this.auditor = parts.auditor;
    this.escalationIds = parts.escalationIds;
  }

  /** @throws SuiError */
  claims(ids: readonly ObjectId[]): Promise<readonly (ClaimOnChain | undefined)[]> {
    const { client, contract } = this.#parts;
    return this.#once(`claims ${ids.join(" ")}`, async () => {
      const { contracts } = await readRegistry(client, contract);
      return readClaims(client, contracts, ids);
    });
  }

  /** @throws SuiError */
  claimWithContracts(id: ObjectId): Promise<ClaimWithContracts> {
    const { client, contract } = this.#parts;
    return this.#once(`claim ${id}`, async () => {
      const { contracts } = await readRegistry(client, contract);
      const [claim] = await readClaims(client, contracts, [id]);
      return { claim, contracts };
    });
  }

  /** @throws EscalationError, SuiError */
  escalation(ids: EscalationIds, claimIds: readonly ObjectId[]): Promise<Escalation> {
    const { client, chain, clock, parameters } = this.#parts;
    return this.#once(`escalation ${claimIds.join(" ")}`, async () => {
      const snapshot = await chain.snapshot(clock.nowMs() - KEPT_MS);
      return readEscalation(client, ids, snapshot, parameters, claimIds);
    });
  }

  #once<T>(key: string, read: () => Promise<T>): Promise<T> {
    const nowMs = this.#parts.clock.nowMs();
    for (const [each, { untilMs }] of this.#answers)
      if (untilMs <= nowMs || this.#answers.size > KEPT_ANSWERS) this.#answers.delete(each);
    const known = this.#answers.get(key);
    // Whatever stands under a key was read by this key's own function.
    if (known !== undefined) return known.answer as Promise<T>;
    const answer = read();
    this.#answers.set(key, { untilMs: nowMs + KEPT_MS, answer });
    // Not kept when it failed: the next caller may ask again. The callers that wait for it see the error.
    answer.catch(() => this.#answers.delete(key));
    return answer;
  }
}
