/** `npm run bench`: the figures of docs/figures.md, each beside the official implementation in the same run. */
import { type Command, command, commandTree, runToExitCode } from "../host/command.ts";
import { flag, whole } from "../host/options.ts";

const BENCHES = {
  codec: {
    about: "our codec beside @mysten/walrus-wasm, Node and workerd: metadata, encode, decode, verify, BLS",
    load: async () => (await import("./codec.ts")).codec,
  },
  publish: {
    about: "publish and read through the edge beside the official SDK, same network: time, requests, bytes",
    load: async () => (await import("./publish.ts")).publish,
  },
  shape: {
    about: "publish and read at mainnet's shape beside the official SDK: time, requests, CPU, memory, faults",
    load: async () => (await import("./shape.ts")).shape,
  },
  network: {
    about: "CPU of the embedded network per publish at 40 and at 1000 shards",
    load: async () => (await import("./network.ts")).networkCpu,
  },
  upload: {
    about: "steps of a publish, cost of staging, abandoned uploads, recovery after each fault",
    load: async () => (await import("./upload.ts")).upload,
  },
  audit: {
    about: "an auditor's draws, populations, checks and one live round; the detection curve",
    load: async () => (await import("./audit.ts")).audit,
  },
} as const satisfies Record<string, { about: string; load: () => Promise<Command> }>;

const some = commandTree("npm run bench --", "Runs one of the benchmarks.", BENCHES);

const all = command(
  {
    name: "npm run bench",
    about: "Runs every benchmark in turn. With the name of one first, that one alone.",
    options: {
      json: flag("one JSON line a figure"),
      runs: whole("runs of each; every benchmark has its own default", { from: 1, to: 10_000 }),
    },
    notes: [
      "usage: npm run bench -- NAME [OPTION ...]",
      ...Object.entries(BENCHES).map(([name, { about }]) => `  ${name.padEnd(10)} ${about}`),
      "",
      "npm run bench -- NAME --help explains one.",
    ].join("\n"),
  },
  async ({ values: { json, runs } }) => {
    const args = [...(json ? ["--json"] : []), ...(runs === undefined ? [] : ["--runs", `${runs}`])];
    for (const { load } of Object.values(BENCHES)) await (await load()).run(args);
    return 0;
  },
);

const args = process.argv.slice(2);
const isAll = args[0] === undefined || args[0].startsWith("-");
process.exitCode = await runToExitCode(isAll ? all : some, args);
