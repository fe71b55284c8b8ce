/**
 * The network of `bench -- shape`, in a process of its own: the CPU of a hundred nodes would delay the clients' timers.
 *
 * Sends `{file}` once the network is up, and answers `"traffic"` with what all nodes together have counted so far and
 * with this process's CPU time. Ends with its parent.
 */
import { startNetwork } from "../localnet/network.ts";
import type { FromNetwork, ShapeOptions, ToNetwork, Traffic } from "./shape-network.ts";

const send = (message: FromNetwork): void => {
  process.send?.(message);
};

/** Written by the parent that forks this file. */
const options = JSON.parse(process.argv[2] ?? "{}") as ShapeOptions;
const network = await startNetwork({ ...options, seed: "bench-shape" });
const stop = (): void => {
  void network.close().then(() => process.exit(0));
};
process.on("disconnect", stop);
process.on("SIGINT", () => undefined); // Ctrl-C reaches the parent too, which disconnects.
process.on("message", (message: ToNetwork) => {
  if (message === "traffic") send({ kind: "traffic", traffic: traffic() });
  else message satisfies never;
});
send({ kind: "up", file: network.file });

function traffic(): Traffic {
  const byRoute: Record<string, number> = {};
  const total = { requests: 0, bytesIn: 0, bytesOut: 0 };
  for (const { name } of network.file.nodes ?? []) {
    const stats = network.nodeStats(name);
    total.requests += stats.requests;
    total.bytesIn += stats.bytesIn;
    total.bytesOut += stats.bytesOut;
    for (const [route, count] of Object.entries(stats.byRoute))
      byRoute[route] = (byRoute[route] ?? 0) + count;
  }
  const { user, system } = process.cpuUsage();
  return { ...total, byRoute, cpuMs: (user + system) / 1000 };
}
