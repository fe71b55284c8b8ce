// If this fails, a user pays twice, pays for nothing, or is told something that did not happen.
import { afterEach, describe, expect, it } from "vitest";
import type { Clock } from "../../../../shared/base/clock.ts";
import type { FailPoint } from "../../../../shared/base/fail-point.ts";
import { blobIdToU256 } from "../../../../shared/protocol/ids.ts";
import { registrationCost } from "../../../../shared/sui/wallet/price.ts";
import type { SpendingCaps } from "../../../../shared/sui/wallet/spending.ts";
import type { SubmitterStore } from "../../../../shared/sui/wallet/store.ts";
import type { RegisterRequest } from "../../../../shared/sui/wallet/submissions.ts";
import { Submitter } from "../../../../shared/sui/wallet/submitter.ts";
import { certifyRequest, registerRequest, WALLET } from "../walrus/fixtures.ts";
import { sqliteWalletStore } from "./node-sqlite-wallet.ts";
import { ScriptedChain } from "./scripted-chain.ts";

/** Time passes as fast as it is slept, except in the callers' own deadlines. */
class FastClock implements Clock {
  #nowMs = 1_700_000_000_000;
  /** Called after every pause, with the milliseconds slept so far. */
  onPause: (sleptMs: number) => void = () => {};
  #sleptMs = 0;
  nowMs(): number {
    return this.#nowMs;
  }
  advance(ms: number): void {
    this.#nowMs += ms;
  }
  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal !== undefined) {
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    }
    this.#nowMs += ms;
    this.#sleptMs += ms;
    this.onPause(this.#sleptMs);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

class World {
  readonly chain = new ScriptedChain();
  readonly clock = new FastClock();
  readonly store: SubmitterStore = sqliteWalletStore();
  /** Oldest reading that each snapshot was asked for. */
  readonly snapshotsAskedSince: number[] = [];
  submitter = this.start();

  start(failPoint: FailPoint = () => {}, caps: SpendingCaps = {}): Submitter {
    this.submitter = new Submitter({
      signer: { address: WALLET, sign: async () => "signature" },
      chain: this.chain,
      snapshot: async (minReadAtMs) => {
        this.snapshotsAskedSince.push(minReadAtMs);
        return this.chain.snapshot;
      },
      store: this.store,
      clock: this.clock,
      randomBytes: (count) => new Uint8Array(count),
      failPoint,
      caps,
    });
    return this.submitter;
  }
}

let world = new World();
afterEach(() => {
  for (const [use, digests] of world.chain.sentOverGas) {
    expect(digests.size, `transactions sent over ${use}`).toBe(1);
  }
  world = new World();
});

const COST = registrationCost(world.chain.snapshot, 1000, 2).totalFrost;
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "success",
    (error: { code?: string }) => error.code,
  );

