/** Runs the bundled edge Worker in workerd on this machine, against the network a network file describes. */
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import type { NetworkFile } from "../shared/network/network-file.ts";
import { miniflareWorker, type WorkerBundle } from "./worker-bundle.ts";

export interface EdgeRuntime {
  readonly url: string;
  /** `ws://` address of the inspector when one was asked for. */
  readonly inspectorUrl?: string;
  readonly miniflare: Miniflare;
  close(): Promise<void>;
}

export interface EdgeOptions {
  readonly bundle: WorkerBundle;
  readonly network: NetworkFile;
  /** 0 = any free port. */
  readonly port?: number;
  /** Folder for Durable Objects; in memory when absent. */
  readonly stateDir?: string;
  /** Opens the inspector, for memory measurements. */
  readonly inspector?: boolean;
  /** Binds a bucket for staged copies (`STAGING`); without it they are held in SQLite, as in wrangler.toml. */
  readonly stagingBucket?: boolean;
  /** Further bindings, e.g. limits or test hooks. */
  readonly bindings?: Record<string, string>;
  /** Changes the Worker's Miniflare options before it starts, e.g. for the hooks of fault tests. */
  readonly adapt?: (worker: Record<string, unknown>) => Record<string, unknown>;
  /** Receives the Worker's log lines; they are dropped when absent. */
  readonly onLog?: (line: string) => void;
}

export async function startEdge(options: EdgeOptions): Promise<EdgeRuntime> {
  const { network } = options;
  if (network.wallet === undefined)
    throw new Error("the network file has no wallet: the edge could not publish");
  return startWorker(options, {
    NETWORK_KIND: "local",
    SUI_RPC_URLS: network.sui.url,
    SYSTEM_OBJECT_ID: network.walrus.systemObjectId,
    STAKING_OBJECT_ID: network.walrus.stakingObjectId,
    WALLET_SECRET_KEY: network.wallet.secretKey,
    PUBLISHER_ACCESS: "open",
    ...options.bindings,
  });
}

/** Runs one bundled Worker against a local network. @param bindings beside those of its wrangler.toml */
export async function startWorker(
  options: Omit<EdgeOptions, "network" | "bindings">,
  bindings: Record<string, string>,
): Promise<EdgeRuntime> {
  const worker = miniflareWorker(options.bundle, bindings);
  // The storage nodes of a local network are on loopback, which the strictly public fetch refuses.
  const flags = (worker["compatibilityFlags"] as string[] | undefined) ?? [];
  worker["compatibilityFlags"] = flags.filter((flag) => flag !== "global_fetch_strictly_public");

  if (options.stagingBucket) worker["r2Buckets"] = { STAGING: "floe-staging" };

  const { miniflare, url, close } = await startMiniflare([options.adapt?.(worker) ?? worker], {
    port: options.port ?? 0,
    ...(options.stateDir === undefined ? {} : { resourcePersistencePath: options.stateDir }),
    ...(options.inspector === true ? { inspectorPort: 0 } : {}),
    handleStructuredLogs: ({ message }: { message: string }) => options.onLog?.(message),
  });
  return {
    url: url.origin,
    miniflare,
    ...(options.inspector === true
      ? { inspectorUrl: new URL(`/core:user:${options.bundle.name}`, await miniflare.getInspectorURL()).href }
      : {}),
    close,
  };
}

/**
 * Runs Workers (v4 form) in a workerd of their own on loopback.
 *
 * @param options of Miniflare beside them
 * @throws the error of Miniflare when they do not start; no process and no folder is left then
 */
export async function startMiniflare(
  workers: readonly Record<string, unknown>[],
  options: Record<string, unknown>,
): Promise<{ miniflare: Miniflare; url: URL; close(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), "floe-workerd-"));
  const restoreSignals = keepSignalListeners();
  const restoreFolder = useTemporaryFolder(folder);
  let miniflare: Miniflare | undefined;
  const close = async (): Promise<void> => {
    try {
      await miniflare?.dispose();
    } finally {
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    }
  };
  try {
    miniflare = new Miniflare({
      // Its type knows no bundled Worker; what it does not understand it refuses when it runs.
      ...convertV4MiniflareOptions({ workers } as unknown as Parameters<typeof convertV4MiniflareOptions>[0]),
      log: new Log(LogLevel.ERROR),
      cf: false,
      host: "127.0.0.1",
      port: 0,
      ...options,
    } as ConstructorParameters<typeof Miniflare>[0]);
  } finally {
    restoreFolder();
    restoreSignals();
  }
  try {
    return { miniflare, url: await miniflare.ready, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Miniflare keeps what it holds in memory in a temporary folder, some dozen megabytes, and removes it without waiting:
 * a process that ends next leaves it behind. In a folder of ours it is removed for certain.
 *
 * @returns undoes it
 */
function useTemporaryFolder(folder: string): () => void {
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = folder;
  return () => {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
  };
}

/**
 * Miniflare ends the whole process on Ctrl-C, before anything else is closed. The caller that starts an edge closes it, so the
 * listeners it adds are taken off again.
 *
 * @returns removes what was added since
 */
function keepSignalListeners(): () => void {
  const signals = ["SIGINT", "SIGTERM"] as const;
  const before = new Map(signals.map((signal) => [signal, new Set(process.listeners(signal))]));
  return () => {
    for (const signal of signals) {
      for (const listener of process.listeners(signal)) {
        if (before.get(signal)?.has(listener) === false) process.removeListener(signal, listener);
      }
    }
  };
}
