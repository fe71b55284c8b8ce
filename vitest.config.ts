import { defineConfig } from "vitest/config";

/** Limits are for what never ends: a slow, busy machine must not meet one. */
const limits = { testTimeout: 600_000, hookTimeout: 600_000, expect: { poll: { timeout: 120_000 } } };

export default defineConfig({
  test: {
    // Two cores are what every machine of ours has; suites that run workerd wait for it as often as they compute.
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/{unit,property}/**/*.test.ts"],
          // Modules keep no state of their own, so that one process may load them once for many files.
          isolate: false,
          ...limits,
        },
      },
      {
        test: {
          name: "system",
          include: ["test/{integration,conformance,fault,e2e}/**/*.test.ts"],
          ...limits,
        },
      },
    ],
  },
});
