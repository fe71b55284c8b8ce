/** Deletes on Sui what one registry keeps no longer. What is gone already counts as deleted. */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import { hasPopulations, readClaims, readRegistry, readRound } from "../../shared/sui/audit/reader.ts";
import {
  prunePopulationTransaction,
  pruneRoundTransaction,
  purgeClaimTransaction,
} from "../../shared/sui/audit/transactions.ts";
import type { PruningOnChain } from "./audit-chain.ts";
import type { AuditContract } from "./sui-claims.ts";
import type { TransactionSender } from "./transaction-sender.ts";

export class SuiPruning implements PruningOnChain {
  readonly #client: SuiGrpcClient;
  readonly #contract: AuditContract;
  readonly #sender: TransactionSender;

  constructor(client: SuiGrpcClient, contract: AuditContract, sender: TransactionSender) {
    this.#client = client;
    this.#contract = contract;
    this.#sender = sender;
  }

  async lastPastRound(nowMs: number): Promise<number> {
    const { params } = await readRegistry(this.#client, this.#contract);
    return Math.floor(nowMs / params.periodMs) - params.retentionRounds - 1;
  }

  async purgeClaim(id: ObjectId): Promise<boolean> {
    const { contracts } = await readRegistry(this.#client, this.#contract);
    const [claim] = await readClaims(this.#client, contracts, [id]);
    if (claim === undefined) return true;
    return this.#sender.isSent("purge_claim", purgeClaimTransaction(contracts, claim.ref));
  }

  async pruneRound(no: number): Promise<boolean> {
    const registry = await readRegistry(this.#client, this.#contract);
    if ((await readRound(this.#client, registry, no)) === undefined) return true;
    return this.#sender.isSent("prune_round", pruneRoundTransaction(registry.contracts, no));
  }

  async prunePopulation(epoch: number): Promise<boolean> {
    const registry = await readRegistry(this.#client, this.#contract);
    if (!(await hasPopulations(this.#client, registry, epoch))) return true;
    return this.#sender.isSent("prune_population", prunePopulationTransaction(registry.contracts, epoch));
  }
}
