// If this fails, Floe misreads the chain: prices, committees or blob objects come out wrong.
import { describe, expect, it } from "vitest";
import { blobIdFromU256, type ObjectId, parseObjectId } from "../../shared/protocol/ids.ts";
import { EVENT_LAYOUTS, parseWalrusEvent } from "../../shared/sui/walrus/events.ts";
import * as layouts from "../../shared/sui/walrus/layouts.ts";

interface OfficialLayout {
  parse(bytes: Uint8Array): unknown;
  serialize(value: unknown): { toBytes(): Uint8Array };
}

const OFFICIAL = new URL("../../node_modules/@mysten/walrus/dist/contracts/walrus/", import.meta.url);

/** The official SDK's generated layout; it is not among the package's exports. */
async function official(module: string, name: string): Promise<OfficialLayout> {
  const exports: Record<string, OfficialLayout> = await import(new URL(`${module}.mjs`, OFFICIAL).href);
  const layout = exports[name];
  if (layout === undefined) throw new Error(`the official SDK has no ${module}.${name}`);
  return layout;
}

const id = (byte: number): ObjectId => parseObjectId(`0x${byte.toString(16).padStart(2, "0").repeat(32)}`);
const key = (length: number, fill: number) => new Uint8Array(length).fill(fill);
const table = { id: id(0xaa), size: 5n };
const field = { id: id(0xab) };
const pending = [{ key: 7, value: 8n }];
const committee = [
  { key: id(1), value: [0, 2, 999] },
  { key: id(2), value: [1] },
];
const root = { id: id(1), version: 3n, package_id: id(2), new_package_id: id(3) };
const storage = { id: id(5), start_epoch: 1, end_epoch: 54, storage_size: 2n ** 63n };
const blob = {
  id: id(4),
  registered_epoch: 1,
  blob_id: 2n ** 255n + 11n,
  size: 12n,
  encoding_type: 1,
  certified_epoch: 2,
  storage,
  deletable: true,
};

const samples = {
  "system.System": [layouts.SystemLayout, root],
  "staking.Staking": [layouts.StakingLayout, { ...root, new_package_id: null }],
  "system_state_inner.SystemStateInnerV1": [
    layouts.SystemStateInnerLayout,
    {
      committee: {
        members: [
          { public_key: key(96, 1), weight: 3, node_id: id(1) },
          { public_key: key(96, 2), weight: 1, node_id: id(2) },
        ],
        n_shards: 4,
        epoch: 9,
        total_aggregated_key: key(48, 3),
      },
      total_capacity_size: 10n,
      used_capacity_size: 11n,
      storage_price_per_unit_size: 11000n,
      write_price_per_unit_size: 20000n,
      future_accounting: {
        current_index: 1,
        length: 2,
        ring_buffer: [
          { epoch: 10, used_capacity: 1n, rewards_to_distribute: 2n },
          { epoch: 9, used_capacity: 3n, rewards_to_distribute: 4n },
        ],
      },
      event_blob_certification_state: {
        latest_certified_blob: { blob_id: 77n, ending_checkpoint_sequence_number: 78n },
        aggregate_weight_per_blob: [
          { key: { blob_id: 1n, ending_checkpoint_sequence_number: 2n }, value: 3 },
        ],
      },
      deny_list_sizes: field,
    },
  ],
  "staking_inner.StakingInnerV1": [
    layouts.StakingInnerLayout,
    {
      n_shards: 4,
      epoch_duration: 86_400_000n,
      first_epoch_start: 5n,
      pools: table,
      epoch: 9,
      active_set: field,
      next_committee: committee,
      committee,
      previous_committee: [],
      next_epoch_params: {
        total_capacity_size: 1n,
        storage_price_per_unit_size: 2n,
        write_price_per_unit_size: 3n,
      },
      epoch_state: { $kind: "NextParamsSelected", NextParamsSelected: 123n },
      next_epoch_public_keys: { id: id(0xac) },
    },
  ],
  "staking_pool.StakingPool": [
    layouts.StakingPoolLayout,
    {
      id: id(1),
      state: { $kind: "Withdrawing", Withdrawing: 4 },
      voting_params: { storage_price: 1n, write_price: 2n, node_capacity: 3n },
      node_info: {
        name: "node-0",
        node_id: id(1),
        network_address: "127.0.0.1:9000",
        public_key: key(96, 4),
        next_epoch_public_key: key(96, 5),
        network_public_key: key(33, 6),
        metadata: field,
      },
      activation_epoch: 1,
      latest_epoch: 2,
      wal_balance: 3n,
      num_shares: 4n,
      pending_shares_withdraw: pending,
      pre_active_withdrawals: [],
      pending_commission_rate: pending,
      commission_rate: 500,
      exchange_rates: table,
      pending_stake: [],
      rewards_pool: 5n,
      commission: 6n,
      commission_receiver: { $kind: "ObjectID", ObjectID: id(9) },
      governance_authorized: { $kind: "Address", Address: id(10) },
      extra_fields: { id: id(0xad), size: 0n },
    },
  ],
  "storage_resource.Storage": [layouts.StorageLayout, storage],
  "blob.Blob": [layouts.BlobLayout, blob],
  "metadata.Metadata": [layouts.MetadataLayout, { metadata: [{ key: "_walrusBlobType", value: "quilt é" }] }],
} as const;

