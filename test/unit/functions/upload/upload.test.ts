// If this fails, an upload that lost its client, its isolate or some of its nodes is not finished, or paid twice.
import { describe, expect, it } from "vitest";
import type { EdgePorts } from "../../../../functions/http/ports.ts";
import { TRACKER_LIMITS } from "../../../../functions/tracker/limits.ts";
import type { StagedObjects } from "../../../../functions/tracker/staged-objects.ts";
import { finishUpload } from "../../../../functions/upload/finish-upload.ts";
import type { BlobId } from "../../../../shared/protocol/ids.ts";
import { SubmissionError } from "../../../../shared/sui/wallet/submissions.ts";
import { ScriptedEdge } from "../../../support/edge/scripted-edge.ts";
import { EPOCH, refuse, ScriptedNodes } from "../../../support/nodes/scripted-nodes.ts";

const SHARDS = [2, 1, 1, 1, 1, 1, 1, 1, 1];
const TEXT = new TextEncoder().encode("some other string");
const edge = (): ScriptedEdge => new ScriptedEdge(new ScriptedNodes(SHARDS));

function blobIdOf(target: ScriptedEdge, content: Uint8Array = TEXT): BlobId {
  const encoder = target.nodes.codec.openEncoder(10, content.length);
  encoder.write(content);
  const { blobId } = encoder.metadata();
  encoder.release();
  return blobId;
}

const put = (
  target: ScriptedEdge,
  query = "epochs=2",
  overrides: Partial<EdgePorts> = {},
  headers: Record<string, string> = {},
) => target.fetch(`/v1/blobs?${query}`, { method: "PUT", body: TEXT.slice(), headers }, overrides);

/** Stands for the end of the isolate at a step, once. */
function dieAt(step: string): Partial<EdgePorts> {
  let isArmed = true;
  return {
    failPoint: (name) => {
      if (!isArmed || name !== step) return;
      isArmed = false;
      throw new Error(`died at ${step}`);
    },
  };
}

async function status(target: ScriptedEdge) {
  return target.tracker(blobIdOf(target)).service.status();
}

/** Runs alarms until nothing is unfinished. */
async function runAlarms(target: ScriptedEdge): Promise<void> {
  const tracker = target.tracker(blobIdOf(target));
  for (let i = 0; i < 20; i++) {
    const { intents = [] } = (await status(target)) ?? {};
    if (intents.every(({ state }) => ["certified", "dropped", "abandoned"].includes(state))) return;
    await tracker.runAlarm();
  }
}

const missingSlivers = (target: ScriptedEdge): number =>
  2 * 10 -
  target.nodes.stored.reduce(
    (sum, kept) => sum + [...kept.keys()].filter((key) => !key.endsWith("metadata")).length,
    0,
  );

describe("an upload whose isolate dies", () => {
  const steps = [
    "staging.after-hold",
    "publish.before-register",
    "publish.after-register",
    "publish.after-registered",
    "publish.after-certificate",
    "publish.after-certify",
    "publish.after-certified",
  ];
  it.each(steps)("at %s is finished by the alarm, paid once and spread to every shard", async (step) => {
    const target = edge();
    expect((await put(target, "epochs=2", dieAt(step))).status).toBe(500);
    await runAlarms(target);
    expect((await status(target))?.intents).toMatchObject([{ state: "certified" }]);
    expect(target.registered).toHaveLength(1);
    expect(new Set(target.certified.map(({ intentId }) => intentId)).size).toBe(1);
    const read = await target.fetch(`/v1/blobs/${blobIdOf(target)}`);
    expect(await read.text()).toBe("some other string");
    await Promise.all(target.background);
    expect(missingSlivers(target)).toBe(0);
  });

  it.each(["publish.after-begin", "staging.before-open", "staging.after-piece", "staging.before-hold"])(
    "at %s has cost nothing, and the next request stores the blob",
    async (step) => {
      const target = edge();
      await put(target, "epochs=2", dieAt(step));
      await runAlarms(target);
      expect((await status(target))?.intents).toMatchObject([{ state: "dropped" }]);
      expect(target.registered).toEqual([]);
      expect((await put(target)).status).toBe(200);
      expect(target.registered).toHaveLength(1);
    },
  );

  it("and whose tracker and Uploader die as well is still finished", async () => {
    const target = edge();
    const tracker = target.tracker(blobIdOf(target));
    await put(target, "epochs=2", dieAt("publish.after-register"));
    tracker.die();
    const deaths = ["uploader.before-finish", "uploader.after-read", "publish.after-certificate"];
    tracker.uploader = {
      finish: (blobId, intentId) =>
        finishUpload(target.services(dieAt(deaths.shift() ?? "")), blobId, intentId),
      finishTail: async () => {},
    };
    await runAlarms(target);
    expect(deaths).toEqual([]);
    expect((await status(target))?.intents).toMatchObject([{ state: "certified" }]);
    expect(target.registered).toHaveLength(1);
  });
});

