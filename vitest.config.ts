import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // Two cores are what every machine of ours has; suites that run workerd wait for it as often as they compute.
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: "node",
          include: ["test/{unit,property,conformance,fault,e2e}/**/*.test.ts"],
          // Limits are for what never ends: a slow, busy machine must not meet one.
          testTimeout: 600_000,
          hookTimeout: 600_000,
          expect: { poll: { timeout: 120_000 } },
        },
      },
    ],
  },
});
