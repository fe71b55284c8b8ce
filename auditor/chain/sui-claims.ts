/** Claims of one registry on Sui, and the auditor's transactions about them. Each call reads the registry anew. */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import type { Transaction } from "@mysten/sui/transactions";
import type { Refutation } from "../../shared/audit/refutation.ts";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import type { AuditContracts } from "../../shared/sui/audit/contracts.ts";
import { readAuditEventPage } from "../../shared/sui/audit/event-pages.ts";
import { isOfRegistry } from "../../shared/sui/audit/events.ts";
import { type ClaimOnChain, readClaims, readRegistry, readRound } from "../../shared/sui/audit/reader.ts";
import {
  attestTransaction,
  bindTransaction,
  type ClaimDraft,
  fileClaimTransaction,
  finalizeTransaction,
  refuteTransaction,
  withdrawTransaction,
} from "../../shared/sui/audit/transactions.ts";
import { presentShared, readObjects } from "../../shared/sui/client/object-reader.ts";
import { SuiError } from "../../shared/sui/client/sui-error.ts";
import type { ClaimsOnChain, FiledClaims } from "./audit-chain.ts";
import type { WriteCall } from "./refusal-log.ts";
import type { TransactionSender } from "./transaction-sender.ts";

export interface AuditContract {
  readonly packageId: ObjectId;
  readonly registryId: ObjectId;
}

/** Package of `floe_audit_walrus` and the Staking object it reads. */
export interface AuditGate {
  readonly packageId: ObjectId;
  readonly stakingObjectId: ObjectId;
}

export class SuiClaims implements ClaimsOnChain {
  readonly auditor: ObjectId;
  readonly #client: SuiGrpcClient;
  readonly #contract: AuditContract;
  readonly #gate: AuditGate | undefined;
  readonly #sender: TransactionSender;

  constructor(
    client: SuiGrpcClient,
    contract: AuditContract,
    gate: AuditGate | undefined,
    sender: TransactionSender,
  ) {
    this.auditor = sender.auditor;
    this.#client = client;
    this.#contract = contract;
    this.#gate = gate;
    this.#sender = sender;
  }

  async filed(after: Uint8Array | undefined): Promise<FiledClaims> {
    const { originalPackageId } = await this.#contracts();
    const request = { originalPackageId, kind: "ClaimFiled" } as const;
    const page = await readAuditEventPage(this.#client, { ...request, after }).catch((error: unknown) => {
      if (!(error instanceof SuiError) || error.code !== "SUI_FORGOTTEN") throw error;
      // No claim for longer than endpoints remember: what they still have comes after it.
      return readAuditEventPage(this.#client, request);
    });
    const ids = page.events.flatMap(({ event }) =>
      event.kind === "ClaimFiled" && isOfRegistry(event, this.#contract.registryId) ? event.claim : [],
    );
    // At the tip the cursor of the last event is safe whatever the endpoint makes of the tip itself.
    const hasMore = page.end === "more";
    return { ids, cursor: hasMore ? page.cursor : page.events.at(-1)?.cursor, hasMore };
  }

  async read(ids: readonly ObjectId[]): Promise<readonly ClaimOnChain[]> {
    const claims = await readClaims(this.#client, await this.#contracts(), ids);
    return claims.filter((claim) => claim !== undefined);
  }

  async file(draft: ClaimDraft): Promise<boolean> {
    const registry = await readRegistry(this.#client, this.#contract);
    // The round's own: the panel's may have changed since it was opened.
    const bondMist = (await readRound(this.#client, registry, draft.round))?.params.bondMist;
    if (bondMist === undefined) return false;
    const transaction = fileClaimTransaction(registry.contracts, { ...draft, bondMist });
    return this.#sender.isSent("file_claim", transaction);
  }

  attest(claim: ClaimOnChain): Promise<boolean> {
    return this.#send("attest", (contracts) => attestTransaction(contracts, claim.ref));
  }

  async bind(claim: ClaimOnChain): Promise<boolean> {
    if (this.#gate === undefined) return false;
    const { packageId, stakingObjectId: objectId } = this.#gate;
    const [object] = await readObjects(this.#client, [objectId]);
    const { initialSharedVersion } = presentShared(object, "Walrus Staking", objectId);
    const staking = { objectId, initialSharedVersion };
    return this.#send("bind", (contracts) => bindTransaction(contracts, packageId, claim.ref, staking));
  }

  refute(claim: ClaimOnChain, refutation: Refutation): Promise<boolean> {
    return this.#send("refute", (contracts) =>
      refuteTransaction(contracts, claim.ref, refutation, this.auditor),
    );
  }

  finalize(claim: ClaimOnChain): Promise<boolean> {
    return this.#send("finalize", (contracts) => finalizeTransaction(contracts, claim.ref));
  }

  withdraw(claim: ClaimOnChain): Promise<boolean> {
    return this.#send("withdraw", (contracts) => withdrawTransaction(contracts, claim.ref, this.auditor));
  }

  async #send(call: WriteCall, build: (contracts: AuditContracts) => Transaction): Promise<boolean> {
    return this.#sender.isSent(call, build(await this.#contracts()));
  }

  async #contracts(): Promise<AuditContracts> {
    return (await readRegistry(this.#client, this.#contract)).contracts;
  }
}