describe("identical requests", () => {
  it("at once are one upload: one works, each sliver is sent once, all get its answer", async () => {
    const target = edge();
    for (let node = 0; node < SHARDS.length; node++) {
      target.nodes.scripts.set(node, async () => {
        await target.nodes.clock.sleep(10);
        return undefined;
      });
    }
    const responses = await Promise.all(Array.from({ length: 20 }, () => put(target)));
    const answers = await Promise.all(responses.map((response) => response.text()));
    expect(new Set(responses.map(({ status: code }) => code))).toEqual(new Set([200]));
    expect(new Set(answers).size).toBe(1);
    await Promise.all(target.background);
    expect(target.registered).toHaveLength(1);
    const puts = target.nodes.requests.filter(({ route }) => route.name === "sliver");
    expect(puts).toHaveLength(20);
  });

  it("all hear it when the upload fails, and nothing is paid for when the wallet is empty", async () => {
    const target = edge();
    const wallet = {
      ...target.services().wallet,
      register: () =>
        Promise.reject(
          new SubmissionError("INSUFFICIENT_SUI", "not enough SUI: needs 7 MIST, 3 free", { details: {} }),
        ),
    };
    const responses = await Promise.all([1, 2, 3].map(() => put(target, "epochs=2", { wallet })));
    for (const response of responses) {
      expect(response.status).toBe(500);
      expect(await response.text()).toContain(
        "could not find SUI coins with sufficient balance; register: not enough",
      );
    }
    expect((await status(target))?.intents).toMatchObject([{ state: "dropped" }]);
    expect((await status(target))?.staging).toBeNull();
    expect((await put(target)).status).toBe(200);
  });

  it("go on for a wallet that leaves the outcome open, and pay once", async () => {
    const target = edge();
    const { wallet } = target.services();
    const pending = new SubmissionError("SUBMISSION_PENDING", "ask again", { retryable: true });
    const register: typeof wallet.register = async (request) => {
      await wallet.register(request);
      throw pending;
    };
    expect((await put(target, "epochs=2", { wallet: { ...wallet, register } })).status).toBe(503);
    expect((await status(target))?.intents).toMatchObject([{ state: "begun" }]);
    await runAlarms(target);
    expect((await status(target))?.intents).toMatchObject([{ state: "certified" }]);
    expect(target.registered).toHaveLength(1);
  });
});

describe("an upload beyond f faulty shards", () => {
  it("is refused with the numbers, kept, and finished by the alarm once nodes are back", async () => {
    const target = edge();
    for (let node = 0; node < 4; node++) target.nodes.scripts.set(node, refuse("INVALID_SLIVER"));
    const response = await put(target);
    expect(response.status).toBe(504);
    expect(await response.text()).toMatch(/have 5 of 7 shards/);
    expect(await status(target)).toMatchObject({
      staging: { store: "sqlite", bytes: TEXT.length },
      intents: [{ state: "registered", failure: { code: "INSUFFICIENT_CONFIRMATIONS", attempt: 1 } }],
    });
    target.nodes.scripts.clear();
    const before = target.nodes.requests.length;
    await runAlarms(target);
    await Promise.all(target.background);
    expect((await status(target))?.intents).toMatchObject([{ state: "certified", attempts: 2 }]);
    expect(target.registered).toHaveLength(1);
    // The other five nodes had taken theirs already.
    const sent = target.nodes.requests.slice(before).filter(({ route }) => route.name === "sliver");
    expect(sent.every(({ node }) => node < 4)).toBe(true);
  });

  it("has its missing slivers sent by the alarm when nodes come back after certification", async () => {
    const target = edge();
    target.nodes.scripts.set(0, refuse("INVALID_SLIVER"));
    expect((await put(target)).status).toBe(200);
    await Promise.all(target.background);
    expect(missingSlivers(target)).toBe(4);
    expect(await status(target)).toMatchObject({ tail: "open", shards: "0033333333" });
    target.nodes.scripts.clear();
    const tracker = target.tracker(blobIdOf(target));
    for (let i = 0; i < 5 && missingSlivers(target) > 0; i++) await tracker.runAlarm();
    expect(missingSlivers(target)).toBe(0);
    expect(await status(target)).toMatchObject({ tail: "complete", shards: "3333333333", staging: null });
  });
});

