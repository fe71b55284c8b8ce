/** The AdminCap of a `floe_audit` package: there is one, and its owner changes the panel. */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import { FloeError } from "../../shared/base/errors.ts";
import { type ObjectId, parseObjectId } from "../../shared/protocol/ids.ts";
import { readAuditEventPage } from "../../shared/sui/audit/event-pages.ts";
import { auditType } from "../../shared/sui/audit/layouts.ts";
import { suiCall } from "../../shared/sui/client/sui-client.ts";
import type { ObjectRef } from "../../shared/sui/wallet/blob-transactions.ts";
import type { WalletChain } from "../../shared/sui/wallet/wallet-chain.ts";

export class AdminCapError extends FloeError<"NO_ADMIN_CAP"> {}

export interface LocatedCap {
  readonly objectId: ObjectId;
  /** undefined: it belongs to no address, but to an object. */
  readonly owner: ObjectId | undefined;
}

/**
 * The cap as this address owns it now: every transaction that names it gives it another version.
 *
 * @returns undefined when it owns none, or the endpoint does not know of it yet
 */
export async function ownedAdminCap(
  client: SuiGrpcClient,
  owner: ObjectId,
  originalPackageId: ObjectId,
): Promise<ObjectRef | undefined> {
  const type = auditType(originalPackageId, "AdminCap");
  const { objects } = await suiCall("looking for the AdminCap", () =>
    client.listOwnedObjects({ owner, type }),
  );
  const [cap] = objects;
  if (cap === undefined) return undefined;
  return { objectId: parseObjectId(cap.objectId), version: BigInt(cap.version), digest: cap.digest };
}

/**
 * Finds the cap wherever it is: creating a registry names it, so that transaction has it among its objects.
 *
 * @returns undefined when the endpoint no longer has that transaction, or the cap is wrapped
 */
export async function locateAdminCap(
  client: SuiGrpcClient,
  wallet: WalletChain,
  originalPackageId: ObjectId,
): Promise<LocatedCap | undefined> {
  const request = { originalPackageId, kind: "RegistryCreated", after: undefined } as const;
  const [created] = (await readAuditEventPage(client, request)).events;
  const executed = created && (await wallet.lookUp(created.txDigest));
  if (executed === undefined) return undefined;
  const objects = await wallet.objects(executed.changedObjects.map(({ objectId }) => objectId));
  const type = auditType(originalPackageId, "AdminCap");
  const cap = objects.find((object) => object?.type === type);
  return cap && { objectId: cap.ref.objectId, owner: cap.ownerAddress };
}

/** @throws AdminCapError naming who holds it, when that can be found out */
export async function requireAdminCap(
  client: SuiGrpcClient,
  wallet: WalletChain,
  owner: ObjectId,
  originalPackageId: ObjectId,
): Promise<ObjectRef> {
  const cap = await ownedAdminCap(client, owner, originalPackageId);
  if (cap !== undefined) return cap;
  const held = await locateAdminCap(client, wallet, originalPackageId);
  const holder =
    held?.owner === undefined
      ? "who does cannot be read from this endpoint"
      : `${held.owner} does: give its key, or have it sign what --sender ${held.owner} --unsigned prints`;
  throw new AdminCapError(
    "NO_ADMIN_CAP",
    `${owner} holds no AdminCap of package ${originalPackageId}; ${holder}`,
    { retryable: true },
  );
}