describe("one registration", () => {
  it("is paid as quoted, and known by its event and object", async () => {
    const registered = await world.submitter.register(registerRequest(1));
    const [paid] = world.chain.registrations;
    expect(registered).toMatchObject({
      objectId: paid?.objectId,
      blobId: registerRequest(1).blobId,
      registeredEpoch: 3,
      storage: { startEpoch: 3, endEpoch: 5 },
      costFrost: COST,
      txDigest: paid?.digest,
      eventSeq: "0",
    });
    expect(world.store.ledgerRow(registered.objectId)).toMatchObject({
      principal: "alice",
      costFrost: COST,
      state: "registered",
    });
  });

  it("is paid once when the reply is lost", async () => {
    world.chain.deliveries = ["lose-reply", "answer"];
    const registered = await world.submitter.register(registerRequest(1));
    expect(world.chain.registrations).toEqual([expect.objectContaining({ objectId: registered.objectId })]);
  });

  it("is paid once when the reply is lost and no endpoint knows the transaction", async () => {
    world.chain.deliveries = ["lose-reply", "lose-reply", "lose-reply", "answer"];
    world.chain.hidesTransactions = true;
    await world.submitter.register(registerRequest(1));
    expect(world.chain.registrations).toHaveLength(1);
    expect([...world.chain.sent.values()]).toEqual([4]);
  });

  it("is paid once when it is unknown for 60 s and then lands", async () => {
    world.chain.deliveries = ["delay", "lose-request"];
    world.clock.onPause = (sleptMs) => {
      if (sleptMs > 60_000) world.chain.land();
    };
    const codes = [];
    while (codes.at(-1) !== "success") codes.push(await codeOf(world.submitter.register(registerRequest(1))));
    expect(codes[0]).toBe("SUBMISSION_PENDING");
    expect(world.chain.registrations).toHaveLength(1);
    expect(world.chain.sent.size).toBe(1);
  });

  it("is signed anew only when its epoch is over and nothing has used its coins", async () => {
    world.chain.deliveries = ["lose-request", "lose-request", "lose-request", "lose-request", "answer"];
    world.clock.onPause = (sleptMs) => {
      if (sleptMs > 1000) world.chain.epoch = 8n;
    };
    await world.submitter.register(registerRequest(1));
    expect(world.chain.sent.size).toBe(2);
    expect(world.chain.registrations).toHaveLength(1);
  });

  it("is not signed anew after its epoch when its coins were used by itself", async () => {
    world.chain.deliveries = ["lose-reply"];
    world.chain.hidesTransactions = true;
    world.clock.onPause = () => {
      world.chain.epoch = 9n;
    };
    expect(await codeOf(world.submitter.register(registerRequest(1)))).toBe("SUBMISSION_PENDING");
    expect(world.chain.sent.size).toBe(1);
    world.chain.hidesTransactions = false;
    await world.submitter.register(registerRequest(1));
    expect(world.chain.registrations).toHaveLength(1);
  });

  it("is signed anew when another transaction has used its gas coin", async () => {
    world.chain.deliveries = ["lose-request", "lose-request", "answer"];
    let isUsed = false;
    world.clock.onPause = () => {
      if (!isUsed) world.chain.useGasElsewhere();
      isUsed = true;
    };
    await world.submitter.register(registerRequest(1));
    expect(world.chain.sent.size).toBe(2);
    expect(world.chain.registrations).toHaveLength(1);
  });

  it("fails cleanly, with nothing signed, while no endpoint answers, and works afterwards", async () => {
    world.chain.isUnreachable = true;
    expect(await codeOf(world.submitter.register(registerRequest(1)))).toBe("SUI_UNREACHABLE");
    expect(world.chain.sent.size).toBe(0);
    world.chain.isUnreachable = false;
    expect(await codeOf(world.submitter.register(registerRequest(1)))).toBe("success");
  });

  it("refuses another request under the same intent", async () => {
    await world.submitter.register(registerRequest(1));
    const other = world.submitter.register(registerRequest(1, { epochs: 5 }));
    expect(await codeOf(other)).toBe("INTENT_CONFLICT");
    expect(world.chain.registrations).toHaveLength(1);
  });

  it("is quoted anew from a fresh snapshot after a price abort or a package upgrade", async () => {
    const abort = { kind: "move-abort", function: undefined, command: 1 } as const;
    world.chain.simulationFailures = [{ ...abort, module: "balance", abortCode: 2 }];
    world.chain.executionFailures = [{ ...abort, module: "system", abortCode: 1 }];
    await world.submitter.register(registerRequest(1));
    expect(world.snapshotsAskedSince[0]).toBe(0);
    expect(world.snapshotsAskedSince).toHaveLength(3);
    expect(world.snapshotsAskedSince.slice(1).every((since) => since > 0)).toBe(true);
    expect(world.chain.registrations).toHaveLength(1);
  });

  it("is given up with its last cause when congestion never ends", async () => {
    world.chain.executionFailures = Array.from({ length: 20 }, () => ({ kind: "congestion" }));
    expect(await codeOf(world.submitter.register(registerRequest(1)))).toBe("SUBMISSION_GAVE_UP");
    expect(world.chain.registrations).toHaveLength(0);
  });
});

describe("death between any two steps", () => {
  const steps = ["wallet.before-sign", "wallet.after-persist", "wallet.after-send", "wallet.after-effects"];

  it.each(
    steps.flatMap((step) => [
      [step, "the caller asks again"],
      [step, "nobody asks"],
    ]),
  )("pays one registration and one certification after %s when %s", async (step, who) => {
    let deaths = 0;
    const dieOnce: FailPoint = (name) => {
      if (name === step && deaths++ === 0) throw new Error("died");
    };
    const finish = async (ask: () => Promise<unknown>) => {
      deaths = 0;
      world.start(dieOnce);
      await expect(ask()).rejects.toThrow("died");
      world.start();
      if (who === "nobody asks") await world.submitter.drive();
      else await ask();
      expect(world.submitter.hasWork).toBe(false);
    };
    await finish(() => world.submitter.register(registerRequest(1)));
    const { objectId } = await world.submitter.register(registerRequest(1));
    await finish(() => world.submitter.certify(certifyRequest("certify-1", objectId)));
    await world.submitter.certify(certifyRequest("certify-1", objectId));
    expect(world.chain.registrations).toHaveLength(1);
    expect(world.chain.certifications).toHaveLength(1);
    expect(world.store.ledgerRow(objectId)?.state).toBe("certified");
  });
});