describe("staging", () => {
  /** A bucket in memory. */
  function bucket() {
    const objects = new Map<string, Uint8Array>();
    const stagedObjects: StagedObjects = {
      put: async (key, bytes, pieces) => {
        const all = Buffer.concat([...pieces]);
        expect(all.length).toBe(bytes);
        objects.set(key, new Uint8Array(all));
      },
      get: async (key) => {
        const bytes = objects.get(key);
        return bytes === undefined
          ? undefined
          : (new Blob([bytes.slice()]).stream() as ReadableStream<Uint8Array>);
      },
      delete: async (keys) => {
        for (const key of keys) objects.delete(key);
      },
    };
    return { objects, stagedObjects };
  }

  it("uses the bucket when there is one", async () => {
    const target = edge();
    const { objects, stagedObjects } = bucket();
    target.overrides = { stagedObjects, maxStagedBytes: Number.POSITIVE_INFINITY };
    await put(target, "epochs=2", dieAt("publish.after-register"));
    expect([...objects.values()].map((bytes) => Buffer.from(bytes).toString())).toEqual([
      "some other string",
    ]);
    await runAlarms(target);
    expect((await status(target))?.intents).toMatchObject([{ state: "certified" }]);
  });

  it("refuses what cannot be held with both numbers, before anything is read or paid", async () => {
    const target = edge();
    const response = await put(target, "epochs=2", { maxStagedBytes: TEXT.length - 1 });
    expect([response.status, await response.text()]).toEqual([
      413,
      `Failed to buffer the request body: length limit exceeded; ${TEXT.length} bytes or more, at most ${TEXT.length - 1}`,
    ]);
    expect(await status(target)).toBeNull();
    expect((await put(target, "epochs=2", { maxStagedBytes: TEXT.length })).status).toBe(200);
  });

  it.each(["changed", "lost"])(
    "notices a copy that was %s, sends nothing of it, and takes a new one",
    async (how) => {
      const target = edge();
      const { objects, stagedObjects } = bucket();
      target.overrides = { stagedObjects };
      await put(target, "epochs=2", dieAt("publish.after-register"));
      for (const key of [...objects.keys()]) {
        if (how === "lost") objects.delete(key);
        else objects.set(key, new TextEncoder().encode("some OTHER string"));
      }
      const tracker = target.tracker(blobIdOf(target));
      for (let i = 0; i < 3; i++) await tracker.runAlarm();
      expect(target.nodes.requests.filter(({ method }) => method === "PUT")).toEqual([]);
      expect((await status(target))?.staging).toBeNull();
      expect((await put(target)).status).toBe(200);
      expect(target.registered).toHaveLength(1);
    },
  );

  it("keeps blobs of many pieces and of none whole", async () => {
    for (const length of [0, TRACKER_LIMITS.stagedPieceBytes, TRACKER_LIMITS.stagedPieceBytes + 1]) {
      const target = edge();
      const content = new Uint8Array(length).map((_, index) => index % 251);
      const blobId = blobIdOf(target, content);
      const failed = await target.fetch(
        "/v1/blobs",
        { method: "PUT", body: content.slice() },
        { ...dieAt("publish.after-register"), maxBodyBytes: 1 << 21 },
      );
      expect(failed.status).toBe(500);
      for (let i = 0; i < 3 && target.certified.length === 0; i++) await target.tracker(blobId).runAlarm();
      expect(target.certified).toHaveLength(1);
    }
  });
});

describe("a change of epoch", () => {
  it("between certificate and certification has confirmations collected anew, and nothing paid again", async () => {
    const target = edge();
    const { wallet } = target.services();
    let epoch = EPOCH;
    const chain = {
      snapshot: async () => target.nodes.snapshot({ epoch, committee: { ...target.nodes.committee, epoch } }),
    };
    const certify: typeof wallet.certify = async (request) => {
      if (epoch === EPOCH) {
        epoch++;
        target.nodes.epoch = epoch;
        throw new SubmissionError("EXECUTION_FAILED", "the certificate is of another epoch");
      }
      return wallet.certify(request);
    };
    const response = await put(target, "epochs=2", { chain, wallet: { ...wallet, certify } });
    expect(response.status).toBe(200);
    expect(target.registered).toHaveLength(1);
    const [{ certificate } = {}] = target.certified;
    expect(certificate?.message.slice(3, 7)).toEqual(Uint8Array.from([epoch, 0, 0, 0]));
    expect((await status(target))?.intents[0]?.certificate?.epoch).toBe(epoch);
  });
});

