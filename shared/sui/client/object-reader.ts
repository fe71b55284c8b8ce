/** Objects by ID, with what readers of contracts look at: type, contents, and where a shared object began. */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import { deriveDynamicFieldID } from "@mysten/sui/utils";
import { type ObjectId, parseObjectId } from "../../protocol/ids.ts";
import { SUI_LIMITS } from "./limits.ts";
import { suiCall } from "./sui-client.ts";
import { SuiError } from "./sui-error.ts";

export interface ReadObject {
  readonly id: ObjectId;
  readonly type: string;
  readonly content: Uint8Array;
  /** Absent unless the object is shared. */
  readonly initialSharedVersion: bigint | undefined;
}

/**
 * Objects in the order asked; undefined where the endpoint knows none (it may lag, or the object was deleted).
 *
 * Cost: one request per `SUI_LIMITS.suiBatchObjects` objects. @throws SuiError of the transport
 */
export async function readObjects(
  client: SuiGrpcClient,
  ids: readonly ObjectId[],
): Promise<(ReadObject | undefined)[]> {
  const found: (ReadObject | undefined)[] = [];
  for (let from = 0; from < ids.length; from += SUI_LIMITS.suiBatchObjects) {
    const batch = ids.slice(from, from + SUI_LIMITS.suiBatchObjects);
    const { objects } = await suiCall(`reading ${batch.length} objects`, () =>
      client.getObjects({ objectIds: [...batch], include: { content: true } }),
    );
    batch.forEach((id, index) => {
      const object = objects[index];
      if (object === undefined || object instanceof Error) {
        found.push(undefined);
        return;
      }
      const shared = object.owner?.$kind === "Shared" ? object.owner.Shared.initialSharedVersion : undefined;
      found.push({
        id,
        type: object.type,
        content: object.content,
        initialSharedVersion: shared === undefined ? undefined : BigInt(shared),
      });
    });
  }
  return found;
}

/** One shared object. @throws SuiError `SUI_NOT_FOUND`, or `SUI_MALFORMED` when it is not shared */
export function presentShared(
  object: ReadObject | undefined,
  what: string,
  id: ObjectId,
): ReadObject & { readonly initialSharedVersion: bigint } {
  if (object === undefined) {
    throw new SuiError("SUI_NOT_FOUND", `${what} (${id}) is not on this chain`, {
      retryable: true,
      details: { objectId: id },
    });
  }
  const { initialSharedVersion } = object;
  if (initialSharedVersion === undefined) {
    throw new SuiError("SUI_MALFORMED", `${what} (${id}) is not a shared object`);
  }
  return { ...object, initialSharedVersion };
}

/** ID of the object that holds a dynamic field. @param key BCS of the field's name */
export const fieldId = (parent: ObjectId, keyType: string, key: Uint8Array): ObjectId =>
  parseObjectId(deriveDynamicFieldID(parent, keyType, key));