describe("many submissions", () => {
  it("makes one registration of 20 identical requests", async () => {
    const all = await Promise.all(
      Array.from({ length: 20 }, () => world.submitter.register(registerRequest(1))),
    );
    expect(new Set(all.map((each) => each.objectId)).size).toBe(1);
    expect(world.chain.registrations).toHaveLength(1);
  });

  it("registers and certifies 50 different blobs in few transactions", async () => {
    const registered = await Promise.all(
      Array.from({ length: 50 }, (_, i) => world.submitter.register(registerRequest(i))),
    );
    expect(registered.map((each, i) => each.blobId === registerRequest(i).blobId)).not.toContain(false);
    await Promise.all(
      registered.map(({ objectId }, i) => world.submitter.certify(certifyRequest(`certify-${i}`, objectId))),
    );
    expect(world.chain.certifications).toHaveLength(50);
    expect(world.chain.sent.size).toBeLessThanOrEqual(4);
  });

  it("keeps a transaction to 100 registrations", async () => {
    await Promise.all(
      Array.from({ length: 230 }, (_, i) =>
        world.submitter.register(registerRequest(i % 200, { intentId: `register ${i}` })),
      ),
    );
    const perDigest = Map.groupBy(world.chain.registrations, ({ digest }) => digest);
    expect(Math.max(...[...perDigest.values()].map((each) => each.length))).toBeLessThanOrEqual(100);
    expect(world.chain.registrations).toHaveLength(230);
  });

  it("fails one bad registration of 20 alone, by the contract's own reason", async () => {
    const bad = registerRequest(7);
    world.chain.badBlobs.add(blobIdToU256(bad.blobId));
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => world.submitter.register(registerRequest(i))),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(19);
    expect(outcomes[7]).toMatchObject({
      status: "rejected",
      reason: { code: "MOVE_ABORT", abort: "blob::EInvalidBlobId" },
    });
  });

  it("finds the bad one by halves when the failure names no command", async () => {
    const bad = blobIdToU256(registerRequest(5).blobId);
    const build = world.chain.build.bind(world.chain);
    world.chain.build = async (transaction) => {
      world.chain.badBlobs.add(bad);
      const failure = await build(transaction).then(
        () => undefined,
        (error: { failure?: unknown }) => error,
      );
      if (failure?.failure === undefined) return build(transaction);
      Object.assign(failure, { failure: { kind: "other", message: "something", command: undefined } });
      throw failure;
    };
    const outcomes = await Promise.allSettled(
      Array.from({ length: 12 }, (_, i) => world.submitter.register(registerRequest(i))),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(11);
    expect(outcomes[5]).toMatchObject({ status: "rejected", reason: { code: "EXECUTION_FAILED" } });
  });

  it("keeps two registrations of one blob apart by the order of their events", async () => {
    const twin = (name: string): RegisterRequest => registerRequest(1, { intentId: name, deletable: true });
    // The first one goes alone, the twins share the next transaction.
    const [, first, second] = await Promise.all([
      world.submitter.register(registerRequest(9)),
      world.submitter.register(twin("a")),
      world.submitter.register(twin("b")),
    ]);
    expect(first.txDigest).toBe(second.txDigest);
    expect([first.eventSeq, second.eventSeq]).toEqual(["0", "1"]);
    expect(first.objectId).not.toBe(second.objectId);
    expect(world.chain.registrations).toHaveLength(3);
  });
});

