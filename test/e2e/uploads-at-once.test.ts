// If this fails, a burst of uploads to a network of mainnet's size is paid for and not certified.
import { afterAll, beforeAll, expect, it } from "vitest";
import { chainEvents } from "../support/sui/chain.ts";
import { bytesOf, prng, type System, sameBytes, startSystem, uploadsOver } from "../support/system.ts";

const isLong = process.env["FLOE_LONG"] === "1";
/** Each at 1000 shards in the long run: 2,200 requests to nodes. */
const NETWORK = isLong ? { nodes: 100, shards: 1000 } : { nodes: 4, shards: 10 };
const AT_ONCE = 20;

let system: System;
beforeAll(async () => {
  system = await startSystem(NETWORK);
});
afterAll(() => system[Symbol.asyncDispose]());

it(`${AT_ONCE} uploads at once to ${NETWORK.shards} shards are certified, or refused before payment`, async () => {
  const contents = Array.from({ length: AT_ONCE }, (_, index) => prng(700 + index, 2_000));
  const answers = await Promise.all(
    contents.map(async (content) => {
      const response = await system.publish(content);
      return { status: response.status, text: await response.text() };
    }),
  );
  const stored = answers.flatMap(({ status, text }, index) => {
    if (status === 200) {
      const { newlyCreated } = JSON.parse(text) as { newlyCreated: { blobObject: { blobId: string } } };
      return [{ index, blobId: newlyCreated.blobObject.blobId }];
    }
    expect([status, text]).toEqual([503, expect.stringContaining("OVERLOADED")]);
    return [];
  });
  console.log(`${stored.length} of ${AT_ONCE} certified, the others answered 503`);
  expect(stored.length).toBeGreaterThan(0);
  expect((await chainEvents(system.network.file, "BlobRegistered")).length).toBe(stored.length);
  expect((await chainEvents(system.network.file, "BlobCertified")).length).toBe(stored.length);
  for (const { index, blobId } of stored) {
    expect(sameBytes(await bytesOf(await system.read(blobId)), contents[index] ?? new Uint8Array())).toBe(
      true,
    );
  }
  await uploadsOver(
    system,
    stored.map(({ blobId }) => blobId),
  );
});
