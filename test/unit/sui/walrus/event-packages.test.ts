// If this fails, events that an upgrade of the contracts brought are not read, and a population misses their blobs.
import { GrpcTypes, type SuiGrpcClient } from "@mysten/sui/grpc";
import { describe, expect, it, vi } from "vitest";
import { parseObjectId } from "../../../../shared/protocol/ids.ts";
import { suiChainReader } from "../../../../shared/sui/walrus/chain-reader.ts";
import { eventFilter, readEventPackages, readEventPage } from "../../../../shared/sui/walrus/event-pages.ts";
import { testNetwork } from "../../../support/sui/network.ts";

const [first, third, newest] = ["0x1", "0x3", "0x5"].map(parseObjectId);

/** A package whose types came with these releases. */
function clientOf(origins: readonly (readonly [string, string, string | undefined])[]): SuiGrpcClient {
  const typeOrigins = origins.map(([moduleName, datatypeName, packageId]) => {
    return { moduleName, datatypeName, packageId };
  });
  const getPackage = async () => ({ response: { package: { typeOrigins } } });
  // Nothing else is called.
  return { movePackageService: { getPackage } } as unknown as SuiGrpcClient;
}

describe("the packages whose events are read", () => {
  it("are those that brought an event, also releases between the first and the newest, each once", async () => {
    const client = clientOf([
      ["events", "BlobRegistered", first],
      ["events", "BlobCertified", first],
      ["events", "PooledBlobRegistered", third],
      ["blob", "Blob", "0x4"],
    ]);
    const packages = await readEventPackages(client, newest ?? parseObjectId("0x5"));
    expect(packages).toEqual([first, third]);
    expect(eventFilter(packages).terms).toHaveLength(2);
  });

  it("are an error when there are none", async () => {
    const none = readEventPackages(clientOf([["blob", "Blob", first]]), parseObjectId("0x5"));
    await expect(none).rejects.toMatchObject({ code: "SUI_MALFORMED" });
  });

  it("stay the same through an upgrade that brings no event", async () => {
    const { standIn, client } = await testNetwork();
    const { originalPackageId } = standIn.networkIds;
    expect(await readEventPackages(client, standIn.packageId)).toEqual([originalPackageId]);
    const next = standIn.upgradePackage();
    expect(await readEventPackages(client, next)).toEqual([originalPackageId]);
    standIn.close();
  });

  it("are those of a release that came into force before the checkpoint up to which is read", async () => {
    const { standIn, client } = await testNetwork();
    const { systemObjectId, stakingObjectId } = standIn.networkIds;
    let nowMs = 0;
    const clock = { nowMs: () => ++nowMs, sleep: async () => {} };
    const reader = suiChainReader(client, { systemObjectId, stakingObjectId }, clock);
    const asked = vi.spyOn(client.movePackageService, "getPackage");
    const packagesAsked = () => asked.mock.calls.map(([{ packageId }]) => packageId);
    const before = await reader.tip();
    await reader.events(undefined, before);
    const next = standIn.upgradePackage();
    standIn.tick();
    // No time has passed for a cache, and still nothing of the new release is missed.
    await reader.events(before, await reader.tip());
    await reader.events(before, await reader.tip());
    expect(packagesAsked()).toEqual([expect.any(String), next]);
    standIn.close();
  });
});

describe("an event of a kind that is not known", () => {
  /** One page of events of these types; the contents are those of an `EpochChangeDone`. */
  function listing(types: readonly string[]): SuiGrpcClient {
    async function* responses() {
      for (const [i, eventType] of types.entries()) {
        const event = {
          eventType,
          contents: { value: new Uint8Array(4) },
          transactionDigest: "D",
          checkpoint: 9n,
        };
        yield { event, watermark: { cursor: Uint8Array.of(i) } };
      }
      yield {
        watermark: { cursor: Uint8Array.of(99) },
        end: { reason: GrpcTypes.QueryEndReason.LEDGER_TIP },
      };
    }
    // Nothing else is called.
    return { ledgerService: { listEvents: () => ({ responses: responses() }) } } as unknown as SuiGrpcClient;
  }

  it("keeps its place among the others, which count by it", async () => {
    const types = ["EpochChangeDone", "Unheard", "EpochChangeDone"].map((name) => `0x5::events::${name}`);
    const { events } = await readEventPage(listing(types), { packages: [] });
    expect(events.map(({ event }) => event)).toEqual([
      { kind: "EpochChangeDone", epoch: 0 },
      { kind: "Unknown", name: "Unheard", isHarmless: false },
      { kind: "EpochChangeDone", epoch: 0 },
    ]);
  });
});
