/**
 * `certify_event_blob` once a quorum has attested: what the System object then says, and the blob that comes of it.
 *
 * On the public networks every node attests in a transaction of its own, and the one that completes the quorum does
 * this. Storage is taken for as many epochs ahead as can be had, without payment; the Blob object is registered,
 * certified and burned at once, so that only its events remain.
 */
import { assert } from "../../../shared/base/errors.ts";
import { blobIdToU256 } from "../../../shared/protocol/ids.ts";
import { ENCODING_TYPE_RS2 } from "../../../shared/protocol/metadata.ts";
import { encodedLength } from "../../../shared/protocol/sizes.ts";
import type { CertifiedEventBlob } from "../../../shared/sui/walrus/chain-snapshot.ts";
import { EVENT_LAYOUTS } from "../../../shared/sui/walrus/events.ts";
import type { Session } from "../vm/session.ts";
import type { NetworkIds } from "./genesis.ts";
import { emit, open } from "./governance.ts";
import type { SystemInner } from "./natives/system.ts";

/** The last checkpoint of the latest certified event blob. */
export function latestEventBlob(session: Session, ids: NetworkIds): number | undefined {
  const latest = open(session, ids).system.event_blob_certification_state.latest_certified_blob;
  return latest === null ? undefined : Number(latest.ending_checkpoint_sequence_number);
}

export function certifyEventBlob(
  session: Session,
  ids: NetworkIds,
  blob: CertifiedEventBlob & { readonly unencodedLength: number },
): void {
  const { packageId, system } = open(session, ids);
  const { epoch, n_shards: nShards } = system.committee;
  const blobId = blobIdToU256(blob.blobId);
  useCapacity(system, BigInt(encodedLength(nShards, blob.unencodedLength)));
  const object = {
    epoch,
    blob_id: blobId,
    end_epoch: epoch + system.future_accounting.length,
    deletable: false,
    object_id: session.newId(),
  };
  const registered = { ...object, size: BigInt(blob.unencodedLength), encoding_type: ENCODING_TYPE_RS2 };
  const certified = { ...object, is_extension: false };
  emit(
    session,
    packageId,
    "system",
    "BlobRegistered",
    EVENT_LAYOUTS.BlobRegistered.serialize(registered).toBytes(),
  );
  emit(
    session,
    packageId,
    "system",
    "BlobCertified",
    EVENT_LAYOUTS.BlobCertified.serialize(certified).toBytes(),
  );
  system.event_blob_certification_state = {
    latest_certified_blob: {
      blob_id: blobId,
      ending_checkpoint_sequence_number: BigInt(blob.lastCheckpoint),
    },
    aggregate_weight_per_blob: [],
  };
}

/** In every epoch ahead; beyond the total capacity too, since the nodes have the blob already. */
function useCapacity(system: SystemInner, bytes: bigint): void {
  for (const slot of system.future_accounting.ring_buffer) slot.used_capacity += bytes;
  const { ring_buffer: ring, current_index: current } = system.future_accounting;
  const slot = ring[current];
  assert(slot !== undefined, "the ring is full");
  system.used_capacity_size = slot.used_capacity;
}
