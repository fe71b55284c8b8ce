/** Functions of `walrus::blob`, `walrus::metadata` and `walrus::shared_blob`. */
import {
  BlobLayout,
  CoinLayout,
  MetadataLayout,
  SharedBlobLayout,
} from "../../../../shared/sui/walrus/layouts.ts";
import type { NativeCall, NativeTable } from "../../vm/native-call.ts";
import { addMetadata, type Metadata, metadataOf, removeMetadata } from "./metadata.ts";
import { extendBlob, systemInner } from "./system.ts";

type Blob = ReturnType<typeof BlobLayout.parse>;

/** Removes a pair and returns its value. */
function removePair(metadata: Metadata, key: string): string | undefined {
  const position = metadata.metadata.findIndex((entry) => entry.key === key);
  return position < 0 ? undefined : metadata.metadata.splice(position, 1)[0]?.value;
}

function insertOrUpdate(metadata: Metadata, key: string, value: string): void {
  // The contract removes and inserts, so an updated pair moves to the end.
  removePair(metadata, key);
  metadata.metadata.push({ key, value });
}

function share(call: NativeCall, blob: Blob, funds: bigint): readonly unknown[] {
  const { session } = call;
  const shared = { id: session.newId(), blob, funds };
  session.place(session.types.walrus("SharedBlob"), shared, { kind: "shared", initialSharedVersion: 0n });
  return [];
}

function takeMetadata(call: NativeCall): readonly unknown[] {
  const metadata = removeMetadata(call, call.struct(0, BlobLayout).id);
  if (metadata === undefined) call.abort("blob", 8, "take_metadata");
  return [metadata];
}

function removeMetadataPair(call: NativeCall): readonly unknown[] {
  const metadata = metadataOf(call, call.struct(0, BlobLayout).id);
  if (metadata === undefined) call.abort("blob", 8, "metadata");
  const value = removePair(metadata, call.text(1));
  if (value === undefined) call.abortFramework("vec_map", 1, "get_idx");
  return [call.text(1), value];
}

export const BLOB_NATIVES: NativeTable = {
  "metadata::new(): Metadata": () => [{ metadata: [] } satisfies Metadata],
  "metadata::insert_or_update(&mut Metadata, String, String)": (call) => {
    insertOrUpdate(call.struct(0, MetadataLayout), call.text(1), call.text(2));
    return [];
  },
  "blob::object_id(&Blob): ID": (call) => [call.struct(0, BlobLayout).id],
  "blob::blob_id(&Blob): u256": (call) => [call.struct(0, BlobLayout).blob_id],
  "blob::size(&Blob): u64": (call) => [call.struct(0, BlobLayout).size],
  "blob::end_epoch(&Blob): u32": (call) => [call.struct(0, BlobLayout).storage.end_epoch],
  "blob::is_deletable(&Blob): bool": (call) => [call.struct(0, BlobLayout).deletable],
  "blob::burn(Blob)": (call) => {
    const blob = call.struct(0, BlobLayout);
    removeMetadata(call, blob.id);
    call.session.deleteId(blob.id);
    call.session.deleteId(blob.storage.id);
    return [];
  },
  "blob::add_metadata(&mut Blob, Metadata)": (call) => {
    const blob = call.struct(0, BlobLayout);
    if (metadataOf(call, blob.id) !== undefined) call.abort("blob", 7, "add_metadata");
    addMetadata(call, blob.id, call.struct(1, MetadataLayout));
    return [];
  },
  "blob::add_or_replace_metadata(&mut Blob, Metadata): Option<Metadata>": (call) => {
    const blob = call.struct(0, BlobLayout);
    const old = removeMetadata(call, blob.id);
    addMetadata(call, blob.id, call.struct(1, MetadataLayout));
    return [old ?? null];
  },
  "blob::take_metadata(&mut Blob): Metadata": takeMetadata,
  "blob::insert_or_update_metadata_pair(&mut Blob, String, String)": (call) => {
    const blob = call.struct(0, BlobLayout);
    if (metadataOf(call, blob.id) === undefined) addMetadata(call, blob.id, { metadata: [] });
    const metadata = metadataOf(call, blob.id);
    if (metadata !== undefined) insertOrUpdate(metadata, call.text(1), call.text(2));
    return [];
  },
  "blob::remove_metadata_pair(&mut Blob, &String): (String, String)": removeMetadataPair,
  "blob::remove_metadata_pair_if_exists(&mut Blob, &String): Option<String>": (call) => {
    const metadata = metadataOf(call, call.struct(0, BlobLayout).id);
    return [metadata === undefined ? null : (removePair(metadata, call.text(1)) ?? null)];
  },
  "shared_blob::new(Blob, &mut TxContext)": (call) => share(call, call.struct(0, BlobLayout), 0n),
  "shared_blob::new_funded(Blob, Coin<WAL>, &mut TxContext)": (call) => {
    const coin = call.struct(1, CoinLayout);
    call.session.deleteId(coin.id);
    return share(call, call.struct(0, BlobLayout), coin.balance);
  },
  "shared_blob::fund(&mut SharedBlob, Coin<WAL>)": (call) => {
    const [shared, coin] = [call.struct(0, SharedBlobLayout), call.struct(1, CoinLayout)];
    call.session.deleteId(coin.id);
    shared.funds = call.u64(shared.funds + coin.balance);
    return [];
  },
  "shared_blob::extend(&mut SharedBlob, &mut System, u32, &mut TxContext)": (call) => {
    const shared = call.struct(0, SharedBlobLayout);
    // The contract turns the funds into a coin for the call, which takes a fresh ID.
    const coin = { id: call.session.newId(), balance: shared.funds };
    extendBlob(call, systemInner(call, 1, true), shared.blob, call.int(2), coin);
    call.session.deleteId(coin.id);
    shared.funds = coin.balance;
    return [];
  },
};
