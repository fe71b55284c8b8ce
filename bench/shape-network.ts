/** The network of `bench -- shape` as its clients see it: a child process, asked over the control API and over IPC. */
import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "../host/project-root.ts";
import type { NodeFault } from "../localnet/faults.ts";
import type { NetworkFile, NetworkFileNode } from "../shared/network/network-file.ts";

/** All nodes together, since they started. */
export interface Traffic {
  readonly requests: number;
  /** Body bytes. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** By method and route, e.g. "GET sliver". */
  readonly byRoute: Readonly<Record<string, number>>;
  /** Of the network's process. */
  readonly cpuMs: number;
}

/** Passed to `startNetwork`. */
export interface ShapeOptions {
  readonly shape?: "mainnet";
  readonly nodes?: number;
  readonly shards?: number;
  readonly distance?: { readonly latencyMs: number };
}

export type ToNetwork = "traffic";
export type FromNetwork =
  | { readonly kind: "up"; readonly file: NetworkFile }
  | { readonly kind: "traffic"; readonly traffic: Traffic };

/** Traffic has ended once the nodes counted no request for this long; the farthest node is 250 ms away. */
const QUIET_MS = 600;
const POLL_MS = 100;
const QUIET_WITHIN_MS = 120_000;

export class ShapeNetwork {
  readonly file: NetworkFile;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, file: NetworkFile) {
    this.#child = child;
    this.file = file;
  }

  /** @throws Error when the child ends before the network is up; it has printed why */
  static async start(options: ShapeOptions): Promise<ShapeNetwork> {
    const script = join(ROOT, "bench", "shape-network-process.ts");
    const child = fork(script, [JSON.stringify(options)], { serialization: "advanced" });
    const { file } = await next(child, "up");
    return new ShapeNetwork(child, file);
  }

  get nodes(): readonly NetworkFileNode[] {
    return this.file.nodes ?? [];
  }

  async traffic(): Promise<Traffic> {
    const answer = next(this.#child, "traffic");
    this.#child.send("traffic" satisfies ToNetwork);
    return (await answer).traffic;
  }

  /** @returns the traffic once no request has come for a while: tails are over then */
  async quiet(): Promise<Traffic> {
    const startedMs = performance.now();
    let last = await this.traffic();
    let sinceMs = performance.now();
    while (performance.now() - sinceMs < QUIET_MS) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      const now = await this.traffic();
      if (now.requests !== last.requests || now.bytesIn !== last.bytesIn) sinceMs = performance.now();
      last = now;
      if (performance.now() - startedMs > QUIET_WITHIN_MS) throw new Error("the nodes do not become quiet");
    }
    return last;
  }

  async setFault(nodes: readonly NetworkFileNode[], fault: NodeFault): Promise<void> {
    for (const { name } of nodes) await this.#control(`/v1/nodes/${name}/fault`, fault);
  }

  async faucet(address: string): Promise<void> {
    await this.#control("/v1/faucet", { address, suiMist: String(10n ** 13n), walFrost: String(10n ** 13n) });
  }

  async close(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#child.once("exit", () => resolve()));
    this.#child.disconnect();
    await ended;
  }

  async #control(path: string, body: object): Promise<void> {
    const response = await fetch(`${this.file.control?.url}${path}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
  }
}

function next<Kind extends FromNetwork["kind"]>(
  child: ChildProcess,
  kind: Kind,
): Promise<Extract<FromNetwork, { kind: Kind }>> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => {
      reject(new Error(`the network's process ended with ${code}`));
    };
    const onMessage = (message: unknown): void => {
      const from = message as FromNetwork; // The child sends nothing else.
      if (from.kind !== kind) return;
      child.off("exit", onExit);
      child.off("message", onMessage);
      resolve(from as Extract<FromNetwork, { kind: Kind }>);
    };
    child.once("exit", onExit);
    child.on("message", onMessage);
  });
}
