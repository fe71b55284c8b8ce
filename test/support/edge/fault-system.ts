/**
 * A whole Floe whose edge can die: network, chain proxy and state directory outlive the workerd process, fail points
 * are armed by name, and any object can be aborted or looked into.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Network, type NetworkOptions, startNetwork } from "../../../localnet/network.ts";
import { type FaultSui, startFaultSui } from "../sui/fault-sui.ts";
import { type FaultEdge, type ObjectBinding, startFaultEdge } from "./fault-edge.ts";
import { Invocations } from "./invocations.ts";

/** What happens where a fail point is reached. True = the step goes on, false = it throws. */
export type FailPointAction = () => boolean | Promise<boolean>;

/** Fail points of the edge, as seen and answered by the test. */
export class FailPoints {
  /** Every name reached, in order, since `disarm`. */
  readonly reached: string[] = [];
  readonly #armed = new Map<string, FailPointAction>();

  /** Runs `action` the next time `name` is reached, once. @returns settles when it is reached */
  arm(name: string, action: FailPointAction): Promise<void> {
    const reached = Promise.withResolvers<void>();
    this.#armed.set(name, () => {
      reached.resolve();
      return action();
    });
    return reached.promise;
  }

  disarm(): void {
    this.#armed.clear();
    this.reached.length = 0;
  }

  readonly answer = (name: string): boolean | Promise<boolean> => {
    this.reached.push(name);
    const action = this.#armed.get(name);
    if (action === undefined) return true;
    this.#armed.delete(name);
    return action();
  };
}

export interface FaultSystemOptions extends NetworkOptions {
  readonly bindings?: Record<string, string>;
}

export class FaultSystem {
  readonly network: Network;
  readonly sui: FaultSui;
  readonly failPoints: FailPoints;
  /** Of every life of the edge; checked against the platform's rules when the system is closed. */
  readonly invocations = new Invocations();
  readonly log: string[] = [];
  readonly #stateDir: string;
  readonly #bindings: Record<string, string>;
  #edge: FaultEdge | undefined;

  private constructor(network: Network, sui: FaultSui, bindings: Record<string, string>) {
    this.network = network;
    this.sui = sui;
    this.failPoints = new FailPoints();
    this.#bindings = bindings;
    this.#stateDir = mkdtempSync(join(tmpdir(), "floe-fault-"));
  }

  static async start({ bindings = {}, ...options }: FaultSystemOptions): Promise<FaultSystem> {
    const network = await startNetwork(options);
    const sui = await startFaultSui(network.file.sui.url);
    const system = new FaultSystem(network, sui, bindings);
    await system.revive();
    return system;
  }

  get edge(): FaultEdge {
    if (this.#edge === undefined) throw new Error("the edge is dead");
    return this.#edge;
  }

  /** Ends the process: every isolate and every object in it. */
  async kill(): Promise<void> {
    const edge = this.#edge;
    this.#edge = undefined;
    await edge?.kill();
  }

  /** A new process on the same disk, with other bindings if given. */
  async revive(bindings: Record<string, string> = {}): Promise<void> {
    const { network, sui } = this;
    this.#edge = await startFaultEdge({
      network: network.file,
      stateDir: this.#stateDir,
      failPoint: this.failPoints.answer,
      invocations: this.invocations,
      bindings: { SUI_RPC_URLS: sui.url, ...this.#bindings, ...bindings },
      onLog: (line) => {
        this.log.push(line);
        if (this.log.length > MAX_LOG_LINES) this.log.shift();
      },
    });
  }

  /** Crashes one object; callers in it see an error, the next call finds a new one on the same storage. */
  async abort(binding: ObjectBinding, name: string): Promise<void> {
    // The call that aborts is itself cut off.
    await this.edge.call(binding, name, "hookAbort").catch(() => {});
  }

  async sql(
    binding: ObjectBinding,
    name: string,
    query: string,
    ...parameters: (string | number)[]
  ): Promise<Record<string, string | number | null>[]> {
    // Rows of SQLite as the hook serialises them.
    return (await this.edge.call(binding, name, "hookSql", query, parameters)) as Record<
      string,
      string | number | null
    >[];
  }

  publish(content: Uint8Array, query: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.edge.url}/v1/blobs?${query}`, {
      method: "PUT",
      body: Buffer.from(content),
      ...init,
    });
  }

  read(blobId: string, query = ""): Promise<Response> {
    return fetch(`${this.edge.url}/v1/blobs/${blobId}${query}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.sui.close();
    await this.network.close();
    rmSync(this.#stateDir, { recursive: true, force: true });
    this.invocations.check();
  }
}

const MAX_LOG_LINES = 200;
