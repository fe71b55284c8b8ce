/** TransactionExecutionService: execute a signed transaction, simulate one (which also resolves it). */
import { GrpcTypes } from "@mysten/sui/grpc";
import { invalidArgument } from "../base/grpc-error.ts";
import { REFERENCE_GAS_PRICE } from "../vm/gas.ts";
import { parseTransaction } from "../vm/transaction-data.ts";
import { ledgerTime, type RpcContext, readContext, required } from "./context.ts";
import { type Simulation, simulateResolved, simulateUnresolved } from "./resolve.ts";
import { applyMask } from "./wire/field-mask.ts";
import { type Methods, unary } from "./wire/grpc-web.ts";
import { executedMessage, ledgerTransactionMessage } from "./wire/proto-effects.ts";
import { parseUnresolved } from "./wire/proto-transaction.ts";

const SERVICE = "sui.rpc.v2.TransactionExecutionService";

/** Sender and sponsor at most. */
const MAX_SIGNATURES = 2;

function runSimulation(rpc: RpcContext, request: GrpcTypes.SimulateTransactionRequest): Simulation {
  const transaction = required(request.transaction, "transaction");
  const context = readContext(rpc);
  const time = ledgerTime(rpc);
  const checks = request.checks !== GrpcTypes.SimulateTransactionRequest_TransactionChecks.DISABLED;
  const bytes = transaction.bcs?.value;
  const options = { selectGas: checks && request.doGasSelection === true, checks, nonce: rpc.nonce };
  return bytes === undefined
    ? simulateUnresolved(context, time, parseUnresolved(transaction), options)
    : simulateResolved(context, time, parseTransaction(bytes), options);
}

export const executionMethods = (rpc: RpcContext): Methods => ({
  [`${SERVICE}/SimulateTransaction`]: unary(
    GrpcTypes.SimulateTransactionRequest,
    GrpcTypes.SimulateTransactionResponse,
    (request) => {
      const { bytes, execution } = runSimulation(rpc, request);
      const message: GrpcTypes.SimulateTransactionResponse = {
        transaction: executedMessage({ ...execution, bytes, signatures: [] }),
        commandOutputs: [],
        suggestedGasPrice: REFERENCE_GAS_PRICE,
      };
      return applyMask(GrpcTypes.SimulateTransactionResponse, message, request.readMask);
    },
  ),
  [`${SERVICE}/ExecuteTransaction`]: unary(
    GrpcTypes.ExecuteTransactionRequest,
    GrpcTypes.ExecuteTransactionResponse,
    async (request) => {
      const bytes = required(request.transaction?.bcs?.value, "transaction.bcs");
      if (request.signatures.length > MAX_SIGNATURES) {
        throw invalidArgument(`${request.signatures.length} signatures; at most ${MAX_SIGNATURES}`);
      }
      const signatures = request.signatures.map((each, index) =>
        required(each.bcs?.value, `signatures[${index}].bcs`),
      );
      const executed = await rpc.execute(bytes, signatures);
      const message = ledgerTransactionMessage(executed);
      const fallback = ["effects.status", "checkpoint"];
      return {
        transaction: applyMask(GrpcTypes.ExecutedTransaction, message, request.readMask, fallback),
      };
    },
  ),
});
