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
          testTimeout: 60_000,
          // What is polled for comes as soon as a loaded machine gets round to it.
          expect: { poll: { timeout: 15_000 } },
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
