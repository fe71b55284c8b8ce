// If this fails, an upload holds memory that nobody admitted, keeps it after its end, or stores other bytes than it got.
import { describe, expect, it } from "vitest";
import { IsolateMemory } from "../../../../functions/base/isolate-memory.ts";
import { EDGE_LIMITS } from "../../../../functions/base/limits.ts";
import { bodyIntoEncoder } from "../../../../functions/upload/body-into-encoder.ts";
import { UPLOAD_LIMITS } from "../../../../functions/upload/limits.ts";
import { uploadMemory } from "../../../../functions/upload/upload-memory.ts";
import type { Clock } from "../../../../shared/base/clock.ts";
import type { Codec } from "../../../../shared/codec/codec.ts";
import { ScriptedNodes } from "../../../support/nodes/scripted-nodes.ts";

const N_SHARDS = 10;
const content = Uint8Array.from({ length: 3000 }, (_, at) => (at * 7 + 3) % 251);
const nodes = new ScriptedNodes([4, 3, 3]);
const bodyOf = (bytes: Uint8Array): ReadableStream<Uint8Array> | null => new Response(bytes.slice()).body;

describe.each([
  ["a declared length", content.length],
  ["no declared length", undefined],
])("a body with %s", (_, declaredBytes) => {
  it("ends in an encoder of the same bytes, which holds what its upload needs until it is released", async () => {
    const services = nodes.services();
    const encoder = await bodyIntoEncoder(services, N_SHARDS, { body: bodyOf(content), declaredBytes });
    expect(encoder.source(0, content.length)).toEqual(content);
    expect(services.memory.heldBytes).toBe(uploadMemory(services, N_SHARDS, content.length).totalBytes);
    encoder.release();
    expect(services.memory.heldBytes).toBe(0);
  });

  it("gives everything back when it breaks", async () => {
    const services = nodes.services();
    const body = new ReadableStream({
      type: "bytes",
      pull: (controller) => controller.error(new Error("gone")),
    });
    await expect(bodyIntoEncoder(services, N_SHARDS, { body, declaredBytes })).rejects.toMatchObject({
      code: "BODY_INCOMPLETE",
    });
    expect(services.memory.heldBytes).toBe(0);
  });

  it("is refused as too large when the isolate can never hold it, and is not read on", async () => {
    const memory = new IsolateMemory({ clock: nodes.clock, maxBytes: 2 * UPLOAD_LIMITS.bodyStepBytes });
    const large = new Uint8Array(4 * UPLOAD_LIMITS.bodyStepBytes);
    const upload = bodyIntoEncoder(nodes.services({ memory }), N_SHARDS, {
      body: bodyOf(large),
      declaredBytes: declaredBytes && large.length,
    });
    await expect(upload).rejects.toMatchObject({ code: "BODY_TOO_LARGE" });
    expect(memory.heldBytes).toBe(0);
  });
});

describe("a request that the platform ends while its body comes", () => {
  it("leaves no encoder open: the next upload that needs the memory takes both back", async () => {
    let isDead = false;
    // After the end of a request its timers never fire.
    const clock: Clock = {
      nowMs: () => nodes.clock.nowMs(),
      sleep: (ms, signal) => (isDead ? new Promise<void>(() => {}) : nodes.clock.sleep(ms, signal)),
    };
    let open = 0;
    const codec: Codec = {
      ...nodes.codec,
      encoderBytes: (nShards, bytes) => nodes.codec.encoderBytes(nShards, bytes),
      openEncoder: (nShards, bytes) => {
        const encoder = nodes.codec.openEncoder(nShards, bytes);
        open++;
        return {
          ...encoder,
          release: () => {
            open--;
            encoder.release();
          },
        };
      },
    };
    const needBytes =
      uploadMemory({ ...nodes.services(), codec }, N_SHARDS, content.length).totalBytes +
      UPLOAD_LIMITS.bodyReadBytes;
    const memory = new IsolateMemory({ clock, maxBytes: needBytes });
    isDead = true;
    const body = new ReadableStream({ type: "bytes" });
    const services = nodes.services({ memory, codec });
    bodyIntoEncoder(services, N_SHARDS, { body, declaredBytes: content.length }).catch(() => {});
    await nodes.clock.sleep(1);
    expect(open).toBe(1);
    isDead = false;
    await nodes.clock.sleep(EDGE_LIMITS.memoryLostMs);
    const next = await memory.hold(needBytes);
    expect(open).toBe(0);
    next.release();
  });
});
