/** Functions of `walrus::storage_resource`: splitting, fusing and destroying storage. */
import { StorageLayout } from "../../../../shared/sui/walrus/layouts.ts";
import type { NativeCall, NativeTable } from "../../vm/native-call.ts";

type Storage = ReturnType<typeof StorageLayout.parse>;
const MODULE = "storage_resource";

/** Appends or prepends the period of `second`, which is used up; both must have the same size. */
export function fusePeriods(call: NativeCall, first: Storage, second: Storage): void {
  call.session.deleteId(second.id);
  if (first.storage_size !== second.storage_size) call.abort(MODULE, 2, "fuse_periods");
  if (first.end_epoch === second.start_epoch) first.end_epoch = second.end_epoch;
  else if (first.start_epoch === second.end_epoch) first.start_epoch = second.start_epoch;
  else call.abort(MODULE, 1, "fuse_periods");
}

function fuseAmount(call: NativeCall, first: Storage, second: Storage): void {
  call.session.deleteId(second.id);
  if (first.start_epoch !== second.start_epoch || first.end_epoch !== second.end_epoch) {
    call.abort(MODULE, 1, "fuse_amount");
  }
  first.storage_size = call.u64(first.storage_size + second.storage_size);
}

const fusing =
  (fuse: (call: NativeCall, first: Storage, second: Storage) => void) =>
  (call: NativeCall): readonly unknown[] => {
    fuse(call, call.struct(0, StorageLayout), call.struct(1, StorageLayout));
    return [];
  };

export const STORAGE_NATIVES: NativeTable = {
  "storage_resource::start_epoch(&Storage): u32": (call) => [call.struct(0, StorageLayout).start_epoch],
  "storage_resource::end_epoch(&Storage): u32": (call) => [call.struct(0, StorageLayout).end_epoch],
  "storage_resource::size(&Storage): u64": (call) => [call.struct(0, StorageLayout).storage_size],
  "storage_resource::split_by_epoch(&mut Storage, u32, &mut TxContext): Storage": (call) => {
    const storage = call.struct(0, StorageLayout);
    const splitEpoch = call.int(1);
    if (splitEpoch <= storage.start_epoch || splitEpoch >= storage.end_epoch) {
      call.abort(MODULE, 0, "split_by_epoch");
    }
    const rest = { ...storage, id: call.session.newId(), start_epoch: splitEpoch };
    storage.end_epoch = splitEpoch;
    return [rest];
  },
  "storage_resource::split_by_size(&mut Storage, u64, &mut TxContext): Storage": (call) => {
    const storage = call.struct(0, StorageLayout);
    const splitSize = call.big(1);
    if (storage.storage_size < splitSize) call.abort(MODULE, 2, "split_by_size");
    const rest = { ...storage, id: call.session.newId(), storage_size: storage.storage_size - splitSize };
    storage.storage_size = splitSize;
    return [rest];
  },
  "storage_resource::fuse_periods(&mut Storage, Storage)": fusing(fusePeriods),
  "storage_resource::fuse_amount(&mut Storage, Storage)": fusing(fuseAmount),
  "storage_resource::fuse(&mut Storage, Storage)": fusing((call, first, second) =>
    first.start_epoch === second.start_epoch
      ? fuseAmount(call, first, second)
      : fusePeriods(call, first, second),
  ),
  "storage_resource::destroy(Storage)": (call) => {
    call.session.deleteId(call.struct(0, StorageLayout).id);
    return [];
  },
};
