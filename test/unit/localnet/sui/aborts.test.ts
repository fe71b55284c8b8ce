// If this fails, code that works on the embedded network may abort on the real contracts, or the other way round.
import { beforeAll, describe, expect, it } from "vitest";
import type { ObjectId } from "../../../../shared/protocol/ids.ts";
import {
  Calls,
  certifiedBlob,
  certify,
  encodedBytes,
  expectAbort,
  type InventedBlob,
  inventedBlob,
  registerBlob,
  signAs,
  type TestNetwork,
  testNetwork,
} from "../../../support/sui/network.ts";

let network: TestNetwork;
/** Registered only; certified; permanent. */
let registered: ObjectId;
let certified: ObjectId;
let permanent: ObjectId;
const SIZE = 1000;
const blob = inventedBlob(SIZE);
const other = inventedBlob(SIZE, 9);
const BYTES = encodedBytes(SIZE);
const CAPACITY = 1n << 30n;
const RICH = 1_000_000_000n;

beforeAll(async () => {
  network = await testNetwork({ capacityBytes: CAPACITY });
  registered = await registerBlob(network, blob);
  certified = await certifiedBlob(network, blob);
  permanent = await registerBlob(network, blob, { deletable: false });
});

/** Leaves no coin behind, whatever it still holds. */
function keep(calls: Calls, ...objects: Parameters<Calls["give"]>[0]): void {
  calls.give(objects);
}

type Row = readonly [name: string, abort: string, build: (calls: Calls) => void];

function reserving(bytes: number | bigint, epochs: number, funds = RICH): Row[2] {
  return (calls) => {
    const coin = calls.wal(funds);
    keep(calls, calls.reserve(bytes, epochs, coin), coin);
  };
}

function reservingFor(start: number, end: number): Row[2] {
  return (calls) => {
    const coin = calls.wal(RICH);
    const { tx } = calls;
    const range = [tx.pure.u64(BYTES), tx.pure.u32(start), tx.pure.u32(end)];
    keep(calls, calls.call("system::reserve_space_for_epochs", [calls.system, ...range, coin]), coin);
  };
}

function registering(
  of: InventedBlob,
  options: { bytes?: number; encodingType?: number; funds?: bigint } = {},
): Row[2] {
  return (calls) => {
    const coin = calls.wal(options.funds ?? RICH);
    const paid = calls.wal(RICH);
    const storage = calls.reserve(options.bytes ?? BYTES, 2, paid);
    keep(calls, calls.register(storage, of, coin, options), coin, paid);
  };
}

function certifying(objectId: () => ObjectId, build: () => Parameters<Calls["certify"]>[1]): Row[2] {
  return (calls) => calls.certify(objectId(), build());
}

const good = (objectId: ObjectId, of = blob, epoch = 1) =>
  certify(network.nodes, [0, 1, 2], epoch, of.blobId, { kind: "deletable", objectId });
const forPermanent = () => certify(network.nodes, [0, 1, 2], 1, blob.blobId, { kind: "permanent" });
/** A well-signed message with some of its bytes changed. */
function signedWith(change: (message: Uint8Array) => Uint8Array) {
  const { message, bitmap } = good(registered);
  return { ...signAs(network.nodes, [0, 1, 2], change(Uint8Array.from(message))), bitmap };
}
const withByte = (at: number, value: number) => (message: Uint8Array) => {
  message[at] = value;
  return message;
};

const RESERVE: Row[] = [
  ["reserve_space for no epoch", "system_state_inner 2", reserving(BYTES, 0)],
  ["reserve_space for 54 epochs", "system_state_inner 2", reserving(BYTES, 54)],
  ["reserve_space without enough WAL", "balance 2", reserving(BYTES, 2, 21_999n)],
  ["reserve_space of no bytes", "system_state_inner 11", reserving(0, 2)],
  ["reserve_space beyond capacity", "system_state_inner 1", reserving(CAPACITY + 1n, 1)],
  ["reserve_space_for_epochs ending where it starts", "system_state_inner 2", reservingFor(5, 5)],
  ["reserve_space_for_epochs all in the past", "system_state_inner 2", reservingFor(0, 1)],
  ["reserve_space_for_epochs too far ahead", "system_state_inner 2", reservingFor(2, 55)],
];

const REGISTER: Row[] = [
  ["register_blob in too little storage", "blob 3", registering(blob, { bytes: BYTES - 1 })],
  ["register_blob with a wrong ID", "blob 6", registering({ ...blob, blobId: other.blobId })],
  ["register_blob with a wrong size", "blob 6", registering({ ...blob, size: SIZE - 1 })],
  ["register_blob of a retired encoding", "encoding 0", registering(blob, { encodingType: 0 })],
  ["register_blob without enough WAL", "balance 2", registering(blob, { funds: 19_999n })],
  [
    "register_blob in storage that starts later",
    "blob 2",
    (calls) => {
      const [coin, write] = [calls.wal(RICH), calls.wal(RICH)];
      const { tx } = calls;
      const range = [tx.pure.u64(BYTES), tx.pure.u32(2), tx.pure.u32(4)];
      const storage = calls.call("system::reserve_space_for_epochs", [calls.system, ...range, coin]);
      keep(calls, calls.register(storage, blob, write), coin, write);
    },
  ],
];

