/** `npm start`: options and help; what it runs is in start-session.ts. */
import { join, resolve } from "node:path";
import { command, runToExitCode } from "../host/command.ts";
import { file, flag, text, whole } from "../host/options.ts";
import { ROOT } from "../host/project-root.ts";
import { UsageError } from "../host/usage-error.ts";
import { NETWORK_DEFAULTS } from "../localnet/network-plan.ts";
import { MAINNET_SHAPE } from "../localnet/shape.ts";
import { parseShapeOptions, SHAPE_OPTIONS } from "../localnet/shape-options.ts";
import { FloeError } from "../shared/base/errors.ts";

const start = command(
  {
    name: "npm start",
    about:
      "Starts the embedded network, the edge and the auditor, publishes a file, reads it back, compares, has the auditor challenge every node once, and stays up.",
    options: {
      once: flag("stop after the round trip; exit code 0 when the bytes came back equal"),
      file: file("what to publish; 1 MiB of random bytes when absent"),
      nodes: whole(`storage nodes, ${NETWORK_DEFAULTS.nodes} when absent`, { from: 1, to: 200 }),
      shards: whole(`shards of the network, ${NETWORK_DEFAULTS.shards} when absent`, { from: 4, to: 1000 }),
      ...SHAPE_OPTIONS,
      seed: text("TEXT", "seed of keys and identifiers", "floe"),
      port: whole("port of the edge; 31415 when absent, or any free port when that is taken", {
        from: 0,
        to: 65_535,
      }),
      "data-dir": text("DIR", "keep blobs, chain and edge state here; in memory when absent"),
      "network-file": text(
        "FILE",
        "where to write the network file; .floe/network.json of the project when absent",
      ),
      "no-audit": flag("leave out the audit round that follows the round trip"),
      verbose: flag("print the edge's log"),
    },
  },
  async ({ values }) => {
    const { once, seed, port, verbose } = values;
    const far = parseShapeOptions(values);
    const size = far.shape === undefined ? NETWORK_DEFAULTS : MAINNET_SHAPE;
    const { nodes = size.nodes, shards = size.shards } = values;
    if (nodes > shards)
      throw new UsageError(`${nodes} nodes cannot share ${shards} shards: every node needs one`);
    // The bundler and the Workers runtime take a second to load: only once the options make sense.
    const { runSession } = await import("./start-session.ts");
    try {
      return await runSession({
        ...{ once, nodes, shards, seed, port, verbose, ...far },
        audit: !values["no-audit"],
        file: values.file,
        dataDir: values["data-dir"],
        networkFile: resolve(values["network-file"] ?? join(ROOT, ".floe", "network.json")),
      });
    } catch (error) {
      const isWrong = error instanceof FloeError && error.code === "INVALID_NETWORK";
      throw isWrong ? new UsageError(error.message) : error;
    }
  },
);

/** A port that is taken: the message tells it. */
const isExpected = (error: Error): boolean => "code" in error && error.code === "ERR_ADDRESS_IN_USE";

const exitCode = await runToExitCode(start, process.argv.slice(2), { isExpected });
process.exit(exitCode);