/** Drops the wrappers our layouts leave out: one-field structs, maps and tuples. */
function unwrapped(value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) return Array.from(value);
  if (Array.isArray(value)) {
    const only: unknown = value.length === 1 ? value[0] : undefined;
    if (typeof only === "object" && only !== null && "contents" in only) return unwrapped(only);
    return value.map(unwrapped);
  }
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  const [name, inner] = entries[0] ?? [];
  if (entries.length === 1 && (name === "value" || name === "bytes" || name === "contents"))
    return unwrapped(inner);
  return Object.fromEntries(entries.map(([field, part]) => [field, unwrapped(part)]));
}

describe("on-chain layouts", () => {
  it.each(Object.entries(samples))(
    "%s has the official fields, order and bytes",
    async (path, [ours, sample]) => {
      const [module = "", name = ""] = path.split(".");
      const theirs = await official(module, name);
      const layout = ours as unknown as OfficialLayout;
      const bytes = layout.serialize(sample).toBytes();
      const parsed = theirs.parse(bytes);
      expect(JSON.stringify(unwrapped(parsed))).toBe(JSON.stringify(unwrapped(layout.parse(bytes))));
      expect(theirs.serialize(parsed).toBytes()).toEqual(bytes);
    },
  );

  it("a Storage takes 48 bytes and a permanent, uncertified Blob 32+4+32+8+1+1+48+1", () => {
    expect(layouts.StorageLayout.serialize(storage).toBytes()).toHaveLength(48);
    expect(layouts.BlobLayout.serialize({ ...blob, certified_epoch: null }).toBytes()).toHaveLength(127);
  });

  it.each([
    ["missing", (bytes: Uint8Array) => bytes.slice(0, -1)],
    ["left over", (bytes: Uint8Array) => Uint8Array.from([...bytes, 0])],
  ])("refuses an object whose bytes are %s", (_name, change) => {
    const bytes = layouts.StorageLayout.serialize(storage).toBytes();
    expect(() => layouts.parseLayout(layouts.StorageLayout, change(bytes))).toThrow(
      expect.objectContaining({ code: "SUI_MALFORMED" }),
    );
  });
});

describe("events", () => {
  const certified = {
    epoch: 3,
    blob_id: 2n ** 200n,
    end_epoch: 5,
    deletable: false,
    object_id: id(7),
    is_extension: false,
  };

  it("BlobCertified takes 74 bytes and comes back with a blob ID", () => {
    const bytes = EVENT_LAYOUTS.BlobCertified.serialize(certified).toBytes();
    expect(bytes).toHaveLength(74);
    expect(parseWalrusEvent(`${id(0xf)}::events::BlobCertified`, bytes)).toEqual({
      kind: "BlobCertified",
      ...certified,
      blob_id: blobIdFromU256(2n ** 200n),
    });
  });

  it("BlobRegistered keeps the contract's field order", () => {
    const bytes = EVENT_LAYOUTS.BlobRegistered.serialize({
      epoch: 1,
      blob_id: 2n,
      size: 3n,
      encoding_type: 4,
      end_epoch: 5,
      deletable: true,
      object_id: id(6),
    }).toBytes();
    const expected = new Uint8Array(82);
    const view = new DataView(expected.buffer);
    view.setUint32(0, 1, true);
    expected[4] = 2;
    view.setUint32(36, 3, true);
    expected[44] = 4;
    view.setUint32(45, 5, true);
    expected[49] = 1;
    expected.fill(6, 50);
    expect(bytes).toEqual(expected);
  });

  it("leaves foreign types alone and refuses left-over bytes", () => {
    const bytes = EVENT_LAYOUTS.BlobCertified.serialize(certified).toBytes();
    expect(parseWalrusEvent(`${id(0xf)}::other::BlobCertified`, bytes)).toBeUndefined();
    expect(parseWalrusEvent(`${id(0xf)}::events::toString`, bytes)).toBeUndefined();
    expect(() =>
      parseWalrusEvent(`${id(0xf)}::events::BlobCertified`, Uint8Array.from([...bytes, 0])),
    ).toThrow(expect.objectContaining({ code: "SUI_MALFORMED" }));
  });
});
