/**
 * Erasure decoding with the SIMD kernels: codewords side by side, all with the same symbols missing.
 *
 * Slot i of kernel memory holds symbol positions[i] of every codeword. Decoding overwrites the slots of recoveries
 * with the missing originals, so it takes no more memory than what was received. How many originals are missing and
 * how many recoveries are held is the same number, as exactly k symbols are held.
 */
import { assert } from "../base/errors.ts";
import { type DecoderPlan, erasureGeometry } from "./kernel-arena.ts";
import type { Kernel } from "./kernel-exports.ts";
import type { ReedSolomonCode } from "./reed-solomon.ts";

/**
 * Restores the missing originals in place.
 *
 * @param positions codeword position of each slot; k distinct ones
 * @returns the slot of every original
 * Cost: the locator once, about 0.5 ms at 1000 shards, then two transforms of all columns.
 */
export function decodeErasures(
  kernel: Kernel,
  plan: DecoderPlan,
  code: ReedSolomonCode,
  positions: readonly number[],
): Uint16Array {
  const { originals: k } = code;
  assert(positions.length === k, `${positions.length} of ${k} symbols`);
  const slotOf = new Uint16Array(k);
  const isHeld = new Uint8Array(k);
  const spare: number[] = [];
  positions.forEach((position, slot) => {
    if (position >= k) spare.push(slot);
    else {
      slotOf[position] = slot;
      isHeld[position] = 1;
    }
  });
  const missing: number[] = [];
  for (let original = 0; original < k; original++) {
    if (isHeld[original] === 1) continue;
    slotOf[original] = spare[missing.length] ?? 0;
    missing.push(original);
  }
  assert(spare.length === missing.length, `${missing.length} missing originals, ${spare.length} recoveries`);
  if (missing.length > 0) restore(kernel, plan, code, positions, missing, spare);
  return slotOf;
}

function restore(
  kernel: Kernel,
  plan: DecoderPlan,
  code: ReedSolomonCode,
  positions: readonly number[],
  missing: readonly number[],
  missingSlots: readonly number[],
): void {
  const { exports } = kernel;
  const { end, size, pointOf } = erasureGeometry(code);
  const points = positions.map(pointOf);
  const missingPoints = missing.map(pointOf);
  const { set, isKnown } = locatorSet(code, points, end);
  writeU16(kernel, plan.points, points);
  writeU16(kernel, plan.missingPoints, missingPoints);
  writeU16(kernel, plan.missingSlots, missingSlots);
  writeU16(kernel, plan.set, set);
  // The product over all points but x is 1, so that over the erased ones is the inverse of that over the known ones.
  exports.locator(plan.factors, plan.points, points.length, plan.set, set.length, isKnown ? 1 : 0);
  const inverse = isKnown ? 0 : 1;
  exports.locator(plan.missingFactors, plan.missingPoints, missing.length, plan.set, set.length, inverse);

  const from = Math.min(...missingPoints);
  const to = 1 + Math.max(...missingPoints);
  const fftSize = 2 ** Math.ceil(Math.log2(to));
  exports.decodeSlots(
    plan.slots,
    plan.slotBytes,
    plan.slotCount,
    plan.columns,
    plan.symbolBytes,
    plan.points,
    plan.factors,
    missing.length,
    plan.missingSlots,
    plan.missingPoints,
    plan.missingFactors,
    size,
    end,
    from,
    to,
    fftSize,
    plan.planes,
    plan.work,
  );
}

/**
 * The smaller way to say which of the 65,536 points are erased: by the erased ones at high rate, where all points from
 * `end` on are known zeros; by the known ones at low rate, where they count as erased. Both sets have m points.
 */
function locatorSet(
  { originals: k, blockSize: m, rate }: ReedSolomonCode,
  points: readonly number[],
  end: number,
): { set: number[]; isKnown: boolean } {
  if (rate === "low") {
    const padding = Array.from({ length: m - k }, (_, i) => k + i);
    return { set: [...points, ...padding], isKnown: true };
  }
  const held = new Set(points);
  const set: number[] = [];
  for (let point = 0; point < end; point++) if (!held.has(point)) set.push(point);
  return { set, isKnown: false };
}

function writeU16(kernel: Kernel, at: number, values: readonly number[]): void {
  new Uint16Array(kernel.bytes.buffer, at, values.length).set(values);
}
