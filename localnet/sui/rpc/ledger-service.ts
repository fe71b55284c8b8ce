/** LedgerService: objects, transactions, checkpoints, epochs by ID or number. Lists are in `list-service.ts`. */
import { GrpcTypes } from "@mysten/sui/grpc";
import { GRPC_CODES, GrpcError, notFound } from "../base/grpc-error.ts";
import type { Checkpoint } from "../ledger/state.ts";
import { REFERENCE_GAS_PRICE } from "../vm/gas.ts";
import { checkBatch, type RpcContext, required, requiredId } from "./context.ts";
import { applyMask, type FieldMask } from "./wire/field-mask.ts";
import { type Methods, unary } from "./wire/grpc-web.ts";
import { checkpointMessage, ledgerTransactionMessage } from "./wire/proto-effects.ts";
import { objectMessage, timestamp } from "./wire/proto-objects.ts";

const SERVICE = "sui.rpc.v2.LedgerService";
const MAX_OBJECTS = 50;
const MAX_TRANSACTIONS = 50;
const PROTOCOL_VERSION = 138n;
const SYSTEM_STATE_VERSION = 2n;

function getObject(
  { ledger }: RpcContext,
  request: { objectId?: string; version?: bigint },
  mask: FieldMask | undefined,
) {
  const id = requiredId(request.objectId, "object_id");
  const { version } = request;
  const newest = ledger.reads.object(id);
  const object =
    version === undefined || version === newest?.version ? newest : ledger.reads.pastVersion(id, version);
  if (object === undefined)
    throw notFound(`object ${id}${version === undefined ? "" : ` version ${version}`} not found`);
  return applyMask(GrpcTypes.Object, objectMessage(object), mask, ["object_id", "version", "digest"]);
}

function getTransaction(
  { ledger, firstKept }: RpcContext,
  digest: string | undefined,
  mask: FieldMask | undefined,
) {
  const found = ledger.reads.transactions.get(required(digest, "digest"));
  if (found === undefined || found.checkpoint < firstKept())
    throw notFound(`transaction ${String(digest).slice(0, 64)} not found`);
  return applyMask(GrpcTypes.ExecutedTransaction, ledgerTransactionMessage(found), mask, ["digest"]);
}

/** Errors of one item of a batch are answered in its place. */
function itemError(error: unknown) {
  if (!(error instanceof GrpcError)) throw error;
  return { code: GRPC_CODES[error.code], message: error.message, details: [] };
}

function findCheckpoint(
  { ledger, firstKept }: RpcContext,
  id: GrpcTypes.GetCheckpointRequest["checkpointId"],
): Checkpoint {
  const { checkpoints } = ledger.reads;
  const found =
    id.oneofKind === "sequenceNumber"
      ? checkpoints[Number(id.sequenceNumber)]
      : id.oneofKind === "digest"
        ? checkpoints.find((each) => each.digest === id.digest)
        : checkpoints.at(-1);
  if (found === undefined || found.sequenceNumber < firstKept()) throw notFound("checkpoint not found");
  return found;
}

function epochMessage({ ledger, epochDurationMs }: RpcContext): GrpcTypes.Epoch {
  const epoch = ledger.reads.checkpoints.at(-1)?.epoch ?? 0n;
  const startMs = ledger.epochStartMs(ledger.reads);
  return {
    epoch,
    start: timestamp(startMs),
    referenceGasPrice: REFERENCE_GAS_PRICE,
    systemState: GrpcTypes.SystemState.create({
      version: SYSTEM_STATE_VERSION,
      epoch,
      protocolVersion: PROTOCOL_VERSION,
      referenceGasPrice: REFERENCE_GAS_PRICE,
      epochStartTimestampMs: BigInt(startMs),
      safeMode: false,
      parameters: { epochDurationMs: BigInt(epochDurationMs) },
    }),
    protocolConfig: GrpcTypes.ProtocolConfig.create({
      protocolVersion: PROTOCOL_VERSION,
      featureFlags: { enable_accumulators: true, enable_address_balance_gas_payments: true },
    }),
  };
}

export const ledgerMethods = (rpc: RpcContext): Methods => ({
  [`${SERVICE}/GetServiceInfo`]: unary(
    GrpcTypes.GetServiceInfoRequest,
    GrpcTypes.GetServiceInfoResponse,
    () => ({
      chainId: rpc.ids.chainId,
      chain: "localnet",
      epoch: rpc.ledger.reads.checkpoints.at(-1)?.epoch ?? 0n,
      checkpointHeight: rpc.ledger.reads.height,
      timestamp: timestamp(rpc.ledger.reads.checkpoints.at(-1)?.timestampMs ?? 0),
      lowestAvailableCheckpoint: BigInt(rpc.firstKept()),
      lowestAvailableCheckpointObjects: 0n,
      server: "floe-localnet",
    }),
  ),
  [`${SERVICE}/GetObject`]: unary(GrpcTypes.GetObjectRequest, GrpcTypes.GetObjectResponse, (request) => ({
    object: getObject(rpc, request, request.readMask),
  })),
  [`${SERVICE}/BatchGetObjects`]: unary(
    GrpcTypes.BatchGetObjectsRequest,
    GrpcTypes.BatchGetObjectsResponse,
    (request) => {
      checkBatch(request.requests.length, MAX_OBJECTS);
      const objects = request.requests.map((each): GrpcTypes.GetObjectResult => {
        try {
          const object = getObject(rpc, each, request.readMask);
          return { result: { oneofKind: "object", object } };
        } catch (error) {
          return { result: { oneofKind: "error", error: itemError(error) } };
        }
      });
      return { objects };
    },
  ),
  [`${SERVICE}/GetTransaction`]: unary(
    GrpcTypes.GetTransactionRequest,
    GrpcTypes.GetTransactionResponse,
    (request) => ({ transaction: getTransaction(rpc, request.digest, request.readMask) }),
  ),
  [`${SERVICE}/BatchGetTransactions`]: unary(
    GrpcTypes.BatchGetTransactionsRequest,
    GrpcTypes.BatchGetTransactionsResponse,
    (request) => {
      checkBatch(request.digests.length, MAX_TRANSACTIONS);
      const transactions = request.digests.map((digest): GrpcTypes.GetTransactionResult => {
        try {
          const transaction = getTransaction(rpc, digest, request.readMask);
          return { result: { oneofKind: "transaction", transaction } };
        } catch (error) {
          return { result: { oneofKind: "error", error: itemError(error) } };
        }
      });
      return { transactions };
    },
  ),
  [`${SERVICE}/GetCheckpoint`]: unary(
    GrpcTypes.GetCheckpointRequest,
    GrpcTypes.GetCheckpointResponse,
    (request) => {
      const message = checkpointMessage(findCheckpoint(rpc, request.checkpointId));
      const fallback = ["sequence_number", "digest"];
      return { checkpoint: applyMask(GrpcTypes.Checkpoint, message, request.readMask, fallback) };
    },
  ),
  [`${SERVICE}/GetEpoch`]: unary(GrpcTypes.GetEpochRequest, GrpcTypes.GetEpochResponse, (request) => {
    const message = epochMessage(rpc);
    if (request.epoch !== undefined && request.epoch !== message.epoch) {
      throw notFound(`epoch ${request.epoch} is not the current one`);
    }
    return { epoch: applyMask(GrpcTypes.Epoch, message, request.readMask, ["epoch"]) };
  }),
});
