// If this fails, more connections make the largest bodies too large for an isolate, or slivers outgrow what was admitted.
import { describe, expect, it } from "vitest";
import { IsolateMemory } from "../../../../functions/base/isolate-memory.ts";
import { EDGE_LIMITS } from "../../../../functions/base/limits.ts";
import { UPLOAD_LIMITS } from "../../../../functions/upload/limits.ts";
import { distributionPlan, uploadMemory } from "../../../../functions/upload/upload-memory.ts";
import { blobLayout } from "../../../../shared/protocol/sizes.ts";
import { kernelCodec } from "../../../support/codec/kernel-codec.ts";
import { ScriptedNodes } from "../../../support/nodes/scripted-nodes.ts";

const MIB = 1024 * 1024;
const N = 1000;
const { carrier, transport } = new ScriptedNodes([1, 1, 1, 1]).services();
const memory = new IsolateMemory({ clock: transport.clock });
const of = (width: number, copies: number, bytes: number) =>
  uploadMemory({ codec: kernelCodec(), memory, carrier: { ...carrier, width, copies } }, N, bytes);

describe("the memory of an upload", () => {
  it.each([1024, MIB, 8 * MIB, 24 * MIB, EDGE_LIMITS.bodyBytes])(
    "of %i bytes at 1000 shards fits an isolate through 24 lanes as it does without",
    (bytes) => {
      for (const [width, copies] of [
        [6, 1],
        [150, 2],
      ] as const) {
        const { totalBytes } = of(width, copies, bytes);
        expect(totalBytes + UPLOAD_LIMITS.bodyReadBytes).toBeLessThanOrEqual(EDGE_LIMITS.memoryBytes);
      }
    },
  );

  it("leaves slivers and their copies in lanes no more than was admitted", () => {
    for (const bytes of [MIB, 8 * MIB, 24 * MIB]) {
      // Admitted without lanes, distributed with them.
      const { sliverBytes } = of(6, 1, bytes);
      const { heldBytes } = distributionPlan(blobLayout(N, bytes), sliverBytes, 2);
      expect(2 * heldBytes).toBeLessThanOrEqual(sliverBytes);
    }
  });

  it("lets a wide carrier hold more at a time", () => {
    expect(of(150, 2, 8 * MIB).sliverBytes).toBeGreaterThan(2 * of(6, 1, 8 * MIB).sliverBytes);
  });
});