describe("money", () => {
  it("refuses what the WAL does not cover, with both balances and the need, and buys the rest", async () => {
    world.chain.walFrost = COST;
    const outcomes = await Promise.allSettled([
      world.submitter.register(registerRequest(1, { epochs: 9 })),
      world.submitter.register(registerRequest(2)),
    ]);
    expect(outcomes[0]).toMatchObject({
      reason: {
        code: "INSUFFICIENT_WAL",
        details: { need: expect.any(BigInt), free: COST, walFrost: COST, suiMist: 10n ** 12n },
      },
    });
    expect(outcomes[1].status).toBe("fulfilled");
  });

  it.each([
    ["per request", { perRequestFrost: COST - 1n }, 0],
    ["per principal and day", { perPrincipalPerDayFrost: 2n * COST }, 2],
    ["per day", { perDayFrost: 3n * COST }, 3],
  ])("stops at the cap %s, also within one batch, until the next day", async (_cap, caps, bought) => {
    world.start(undefined, caps);
    const all = () =>
      Promise.all(Array.from({ length: 5 }, (_, i) => codeOf(world.submitter.register(registerRequest(i)))));
    const codes = await all();
    expect(codes.filter((code) => code === "success")).toHaveLength(bought);
    expect(codes.filter((code) => code === "SPENDING_CAP_EXCEEDED")).toHaveLength(5 - bought);
    world.clock.advance(86_400_000);
    await all();
    expect(world.chain.registrations.length).toBe(Math.min(5, 2 * bought));
  });

  it("charges nothing for a transaction that failed on chain", async () => {
    world.start(undefined, { perDayFrost: COST });
    world.chain.executionFailures = [{ kind: "other", message: "no", command: undefined }];
    expect(await codeOf(world.submitter.register(registerRequest(1)))).toBe("EXECUTION_FAILED");
    expect(await codeOf(world.submitter.register(registerRequest(2)))).toBe("success");
  });

  it("does not count a cancelled transaction against the cap of its own retry", async () => {
    world.start(undefined, { perDayFrost: COST });
    world.chain.executionFailures = [{ kind: "congestion" }];
    expect(await codeOf(world.submitter.register(registerRequest(1)))).toBe("success");
  });
});

describe("certifying and sweeping", () => {
  it("takes a newer certificate for an intent that failed, and none for one that succeeded", async () => {
    const { objectId } = await world.submitter.register(registerRequest(1));
    const abort = { kind: "move-abort", module: "messages", abortCode: 1, function: undefined, command: 0 };
    world.chain.executionFailures = [{ ...abort, kind: "move-abort" }];
    const ask = (signers: number[]) =>
      world.submitter.certify(
        certifyRequest("certify", objectId, {
          certificate: { signers, message: new Uint8Array(40), signature: new Uint8Array(96) },
        }),
      );
    await expect(ask([0, 1, 2])).rejects.toMatchObject({ abort: "messages::EIncorrectEpoch" });
    const certified = await ask([0, 1, 3]);
    expect(await ask([1, 2, 3])).toEqual(certified);
    expect(world.chain.certifications).toHaveLength(1);
  });

  it("notes in the ledger that a blob was handed over", async () => {
    const { objectId } = await world.submitter.register(registerRequest(1));
    await world.submitter.certify(certifyRequest("certify", objectId, { sendObjectTo: WALLET }));
    expect(world.store.ledgerRow(objectId)?.state).toBe("handed-over");
  });

  it("refuses a certificate with a signer outside the committee, alone", async () => {
    const [a, b] = await Promise.all([
      world.submitter.register(registerRequest(1)),
      world.submitter.register(registerRequest(2)),
    ]);
    const certificate = { signers: [0, 4], message: new Uint8Array(40), signature: new Uint8Array(96) };
    const codes = await Promise.all([
      codeOf(world.submitter.certify(certifyRequest("a", a.objectId, { certificate }))),
      codeOf(world.submitter.certify(certifyRequest("b", b.objectId))),
    ]);
    expect(codes).toEqual(["INVALID_SUBMISSION", "success"]);
  });

  it("deletes swept deletable registrations and reuses swept permanent ones without paying", async () => {
    const deletable = await world.submitter.register(registerRequest(1, { deletable: true }));
    const permanent = await world.submitter.register(registerRequest(2));
    const certified = await world.submitter.register(registerRequest(3));
    await world.submitter.certify(certifyRequest("certify", certified.objectId));
    world.clock.advance(1000);
    await world.submitter.sweep(1000);
    expect(world.chain.deletions).toEqual([deletable.objectId]);
    const again = await world.submitter.register(registerRequest(2, { intentId: "another" }));
    expect(again).toEqual(permanent);
    // Whoever had bought them may come back, and buys anew.
    await world.submitter.register(registerRequest(1, { deletable: true }));
    expect((await world.submitter.register(registerRequest(2))).objectId).not.toBe(permanent.objectId);
    expect(world.chain.registrations).toHaveLength(5);
    const stranger = registerRequest(2, { intentId: "stranger", principal: "bob" });
    expect((await world.submitter.register(stranger)).objectId).not.toBe(permanent.objectId);
    expect(world.chain.registrations).toHaveLength(6);
  });

  it("answers a second intent over one object with the certification there is", async () => {
    const { objectId } = await world.submitter.register(registerRequest(1));
    const first = await world.submitter.certify(certifyRequest("first", objectId));
    expect(await world.submitter.certify(certifyRequest("second", objectId))).toEqual(first);
    expect(world.chain.certifications).toHaveLength(1);
  });
});
