/** The attributes of a Blob object: its dynamic field under `vector<u8>` "metadata". */
import { bcs } from "@mysten/sui/bcs";
import type { ObjectId } from "../../../../shared/protocol/ids.ts";
import { METADATA_KEY, type MetadataLayout } from "../../../../shared/sui/walrus/layouts.ts";
import type { MetadataFieldLayout } from "../../move/types.ts";
import type { NativeCall } from "../../vm/native-call.ts";

export type Metadata = ReturnType<typeof MetadataLayout.parse>;

const KEY_TYPE = "vector<u8>";
const KEY = bcs.byteVector().serialize(METADATA_KEY).toBytes();

/** Attributes of a Blob object, or undefined without any; changes in place are kept. */
export function metadataOf(call: NativeCall, blobObject: ObjectId): Metadata | undefined {
  const field = call.session.field(blobObject, KEY_TYPE, KEY);
  // The field's type names Metadata, whose layout this is.
  return (field as ReturnType<typeof MetadataFieldLayout.parse> | undefined)?.value;
}

/** The Blob must have no attributes yet. */
export function addMetadata(call: NativeCall, blobObject: ObjectId, value: Metadata): void {
  const { session } = call;
  session.addField(blobObject, KEY_TYPE, KEY, session.types.walrus("Metadata"), {
    name: METADATA_KEY,
    value,
  });
}

/** Drops the attributes of a blob that goes away; nothing to do without any. */
export function removeMetadata(call: NativeCall, blobObject: ObjectId): Metadata | undefined {
  const metadata = metadataOf(call, blobObject);
  if (metadata !== undefined) call.session.removeField(blobObject, KEY_TYPE, KEY);
  return metadata;
}
