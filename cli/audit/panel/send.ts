/** Carrying out a change of the panel: with a key here, or unsigned for a wallet elsewhere. */
import type { Keypair } from "@mysten/sui/cryptography";
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import { toBase64 } from "../../../shared/base/bytes.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import type { ObjectId } from "../../../shared/protocol/ids.ts";
import type { RegistryState } from "../../../shared/sui/audit/reader.ts";
import { MoveAbortError } from "../../../shared/sui/client/move-abort.ts";
import { SuiError } from "../../../shared/sui/client/sui-error.ts";
import { buildChecked, sendOnce } from "../../../shared/sui/wallet/send-once.ts";
import type { WalletChain } from "../../../shared/sui/wallet/wallet-chain.ts";
import { requireAdminCap } from "../admin-cap.ts";
import type { PanelChange } from "./changes.ts";

/** What becomes of the transaction. */
export type Sending =
  | { readonly kind: "send"; readonly key: Keypair }
  /** Everything but signing and sending. */
  | { readonly kind: "dry-run" }
  /** Printed, for a multisig or a key on another machine. */
  | { readonly kind: "unsigned" };

export interface PanelAccess {
  readonly client: SuiGrpcClient;
  readonly wallet: WalletChain;
  readonly clock: Clock;
  /** The registry as it stands when it is called. */
  readonly readRegistry: () => Promise<RegistryState>;
  /** Holds the AdminCap and pays. */
  readonly sender: ObjectId;
}

/**
 * Brings about what is still missing of a change, in one transaction; prints what is there already.
 *
 * @returns what is for standard output: the digest, or the unsigned bytes; undefined when nothing was sent or was to be
 * @throws PanelError, AdminCapError, MoveAbortError, SuiError; `SUI_OUTCOME_UNKNOWN` only when the panel, read again,
 *   does not show the change either
 */
export async function carryOut(
  access: PanelAccess,
  change: PanelChange,
  sending: Sending,
): Promise<string | undefined> {
  const { client, wallet, sender } = access;
  const registry = await access.readRegistry();
  for (const line of change.standing(registry)) console.error(line);
  if (change.pending(registry) === undefined) return undefined;
  const { originalPackageId } = registry.contracts;
  // The cap first: another change of the panel after this reading uses this version up, and ours is refused.
  const cap = await requireAdminCap(client, wallet, sender, originalPackageId);
  const pending = change.pending(await access.readRegistry());
  if (pending === undefined) return undefined;
  const built = await buildChecked(wallet, pending.transaction(cap), sender);
  for (const line of pending.does) console.error(line);
  if (sending.kind === "dry-run") {
    console.error(`simulated with success, for at most ${built.gasBudgetMist} MIST of gas; nothing was sent`);
    return undefined;
  }
  if (sending.kind === "unsigned") {
    console.error(
      `the unsigned TransactionData of ${sender}, base64, simulated with success; nothing was sent`,
    );
    console.error(`its digest is ${built.digest}; after it ran, the same command says what stands`);
    return toBase64(built.bytes);
  }
  try {
    await sendOnce(wallet, access.clock, built, sending.key);
  } catch (error) {
    // Another holder may have done the same meanwhile, or a reply was lost: the panel itself shows what stands.
    if (!mayStand(error) || change.pending(await access.readRegistry()) !== undefined) throw error;
    console.error(`no answer says that ${built.digest} ran, but the panel stands as wanted`);
    return undefined;
  }
  return built.digest;
}

const mayStand = (error: unknown): boolean =>
  error instanceof MoveAbortError || (error instanceof SuiError && error.code === "SUI_OUTCOME_UNKNOWN");
