/** `npm run build`: bundles the Workers as a deployment would. */
import { relative } from "node:path";
import { bundleWorker } from "../dev/worker-bundle.ts";
import { ROOT } from "../host/project-root.ts";

if (process.argv.includes("--help")) {
  console.log("usage: npm run build\nBundles every Worker into build/, exactly as a deployment would.");
} else {
  for (const config of ["wrangler.toml", "auditor/wrangler.toml"]) {
    const bundle = await bundleWorker(config);
    console.log(`built ${bundle.name} -> ${relative(ROOT, bundle.outdir)}`);
  }
}
