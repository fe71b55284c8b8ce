// If this fails, events that an upgrade of the contracts brought are not read, and a population misses their blobs.
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import { describe, expect, it } from "vitest";
import { parseObjectId } from "../../../shared/protocol/ids.ts";
import { eventFilter, readEventPackages } from "../../../shared/sui/event-pages.ts";
import { testNetwork } from "../../support/sui-network.ts";

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
});