describe("Idempotency-Key", () => {
  const key = { "idempotency-key": "k-1" };

  it("gets the same answer again, also for a deletable blob after success", async () => {
    const target = edge();
    const first = await (await put(target, "epochs=2", {}, key)).text();
    expect(await (await put(target, "epochs=2", {}, key)).text()).toBe(first);
    expect(target.registered).toHaveLength(1);
    expect(await (await put(target)).text()).not.toBe(first);
  });

  it("is refused for another blob or other parameters", async () => {
    const target = edge();
    await put(target, "epochs=2", {}, key);
    for (const response of [
      await put(target, "epochs=3", {}, key),
      await put(target, "epochs=2&permanent=true", {}, key),
      await target.fetch("/v1/blobs?epochs=2", { method: "PUT", body: "another", headers: key }),
    ]) {
      expect(response.status).toBe(409);
      expect(await response.text()).toContain("IDEMPOTENCY_KEY_REUSED");
    }
    expect(target.registered).toHaveLength(1);
  });
});

describe("GET /v1/uploads", () => {
  const events = async (target: ScriptedEdge, headers: Record<string, string> = {}) => {
    const response = await target.fetch(`/v1/uploads/${blobIdOf(target)}`, {
      headers: { accept: "text/event-stream", ...headers },
    });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    return response.text();
  };

  it("shows state, steps, weight, shards and digests", async () => {
    const target = edge();
    await put(target);
    await Promise.all(target.background);
    const response = await target.fetch(`/v1/uploads/${blobIdOf(target)}`);
    expect(response.headers.get("cache-control")).toContain("no-store");
    expect(await response.json()).toMatchObject({
      blobId: blobIdOf(target),
      nShards: 10,
      quorum: 7,
      shards: "3333333333",
      tail: "complete",
      intents: [
        {
          state: "certified",
          attempts: 1,
          isWorkedOn: false,
          steps: { begun: expect.any(Number), staged: expect.any(Number), certified: expect.any(Number) },
          certificate: { epoch: EPOCH, signers: expect.any(Array) },
          certification: { certifiedEpoch: EPOCH },
        },
      ],
    });
  });

  it("streams numbered events, resumes after the last one seen, and ends with the upload", async () => {
    const target = edge();
    const upload = put(target);
    while ((await status(target)) === null) await new Promise((resolve) => setTimeout(resolve, 1));
    const text = await events(target);
    await upload;
    const ids = [...text.matchAll(/^id: ([0-9]+)$/gm)].map((match) => Number(match[1]));
    expect(ids).toEqual(ids.map((_, index) => index + 1));
    expect(text).toMatch(/event: begun\ndata: \{.*\}\n\n/);
    expect(text).toContain("event: certified\n");
    const certifiedAt = Number(/id: ([0-9]+)\nevent: certified/.exec(text)?.[1]);
    const rest = await events(target, { "last-event-id": String(certifiedAt - 1) });
    expect(rest.startsWith(`id: ${certifiedAt}\nevent: certified\n`)).toBe(true);
    expect(await events(target, { "last-event-id": "nonsense" })).toMatch(/^id: 1\n/);
  });

  it("says that it is alive while nothing happens", async () => {
    const target = edge();
    await put(target, "epochs=2", dieAt("publish.after-register"));
    const after = String((await status(target))?.lastEventId);
    const response = await target.fetch(`/v1/uploads/${blobIdOf(target)}`, {
      headers: { accept: "text/event-stream", "last-event-id": after },
    });
    const reader = response.body?.getReader();
    const texts = [await reader?.read(), await reader?.read()].map((each) =>
      new TextDecoder().decode(each?.value),
    );
    expect(texts).toContain(": still here\n\n");
    await reader?.cancel();
  });

  it.each([
    ["GET", "/v1/uploads/M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk", 404],
    ["HEAD", "/v1/uploads/M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk", 404],
    ["GET", "/v1/uploads/M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUl", 400],
    ["GET", "/v1/uploads/M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk?x=1", 400],
    ["DELETE", "/v1/uploads/M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk", 405],
  ])("%s %s is %i", async (method, path, code) => {
    expect((await edge().fetch(path, { method })).status).toBe(code);
  });
});
