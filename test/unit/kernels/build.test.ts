// If this fails, the very first command in a fresh clone may end in an error: several parts build the kernels at once.
import { existsSync } from "node:fs";
import { expect, it } from "vitest";
import { buildKernels, kernelPath } from "../../../kernels/build.ts";

it("builds once for everybody who asks at the same time", async () => {
  const [first, second] = [buildKernels(), buildKernels()];
  expect(second).toBe(first);
  await first;
  expect(existsSync(kernelPath("relaxed")) && existsSync(kernelPath("simd"))).toBe(true);
});
