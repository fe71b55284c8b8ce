/**
 * SubscriptionService: what happens from now on, without end. A stream starts after the checkpoint that is the tip when
 * it opens; what came before is listed, not streamed.
 */
import { GrpcTypes } from "@mysten/sui/grpc";
import type { Checkpoint, LedgerEvent } from "../ledger/state.ts";
import type { RpcContext } from "./context.ts";
import { eventPredicate, transactionPredicate } from "./filters.ts";
import { encodeCursor, eventPosition } from "./list-service.ts";
import { applyMask } from "./wire/field-mask.ts";
import { type Methods, streaming } from "./wire/grpc-web.ts";
import { checkpointMessage, ledgerTransactionMessage } from "./wire/proto-effects.ts";
import { eventMessage } from "./wire/proto-objects.ts";

const SERVICE = "sui.rpc.v2.SubscriptionService";
const WHOLE_CHECKPOINT = 0xffff_ffff;

const follow = ({ ledger, closing }: RpcContext, signal: AbortSignal): AsyncGenerator<Checkpoint> =>
  ledger.follow(ledger.reads.height + 1n, AbortSignal.any([signal, closing]));

const eventsOf = ({ sequenceNumber, transaction }: Checkpoint): LedgerEvent[] =>
  (transaction?.events ?? []).map((event, eventIndex) => ({
    ...event,
    checkpoint: sequenceNumber,
    transactionDigest: transaction?.digest ?? "",
    eventIndex,
  }));

const covered = ({ sequenceNumber }: Checkpoint): GrpcTypes.Watermark => ({
  cursor: encodeCursor({ checkpoint: sequenceNumber, index: WHOLE_CHECKPOINT }),
  checkpoint: sequenceNumber,
});

export const subscriptionMethods = (rpc: RpcContext): Methods => ({
  [`${SERVICE}/SubscribeCheckpoints`]: streaming(
    GrpcTypes.SubscribeCheckpointsRequest,
    GrpcTypes.SubscribeCheckpointsResponse,
    async function* (request, signal): AsyncGenerator<GrpcTypes.SubscribeCheckpointsResponse> {
      const holds = transactionPredicate(request.filter);
      for await (const checkpoint of follow(rpc, signal)) {
        const { sequenceNumber: cursor, transaction } = checkpoint;
        const isWanted = request.filter === undefined || (transaction !== null && holds(transaction));
        if (!isWanted) yield { cursor };
        else {
          const fallback = ["sequence_number", "digest"];
          const message = checkpointMessage(checkpoint);
          yield { cursor, checkpoint: applyMask(GrpcTypes.Checkpoint, message, request.readMask, fallback) };
        }
      }
    },
  ),
  [`${SERVICE}/SubscribeTransactions`]: streaming(
    GrpcTypes.SubscribeTransactionsRequest,
    GrpcTypes.SubscribeTransactionsResponse,
    async function* (request, signal): AsyncGenerator<GrpcTypes.SubscribeTransactionsResponse> {
      const matches = transactionPredicate(request.filter);
      for await (const checkpoint of follow(rpc, signal)) {
        const { transaction: found } = checkpoint;
        if (found === null || !matches(found)) yield { watermark: covered(checkpoint) };
        else {
          const message = ledgerTransactionMessage(found);
          const transaction = applyMask(GrpcTypes.ExecutedTransaction, message, request.readMask, ["digest"]);
          yield { transaction, watermark: covered(checkpoint) };
        }
      }
    },
  ),
  [`${SERVICE}/SubscribeEvents`]: streaming(
    GrpcTypes.SubscribeEventsRequest,
    GrpcTypes.SubscribeEventsResponse,
    async function* (request, signal): AsyncGenerator<GrpcTypes.SubscribeEventsResponse> {
      const matches = eventPredicate(request.filter);
      for await (const checkpoint of follow(rpc, signal)) {
        for (const event of eventsOf(checkpoint).filter(matches)) {
          const message = applyMask(GrpcTypes.Event, eventMessage(event), request.readMask);
          yield { event: message, watermark: { cursor: encodeCursor(eventPosition(event)) } };
        }
        yield { watermark: covered(checkpoint) };
      }
    },
  ),
});
