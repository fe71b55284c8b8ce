/**
 * Claims of one panel on the chain as a storage node follows them, and the transaction that answers one.
 *
 * As with the node's own view of the chain, `ListEvents` yields every claim in order and a subscription only rings.
 */

import type { Keypair } from "@mysten/sui/cryptography";
import { GrpcWebFetchTransport, SuiGrpcClient } from "@mysten/sui/grpc";
import type { Refutation } from "../../shared/audit/refutation.ts";
import { type ObjectId, parseObjectId } from "../../shared/protocol/ids.ts";
import type { AuditContracts } from "../../shared/sui/audit/contracts.ts";
import { auditEventFilter, readAuditEventPage } from "../../shared/sui/audit/event-pages.ts";
import { type AuditEventOf, isOfRegistry } from "../../shared/sui/audit/events.ts";
import { readClaims, readRegistry } from "../../shared/sui/audit/reader.ts";
import { refuteTransaction } from "../../shared/sui/audit/transactions.ts";
import { createSuiClient, type Fetch, suiCall } from "../../shared/sui/client/sui-client.ts";

export type FiledClaim = AuditEventOf<"ClaimFiled">;

export interface ClaimPage {
  readonly claims: readonly FiledClaim[];
  /** Where to read on; undefined while there was nothing. */
  readonly cursor: Uint8Array | undefined;
  readonly atTip: boolean;
}

export interface ClaimSource {
  read(after: Uint8Array | undefined, signal: AbortSignal): Promise<ClaimPage>;
  /** Rings when a claim was filed since, with whatever registry of the package; returns or throws when the subscription ends. */
  listen(signal: AbortSignal, ring: () => void): Promise<void>;
  /**
   * Sends a refutation and takes the bond. May be repeated: a claim ends once.
   * @returns "over" when the claim is no longer there or no longer pending
   * @throws SuiError, or Error naming the abort when the contract refuses the proof
   */
  refute(claimId: ObjectId, refutation: Refutation, wallet: Keypair): Promise<"refuted" | "over">;
}

export interface SuiClaimSourceOptions {
  readonly url: string;
  readonly fetch: Fetch;
  readonly packageId: ObjectId;
  readonly registryId: ObjectId;
}

export function createSuiClaimSource(options: SuiClaimSourceOptions): ClaimSource {
  const { url, fetch, registryId } = options;
  const client = createSuiClient({ url, fetch });
  // Without a deadline: a subscription lasts as long as the node does.
  const subscriptions = new SuiGrpcClient({
    network: "floe",
    transport: new GrpcWebFetchTransport({
      baseUrl: url,
      format: "binary",
      // The transport only passes text URLs and plain init objects.
      fetch: fetch as typeof globalThis.fetch,
    }),
  });
  let known: AuditContracts | undefined;

  async function contracts(): Promise<AuditContracts> {
    known ??= (await readRegistry(client, options)).contracts;
    return known;
  }

  return {
    async read(after, signal) {
      const { originalPackageId } = await contracts();
      const page = await readAuditEventPage(client, { originalPackageId, kind: "ClaimFiled", after, signal });
      const claims = page.events.flatMap(({ event }) =>
        event.kind === "ClaimFiled" && isOfRegistry(event, registryId) ? event : [],
      );
      return { claims, cursor: page.cursor, atTip: page.end === "tip" };
    },

    async listen(signal, ring) {
      const filter = auditEventFilter((await contracts()).originalPackageId, "ClaimFiled");
      await suiCall("subscribing to claims", async () => {
        const request = { readMask: { paths: ["event_type"] }, filter };
        const call = subscriptions.subscriptionService.subscribeEvents(request, { abort: signal });
        for await (const frame of call.responses) if (frame.event !== undefined) ring();
      });
    },

    async refute(claimId, refutation, wallet) {
      const [claim] = await readClaims(client, await contracts(), [claimId]);
      if (claim?.state !== "pending") return "over";
      const address = parseObjectId(wallet.toSuiAddress());
      const transaction = refuteTransaction(await contracts(), claim.ref, refutation, address);
      const result = await suiCall(`refuting ${claimId}`, () =>
        client.signAndExecuteTransaction({ transaction, signer: wallet }),
      );
      if (result.FailedTransaction === undefined) return "refuted";
      throw new Error(`refuting ${claimId}: ${result.FailedTransaction.status.error?.message ?? "failed"}`);
    },
  };
}