const CERTIFY: Row[] = [
  [
    "certify_blob with a changed signature",
    "bls_aggregate 1",
    certifying(
      () => registered,
      () => {
        const certificate = good(registered);
        const signature = Uint8Array.from(certificate.signature);
        signature[40] = (signature[40] ?? 0) ^ 1;
        return { ...certificate, signature };
      },
    ),
  ],
  [
    "certify_blob of a signer missing in the bitmap",
    "bls_aggregate 1",
    certifying(
      () => registered,
      () => ({
        ...certify(network.nodes, [0, 1, 2, 3], 1, blob.blobId, { kind: "deletable", objectId: registered }),
        bitmap: Uint8Array.of(0b0111),
      }),
    ),
  ],
  [
    "certify_blob of a bitmap with one who did not sign",
    "bls_aggregate 1",
    certifying(
      () => registered,
      () => ({ ...good(registered), bitmap: Uint8Array.of(0b1111) }),
    ),
  ],
  [
    "certify_blob without a quorum",
    "bls_aggregate 2",
    certifying(
      () => registered,
      () => certify(network.nodes, [0, 1], 1, blob.blobId, { kind: "deletable", objectId: registered }),
    ),
  ],
  [
    "certify_blob with nobody in the bitmap",
    "bls_aggregate 2",
    certifying(
      () => registered,
      () => ({ ...good(registered), bitmap: new Uint8Array() }),
    ),
  ],
  [
    "certify_blob with a bit beyond the members",
    "bls_aggregate 0",
    certifying(
      () => registered,
      () => ({ ...good(registered), bitmap: Uint8Array.of(0b1_0111) }),
    ),
  ],
  [
    "certify_blob with a longer bitmap",
    "bls_aggregate 0",
    certifying(
      () => registered,
      () => ({ ...good(registered), bitmap: Uint8Array.of(0b0111, 0) }),
    ),
  ],
  [
    "certify_blob of another epoch",
    "messages 1",
    certifying(
      () => registered,
      () => good(registered, blob, 2),
    ),
  ],
  [
    "certify_blob of another intent version",
    "messages 3",
    certifying(
      () => registered,
      () => signedWith(withByte(1, 1)),
    ),
  ],
  [
    "certify_blob of another application",
    "messages 0",
    certifying(
      () => registered,
      () => signedWith(withByte(2, 4)),
    ),
  ],
  [
    "certify_blob of another message type",
    "messages 2",
    certifying(
      () => registered,
      () => signedWith(withByte(0, 2)),
    ),
  ],
  [
    "certify_blob of an unknown persistence",
    "messages 4",
    certifying(
      () => registered,
      () => signedWith(withByte(39, 2)),
    ),
  ],
  [
    "certify_blob of a cut-off message",
    "bcs 0",
    certifying(
      () => registered,
      () => signedWith((message) => message.slice(0, 60)),
    ),
  ],
  [
    "certify_blob of another blob",
    "blob 6",
    certifying(
      () => registered,
      () => good(registered, other),
    ),
  ],
  [
    "certify_blob of a certified blob",
    "blob 5",
    certifying(
      () => certified,
      () => good(certified),
    ),
  ],
  ["certify_blob of a deletable blob as permanent", "blob 9", certifying(() => registered, forPermanent)],
  [
    "certify_blob of a permanent blob as deletable",
    "blob 9",
    certifying(
      () => permanent,
      () => good(permanent),
    ),
  ],
  [
    "certify_blob of another object",
    "blob 10",
    certifying(
      () => registered,
      () => good(permanent),
    ),
  ],
];

const extending =
  (objectId: () => ObjectId, epochs: number, funds = RICH): Row[2] =>
  (calls) => {
    const coin = calls.wal(funds);
    const { tx } = calls;
    calls.call("system::extend_blob", [calls.system, tx.object(objectId()), tx.pure.u32(epochs), coin]);
    keep(calls, coin);
  };

const LIFE: Row[] = [
  ["extend_blob of an uncertified blob", "blob 0", extending(() => registered, 1)],
  ["extend_blob by nothing", "system_state_inner 2", extending(() => certified, 0)],
  ["extend_blob beyond 53 epochs", "system_state_inner 2", extending(() => certified, 51)],
  ["extend_blob without enough WAL", "balance 2", extending(() => certified, 2, 21_999n)],
  [
    "delete_blob of a permanent blob",
    "blob 1",
    (calls) => keep(calls, calls.call("system::delete_blob", [calls.system, calls.tx.object(permanent)])),
  ],
  [
    "extend_blob_with_resource that ends no later",
    "blob 2",
    (calls) => {
      const coin = calls.wal(RICH);
      const storage = calls.reserve(BYTES, 3, coin);
      calls.call("system::extend_blob_with_resource", [calls.system, calls.tx.object(certified), storage]);
      keep(calls, coin);
    },
  ],
  [
    "extend_blob_with_resource of another size",
    "storage_resource 2",
    (calls) => {
      const coin = calls.wal(RICH);
      const storage = calls.reserve(BYTES + 1, 5, coin);
      calls.call("system::extend_blob_with_resource", [calls.system, calls.tx.object(certified), storage]);
      keep(calls, coin);
    },
  ],
  [
    "extend_blob_with_resource that does not adjoin",
    "storage_resource 1",
    (calls) => {
      const coin = calls.wal(RICH);
      const storage = calls.reserve(BYTES, 5, coin);
      calls.call("system::extend_blob_with_resource", [calls.system, calls.tx.object(certified), storage]);
      keep(calls, coin);
    },
  ],
];

