/** The bundled auditor Worker, built once per test process. */
import { bundleWorker, type WorkerBundle } from "../../scripts/worker-bundle.ts";

let bundle: Promise<WorkerBundle> | undefined;

export function auditorBundle(): Promise<WorkerBundle> {
  bundle ??= bundleWorker("auditor/wrangler.toml");
  return bundle;
}
