/** The bundled Workers, built once per test run: `npm test` builds them first and says so by FLOE_BUNDLED. */
import { join } from "node:path";
import { bundleWorker, type WorkerBundle } from "../../../dev/worker-bundle.ts";
import { ROOT } from "../../../host/project-root.ts";

const bundles = new Map<string, Promise<WorkerBundle>>();

export const edgeBundle = (): Promise<WorkerBundle> => bundleOf("floe", "wrangler.toml");
export const auditorBundle = (): Promise<WorkerBundle> => bundleOf("floe-auditor", "auditor/wrangler.toml");

function bundleOf(name: string, config: string): Promise<WorkerBundle> {
  const known = bundles.get(name);
  if (known !== undefined) return known;
  const built =
    process.env["FLOE_BUNDLED"] === "1"
      ? Promise.resolve({ name, configPath: join(ROOT, config), outdir: join(ROOT, "build", name) })
      : bundleWorker(config);
  bundles.set(name, built);
  return built;
}