const onStorage =
  (
    run: (calls: Calls, storage: ReturnType<Calls["reserve"]>, second: ReturnType<Calls["reserve"]>) => void,
  ): Row[2] =>
  (calls) => {
    const coin = calls.wal(RICH);
    const [storage, second] = [calls.reserve(BYTES, 4, coin), calls.reserve(BYTES, 6, coin)];
    run(calls, storage, second);
    keep(calls, storage, coin);
  };

const STORAGE_AND_ATTRIBUTES: Row[] = [
  [
    "split_by_epoch at the start",
    "storage_resource 0",
    onStorage((calls, storage, second) => {
      keep(calls, second, calls.call("storage_resource::split_by_epoch", [storage, calls.tx.pure.u32(1)]));
    }),
  ],
  [
    "split_by_size above what is held",
    "storage_resource 2",
    onStorage((calls, storage, second) => {
      keep(
        calls,
        second,
        calls.call("storage_resource::split_by_size", [storage, calls.tx.pure.u64(BYTES + 1)]),
      );
    }),
  ],
  [
    "fuse_amount of other periods",
    "storage_resource 1",
    onStorage((calls, storage, second) => calls.call("storage_resource::fuse_amount", [storage, second])),
  ],
  [
    "fuse_periods that do not adjoin",
    "storage_resource 1",
    onStorage((calls, storage, second) => calls.call("storage_resource::fuse_periods", [storage, second])),
  ],
  [
    "add_metadata twice",
    "blob 7",
    (calls) => {
      const object = calls.tx.object(registered);
      calls.call("blob::add_metadata", [object, calls.call("metadata::new", [])]);
      calls.call("blob::add_metadata", [object, calls.call("metadata::new", [])]);
    },
  ],
  [
    "take_metadata of none",
    "blob 8",
    (calls) => calls.call("blob::take_metadata", [calls.tx.object(registered)]),
  ],
  [
    "remove_metadata_pair of no attributes",
    "blob 8",
    (calls) =>
      calls.call("blob::remove_metadata_pair", [calls.tx.object(registered), calls.tx.pure.string("a")]),
  ],
  [
    "remove_metadata_pair of an absent key",
    "vec_map 1",
    (calls) => {
      const [object, key] = [calls.tx.object(registered), calls.tx.pure.string("a")];
      calls.call("blob::insert_or_update_metadata_pair", [object, key, calls.tx.pure.string("b")]);
      calls.call("blob::remove_metadata_pair", [object, calls.tx.pure.string("c")]);
    },
  ],
  ["destroy_zero of a coin that holds something", "balance 0", (calls) => calls.destroy(calls.wal(1n))],
];

describe("aborts", () => {
  it.each([...RESERVE, ...REGISTER, ...CERTIFY, ...LIFE, ...STORAGE_AND_ATTRIBUTES])(
    "%s: %s",
    async (_name, abort, build) => {
      const calls = new Calls(network);
      build(calls);
      expect(await expectAbort(calls)).toBe(abort);
    },
  );

  it("calls into an old package abort, calls into none are refused", async () => {
    const { packages } = network.standIn.networkIds;
    for (const { version, packageId } of packages.walrus.slice(0, 2)) {
      const calls = new Calls(network, packageId);
      reserving(BYTES, 1)(calls);
      expect(await expectAbort(calls), `version ${version}`).toBe("system 1");
    }
    const nowhere = new Calls(network, `0x${"77".repeat(32)}`);
    reserving(BYTES, 1)(nowhere);
    await expect(nowhere.tx.build({ client: network.client })).rejects.toThrow("does not exist");
  });

  it("expired blobs are neither certified, extended nor deleted", async () => {
    const own = await testNetwork({ seed: "expiry" });
    const lapsed = await certifiedBlob(own, blob, { epochs: 1 });
    const open = await registerBlob(own, blob, { epochs: 1 });
    expect(own.standIn.advanceEpoch()).toBe(2);
    const certifyOpen = new Calls(own);
    certifyOpen.certify(
      open,
      certify(own.nodes, [0, 1, 2], 2, blob.blobId, { kind: "deletable", objectId: open }),
    );
    expect(await expectAbort(certifyOpen)).toBe("blob 2");
    const remove = new Calls(own);
    remove.give([remove.call("system::delete_blob", [remove.system, remove.tx.object(lapsed)])]);
    expect(await expectAbort(remove)).toBe("blob 2");
    const extend = new Calls(own);
    extending(() => lapsed, 1)(extend);
    expect(await expectAbort(extend)).toBe("blob 2");
    own.standIn.close();
  });
});
