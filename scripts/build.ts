/** `npm run build`: bundles the Workers as a deployment would. */
import { relative } from "node:path";
import { bundleWorker } from "../dev/worker-bundle.ts";
import { command, runToExitCode } from "../host/command.ts";
import { ROOT } from "../host/project-root.ts";

const build = command(
  {
    name: "npm run build",
    about: "Bundles every Worker into build/, exactly as a deployment would.",
    options: {},
  },
  async () => {
    for (const config of ["wrangler.toml", "auditor/wrangler.toml"]) {
      const bundle = await bundleWorker(config);
      console.log(`built ${bundle.name} -> ${relative(ROOT, bundle.outdir)}`);
    }
    return 0;
  },
);

process.exitCode = await runToExitCode(build, process.argv.slice(2));
