// If this fails, an edge goes on paying, or asking for, a price that the network no longer has.
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type System, startSystem } from "../support/system.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ seed: "prices" });
});
afterAll(() => system[Symbol.asyncDispose]());

async function setPrices(storage: number, write: number): Promise<void> {
  const url = `${system.network.file.control?.url}/v1/sui/price`;
  const response = await fetch(url, { method: "POST", body: JSON.stringify({ storage, write }) });
  expect([response.status, await response.json()]).toEqual([
    200,
    { storage: String(storage), write: String(write) },
  ]);
}

async function costOfPublishing(): Promise<number> {
  const response = await system.publish(randomBytes(1000), "epochs=3");
  expect(response.status).toBe(200);
  return ((await response.json()) as { newlyCreated: { cost: number } }).newlyCreated.cost;
}

test("the next publish after a change pays the new price, a higher one and a lower one", async () => {
  await setPrices(1_000, 700);
  const cost = await costOfPublishing();
  expect(cost).toBeGreaterThan(0);
  await setPrices(5_000, 3_500);
  expect(await costOfPublishing()).toBe(5 * cost);
  await setPrices(1_000, 700);
  expect(await costOfPublishing()).toBe(cost);
});
