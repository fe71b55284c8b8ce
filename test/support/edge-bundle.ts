/** The bundled edge Worker, built once per test run. `npm test` builds it first and says so by FLOE_BUNDLED. */
import { join } from "node:path";
import { bundleWorker, ROOT, type WorkerBundle } from "../../scripts/worker-bundle.ts";

let bundle: Promise<WorkerBundle> | undefined;

export function edgeBundle(): Promise<WorkerBundle> {
  if (process.env["FLOE_BUNDLED"] === "1") {
    return Promise.resolve({
      name: "floe",
      configPath: join(ROOT, "wrangler.toml"),
      outdir: join(ROOT, "build", "floe"),
    });
  }
  bundle ??= bundleWorker("wrangler.toml");
  return bundle;
}
