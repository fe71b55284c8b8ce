/**
 * One life of the edge Worker for fault tests: the very bundle that would be deployed, behind an entry module that adds
 * hooks to its Durable Objects (abort, SQL, alarm), and with the fail points answered by the test process.
 */
import { join } from "node:path";
import { type EdgeRuntime, startEdge } from "../../../dev/edge-runtime.ts";
import type { NetworkFile } from "../../../shared/network/network-file.ts";
import { edgeBundle } from "./edge-bundle.ts";
import type { Invocations } from "./invocations.ts";

/** Durable Object bindings of the Worker, and the class behind each. */
const OBJECT_CLASSES = {
  BLOB_TRACKER: "BlobTracker",
  WALLET: "Wallet",
  CHAIN_VIEW: "ChainView",
} as const;
export type ObjectBinding = keyof typeof OBJECT_CLASSES;

const HOOK_PATH = "/__hook";

/**
 * The entry module. `abort` ends the object as a crash does: its callers get an error, memory is gone, the storage
 * stays as it was written. Bytes and u64 pass through JSON as tagged texts.
 */
const ENTRY = (main: string) => `
  export * from "./${main}";
  import edge, * as parts from "./${main}";
  const hooked = (Base) => class extends Base {
    hookAbort() { this.ctx.abort(new Error("aborted by a test")); }
    async hookWipe() { await this.ctx.storage.deleteAll(); this.hookAbort(); }
    hookSql(query, parameters) { return this.ctx.storage.sql.exec(query, ...parameters).toArray(); }
    hookAlarm() { return this.alarm(); }
    hookAlarmAt() { return this.ctx.storage.getAlarm(); }
    hookSetAlarm(atMs) { return atMs === null ? this.ctx.storage.deleteAlarm() : this.ctx.storage.setAlarm(atMs); }
  };
  ${Object.values(OBJECT_CLASSES)
    .map((name) => `export const ${name} = hooked(parts.${name});`)
    .join("\n  ")}
  const revive = (key, value) =>
    value !== null && typeof value === "object" && "bytes" in value ? new Uint8Array(value.bytes) : value;
  const plain = (key, value) => (typeof value === "bigint" ? String(value) : value);
  export default {
    ...edge,
    async fetch(request, env, ctx) {
      if (new URL(request.url).pathname !== "${HOOK_PATH}") return edge.fetch(request, env, ctx);
      const { binding, name, method, parameters } = JSON.parse(await request.text(), revive);
      try {
        const result = await env[binding].getByName(name)[method](...parameters);
        return new Response(JSON.stringify({ result: result ?? null }, plain));
      } catch (error) {
        return new Response(JSON.stringify({ error: String(error.message), code: error.code ?? null }, plain));
      }
    },
  };`;

/** Answers a fail point: true lets the step go on, false kills it. */
export type FailPointAnswer = (name: string) => boolean | Promise<boolean>;

export interface FaultEdge {
  readonly url: string;
  /** Calls a method of an object, hooks included. @throws Error with the remote message */
  call(binding: ObjectBinding, name: string, method: string, ...parameters: unknown[]): Promise<unknown>;
  /** Kills the workerd process; what is on disk stays. */
  kill(): Promise<void>;
}

export interface FaultEdgeOptions {
  readonly network: NetworkFile;
  readonly stateDir: string;
  readonly failPoint: FailPointAnswer;
  readonly invocations: Invocations;
  readonly bindings?: Record<string, string>;
  readonly onLog?: (line: string) => void;
}

export async function startFaultEdge(options: FaultEdgeOptions): Promise<FaultEdge> {
  const { network, stateDir, bindings, onLog } = options;
  const runtime: EdgeRuntime = await startEdge({
    bundle: await edgeBundle(),
    network,
    stateDir,
    ...(bindings === undefined ? {} : { bindings }),
    ...(onLog === undefined ? {} : { onLog }),
    adapt: (worker) => options.invocations.bind(withHooks(worker, options.failPoint)),
  });
  return {
    url: runtime.url,
    async call(binding, name, method, ...parameters) {
      const response = await fetch(`${runtime.url}${HOOK_PATH}`, {
        method: "POST",
        body: JSON.stringify({ binding, name, method, parameters }, (_, value) =>
          value instanceof Uint8Array ? { bytes: Array.from(value) } : value,
        ),
      });
      const answer = (await response.json()) as { result?: unknown; error?: string; code?: string };
      if (answer.error !== undefined) throw new HookError(answer.error, answer.code ?? undefined);
      return answer.result;
    },
    kill: () => runtime.close(),
  };
}

export class HookError extends Error {
  override readonly name = "HookError";
  readonly code: string | undefined;
  constructor(message: string, code: string | undefined) {
    super(message);
    this.code = code;
  }
}

function withHooks(worker: Record<string, unknown>, failPoint: FailPointAnswer): Record<string, unknown> {
  // As `miniflareWorker` lists them: the bundled module first.
  const modules = worker["modules"] as { type: string; path: string; contents?: string }[];
  const root = String(worker["modulesRoot"]);
  const main = modules[0]?.path.slice(root.length + 1);
  if (main === undefined) throw new Error("the bundle has no module");
  return {
    ...worker,
    modules: [{ type: "ESModule", path: join(root, "fault-entry.js"), contents: ENTRY(main) }, ...modules],
    serviceBindings: {
      ...(worker["serviceBindings"] as object | undefined),
      TEST_FAIL_POINTS: async (request: { url: string }) => {
        const goesOn = await failPoint(new URL(request.url).pathname.slice(1));
        return new Response(null, { status: goesOn ? 200 : 500 });
      },
    },
  };
}
