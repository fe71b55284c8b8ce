/**
 * What the auditor hands to the accused: what it takes to refute a claim that is pending.
 *
 * Symbols that this auditor came by when it answered a claim are kept in the ledger until the claim has ended, whether
 * or not its own refutation got through. No request to a route makes the auditor ask a node.
 */
import { symbolIdOfChallenge } from "../../shared/audit/selection.ts";
import { toBase64 } from "../../shared/base/bytes.ts";
import type { Sql } from "../../shared/base/sql.ts";
import { NODE_PATHS } from "../../shared/node/storage-node-api.ts";
import type { ObjectId, SliverIndex, SliverPairIndex } from "../../shared/protocol/ids.ts";
import { refuse } from "../../shared/sui/audit/escalation.ts";
import type { ClaimOnChain } from "../../shared/sui/audit/reader.ts";
import { refuteTransaction } from "../../shared/sui/audit/transactions.ts";
import { claimRecord, keptRefutation, refutationJson } from "../ledger/claim-records.ts";
import type { ClaimChain } from "./claim-chain.ts";

/**
 * What it takes to end a pending claim: where the symbol is asked for, what to call, until when; and the arguments and
 * the unsigned transaction when the symbol is in the ledger. The bond goes to the transaction's sender.
 *
 * @throws EscalationError `CLAIM_NOT_FOUND` when it is not, or no more, on chain; `CLAIM_OVER`; SuiError
 */
export async function refutationView(
  { sql, claimChain }: { readonly sql: Sql; readonly claimChain: ClaimChain },
  claimId: ObjectId,
  nowMs: number,
): Promise<unknown> {
  if (claimRecord(sql, claimId) === undefined)
    return refuse("CLAIM_NOT_FOUND", `this auditor has not dealt with claim ${claimId}`);
  const { claim, contracts } = await claimChain.claimWithContracts(claimId);
  if (claim === undefined)
    return refuse(
      "CLAIM_NOT_FOUND",
      `claim ${claimId} is not on chain any more: refuted, withdrawn or purged`,
    );
  if (claim.state !== "pending") refuse("CLAIM_OVER", `claim ${claimId} is ${claim.state}`);
  const refutation = keptRefutation(sql, claimId);
  const isOpen = nowMs <= claim.deadlineMs;
  return {
    claim: openClaim(claim),
    deadlineMs: claim.deadlineMs,
    isOpen,
    ask: askOf(claim),
    call: {
      target: `${contracts.packageId}::audit::refute`,
      registry: contracts.registry.objectId,
      claim: claimId,
      arguments: ["registry", "claim", "symbol", "sliver_path", "other_root", "pair_path", "clock"],
    },
    arguments: refutation === undefined ? null : refutationJson(refutation),
    transactionKind:
      refutation === undefined || !isOpen
        ? null
        : toBase64(
            await refuteTransaction(contracts, claim.ref, refutation, "sender").build({
              onlyTransactionKind: true,
            }),
          ),
  };
}

const openClaim = (claim: ClaimOnChain) => ({
  id: claim.ref.objectId,
  round: claim.round,
  mode: claim.mode,
  shard: claim.shard,
  t: claim.t,
  node: claim.node,
  epoch: claim.epoch,
  accuser: claim.accuser,
  attestors: claim.attestors,
  quorum: claim.quorum,
  blobId: claim.blobId,
  unencodedLength: claim.unencodedLength,
  pair: claim.pair,
  axis: claim.axis,
  symbol: claim.symbol,
  bondMist: claim.bondMist.toString(),
});

/** Requests to the accused node whose answers make the arguments. */
function askOf({ blobId, pair, axis, symbol, nShards }: ClaimOnChain): { symbol: string; metadata: string } {
  // The contract derived both from the draw, below the number of shards.
  const place = { pair: pair as SliverPairIndex, axis, symbol: symbol as SliverIndex };
  const ids = [symbolIdOfChallenge(place, nShards)];
  return {
    symbol: NODE_PATHS.recoverySymbols(blobId, { kind: "ids", ids, proofAxis: axis }),
    metadata: NODE_PATHS.metadata(blobId),
  };
}
