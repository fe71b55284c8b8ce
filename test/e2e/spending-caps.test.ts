// If this fails, a publisher spends more of its operator's money than the operator allowed.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseConfig } from "../../functions/base/env.ts";
import { chainEvents } from "../support/sui/chain.ts";
import { prng, type System, startSystem } from "../support/system.ts";
import { until } from "../support/until.ts";

// 10 shards: 1 KiB is below 1 MiB encoded, so one unit: 11000 FROST an epoch and 20000 for writing.
const ONE_EPOCH_FROST = 11_000 + 20_000;

const DAY_MS = 86_400_000;
/** Before midnight; three uploads take a second or two. */
const LAST_MS = 90_000;

describe("spending caps", () => {
  let system: System;
  beforeAll(async () => {
    system = await startSystem(
      { nodes: 4, shards: 10, seed: "caps" },
      {
        bindings: {
          MAX_SPEND_PER_REQUEST_FROST: String(ONE_EPOCH_FROST),
          MAX_SPEND_PER_DAY_FROST: String(2 * ONE_EPOCH_FROST),
        },
      },
    );
  });
  afterAll(() => system[Symbol.asyncDispose]());

  const registrations = async (): Promise<number> =>
    (await chainEvents(system.network.file, "BlobRegistered")).length;

  it("refuse a request above the cap per request with the numbers, and pay nothing", async () => {
    const response = await system.publish(prng(1, 1024), "epochs=2");
    expect(response.status).toBe(403);
    expect(await response.text()).toContain(`${ONE_EPOCH_FROST + 11_000} FROST`);
    expect(await registrations()).toBe(0);
  });

  it("serve what fits into the day and refuse what does not", async () => {
    // Not over midnight: then what does not fit fits into the next day.
    await until("the next day", () => DAY_MS - (Date.now() % DAY_MS) > LAST_MS);
    await system.publishBlob(prng(2, 1024), "epochs=1");
    await system.publishBlob(prng(3, 1024), "epochs=1");
    const response = await system.publish(prng(4, 1024), "epochs=1");
    expect(response.status).toBe(403);
    expect(await response.text()).toContain("per day");
    expect(await registrations()).toBe(2);
  });

  it("must be amounts", () => {
    const env = {
      NETWORK_KIND: "local",
      SUI_RPC_URLS: "http://127.0.0.1:1",
      MAX_SPEND_PER_DAY_FROST: "1 WAL",
    };
    // Only settings are read; the bindings of objects play no part.
    expect(() => parseConfig({ ...env, SYSTEM_OBJECT_ID: "0x1", STAKING_OBJECT_ID: "0x2" } as never)).toThrow(
      /MAX_SPEND_PER_DAY_FROST must be an amount of FROST/,
    );
  });
});
