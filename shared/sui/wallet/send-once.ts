/**
 * One transaction from a person's hand: signed once, sent until its outcome is known.
 *
 * The same bytes are one transaction however often they are sent, so a reply that was lost is looked for under the
 * digest, and the bytes are sent again, before anybody decides anything. Nothing is ever signed a second time.
 */
import type { Signer } from "@mysten/sui/cryptography";
import type { Transaction } from "@mysten/sui/transactions";
import type { Clock } from "../../base/clock.ts";
import { type ExecutionFailure, MoveAbortError } from "../client/move-abort.ts";
import { SuiError } from "../client/sui-error.ts";
import {
  type BuiltTransaction,
  type ExecutedTransaction,
  SimulatedFailure,
  type WalletChain,
} from "./wallet-chain.ts";

const ROUNDS = 5;
const PAUSE_MS = 1_000;

/**
 * Resolves gas and inputs and runs a simulation; nothing is signed.
 *
 * @throws MoveAbortError or SuiError when the transaction would fail
 */
export async function buildChecked(
  wallet: WalletChain,
  transaction: Transaction,
  sender: string,
): Promise<BuiltTransaction> {
  transaction.setSender(sender);
  try {
    return await wallet.build(transaction);
  } catch (error) {
    if (error instanceof SimulatedFailure) throw failureError(error.failure, "simulation");
    throw error;
  }
}

/**
 * @throws MoveAbortError or SuiError when it failed on chain; SuiError `SUI_OUTCOME_UNKNOWN` with the digest when no
 *   endpoint tells, after several rounds of asking
 */
export async function sendOnce(
  wallet: WalletChain,
  clock: Clock,
  built: BuiltTransaction,
  signer: Signer,
): Promise<ExecutedTransaction> {
  const { signature } = await signer.signTransaction(built.bytes);
  const executed = await executeUntilKnown(wallet, clock, built, signature);
  if (executed.failure !== undefined) throw failureError(executed.failure, built.digest);
  return executed;
}

async function executeUntilKnown(
  wallet: WalletChain,
  clock: Clock,
  built: BuiltTransaction,
  signature: string,
): Promise<ExecutedTransaction> {
  for (let round = 1; ; round++) {
    try {
      return await wallet.execute(built, signature);
    } catch (error) {
      if (!(error instanceof SuiError) || error.code !== "SUI_OUTCOME_UNKNOWN") throw error;
      const known = await lookUp(wallet, built.digest);
      if (known !== undefined) return known;
      if (round >= ROUNDS) throw error;
      await clock.sleep(PAUSE_MS * round);
    }
  }
}

/** undefined also when nobody can be asked. */
async function lookUp(wallet: WalletChain, digest: string): Promise<ExecutedTransaction | undefined> {
  try {
    return await wallet.lookUp(digest);
  } catch (error) {
    if (error instanceof SuiError) return undefined;
    throw error;
  }
}

function failureError(failure: ExecutionFailure, where: string): MoveAbortError | SuiError {
  switch (failure.kind) {
    case "move-abort":
      return new MoveAbortError(failure);
    case "congestion":
      return new SuiError("SUI_OVERLOADED", `${where}: too much traffic on a shared object`, {
        retryable: true,
      });
    case "other":
      return new SuiError("SUI_REJECTED", `${where}: ${failure.message}`);
    default:
      return failure satisfies never;
  }
}
