// If this fails, uploads that come at once pay for each other, starve each other, or fail because one of them is bad.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { metadataRootHash } from "../../../shared/codec/blob-id.ts";
import { encodeBlob } from "../../support/codec/encoded-blob.ts";
import { HookError } from "../../support/edge/fault-edge.ts";
import { FaultSystem } from "../../support/edge/fault-system.ts";
import { StateChecker } from "../../support/edge/state-checker.ts";
import { prng } from "../../support/system.ts";
import { OutcomeTable } from "./outcomes.ts";

const LONG = process.env["FLOE_LONG"] === "1";
const N_SHARDS = 4;
const EPOCHS = 3;

let system: FaultSystem;
let checker: StateChecker;
const table = new OutcomeTable();

beforeAll(async () => {
  system = await FaultSystem.start({ nodes: 4, shards: N_SHARDS, seed: "load" });
  checker = await StateChecker.create(system);
});
afterAll(async () => {
  console.log(table.toString());
  await system[Symbol.asyncDispose]();
});

/**
 * All at once, as clients do it: told that there is no room (503 with `retry-after`, nothing paid), one comes again;
 * told that nodes took too long (504, which all of this on one slow machine may), one repeats the request.
 *
 * @returns how many were sent away at least once
 */
async function publishAll(contents: readonly Uint8Array[], query: string): Promise<number> {
  const sentAway = await Promise.all(
    contents.map(async (content) => {
      // As often as it takes: how long that is depends on the machine.
      for (let attempt = 0; ; attempt++) {
        const response = await system.publish(content, query);
        const text = await response.text();
        if (response.status === 200) return attempt;
        expect(text).toMatch(response.status === 503 ? /OVERLOADED/ : /INSUFFICIENT_CONFIRMATIONS/);
        await sleep(1_000 * Number(response.headers.get("retry-after") ?? 1));
      }
    }),
  );
  return sentAway.filter((attempts) => attempts > 0).length;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("D5: uploads at once", () => {
  const IDENTICAL = LONG ? 50 : 20;
  it(`${IDENTICAL} identical ones pay one registration and one certification`, async () => {
    const content = prng(31, 400);
    const startMs = performance.now();
    const sentAway = await publishAll(new Array(IDENTICAL).fill(content), `epochs=${EPOCHS}&permanent=true`);
    const outcome = `all 200, ${sentAway} of them after another answer`;
    const recoveryMs = performance.now() - startMs;
    table.add({ row: "D5", step: `${IDENTICAL} identical PUTs`, fault: "-", outcome, recoveryMs });
    expect(await checker.violations({ content, epochs: EPOCHS, deletable: false })).toEqual([]);
  }, 600_000);

  const DIFFERENT = LONG ? 200 : 50;
  it(`${DIFFERENT} different ones are all certified, in few transactions`, async () => {
    const before = await checker.transactions();
    const contents = Array.from({ length: DIFFERENT }, (_, index) => prng(4000 + index, 100 + index));
    const startMs = performance.now();
    const sentAway = await publishAll(contents, `epochs=${EPOCHS}`);
    const recoveryMs = performance.now() - startMs;
    const after = await checker.transactions();
    const register = after.register - before.register;
    const certify = after.certify - before.certify;
    const outcome = `all 200 (${sentAway} after another answer), ${register} register and ${certify} certify transactions`;
    table.add({ row: "D5", step: `${DIFFERENT} different PUTs`, fault: "-", outcome, recoveryMs });
    expect(register).toBeLessThanOrEqual(DIFFERENT / 2);
    for (const content of contents) {
      expect(await checker.violations({ content, epochs: EPOCHS, deletable: true })).toEqual([]);
    }
  }, 600_000);

  it("one bad among 20 registrations fails alone, by its own error", async () => {
    const BAD = 13;
    const before = await checker.transactions();
    const blobs = Array.from({ length: 20 }, (_, index) => encodeBlob(N_SHARDS, prng(5000 + index, 200)));
    const startMs = performance.now();
    const answers = await Promise.all(
      blobs.map(({ metadata }, index) =>
        system.edge
          .call("WALLET", "main", "register", {
            intentId: `batch-${index}`,
            principal: "somebody",
            blobId: metadata.blobId,
            // Not what the blob ID was derived from: the contract aborts the whole transaction.
            rootHash: index === BAD ? new Uint8Array(32) : metadataRootHash(metadata),
            unencodedLength: metadata.unencodedLength,
            nShards: N_SHARDS,
            deletable: true,
            epochs: EPOCHS,
            attributes: [],
          })
          .then(
            () => "registered",
            (error: unknown) => (error instanceof HookError ? error.message : String(error)),
          ),
      ),
    );
    const recoveryMs = performance.now() - startMs;
    expect(answers.filter((answer) => answer === "registered")).toHaveLength(19);
    expect(answers[BAD]).toMatch(/EInvalidBlobId/);
    for (const [index, { blob, metadata }] of blobs.entries()) {
      const { registered } = await checker.history(metadata.blobId);
      expect([blob.length, registered.length]).toEqual([200, index === BAD ? 0 : 1]);
    }
    const { register } = await checker.transactions();
    const outcome = `19 registered in ${register - before.register} transactions`;
    table.add({ row: "C2", step: "register, 20 at once", fault: "one bad root hash", outcome, recoveryMs });
  });
});
