/** `npm run bench`: the figures of docs/figures.md, each beside the official implementation in the same run. */
const BENCHES: Record<
  string,
  { readonly about: string; readonly load: () => Promise<{ run(args: string[]): Promise<void> }> }
> = {
  codec: {
    about: "our codec beside @mysten/walrus-wasm, Node and workerd: metadata, encode, decode, verify, BLS",
    load: () => import("./codec.ts"),
  },
  publish: {
    about: "publish and read through the edge beside the official SDK, same network: time, requests, bytes",
    load: () => import("./publish.ts"),
  },
  network: {
    about: "CPU of the embedded network per publish at 40 and at 1000 shards",
    load: () => import("./network.ts"),
  },
  upload: {
    about: "steps of a publish, cost of staging, abandoned uploads, recovery after each fault",
    load: () => import("./upload.ts"),
  },
  audit: {
    about: "an auditor's draws, populations, checks and one live round; the detection curve",
    load: () => import("./audit.ts"),
  },
};

const [name, ...rest] = process.argv.slice(2);
const chosen = name === undefined || name.startsWith("-") ? Object.keys(BENCHES) : [name];
const args = name === undefined || !name.startsWith("-") ? rest : [name, ...rest];

if (args.includes("--help") || chosen.some((each) => !(each in BENCHES))) {
  const lines = Object.entries(BENCHES).map(([each, { about }]) => `  ${each.padEnd(10)} ${about}`);
  console.log(
    `usage: npm run bench [-- NAME] [--json] [--runs N]\n\nwithout NAME all of:\n${lines.join("\n")}`,
  );
  if (!args.includes("--help")) process.exitCode = 2;
} else {
  for (const each of chosen) {
    const bench = await BENCHES[each]?.load();
    await bench?.run(args);
  }
}

export {};
