/**
 * ChainView: one Durable Object per network, the one place that reads System, Staking and the staking pools.
 *
 * It owns nothing durable: the newest snapshot lives in memory, an eviction costs one reading (three round trips). It
 * has no states, no alarm and no storage. Endpoints are tried in the order configured, starting with the last good one.
 */
import { DurableObject } from "cloudflare:workers";
import { createSuiClient } from "../../shared/sui/client/sui-client.ts";
import { ChainCache, type SnapshotOptions } from "../../shared/sui/walrus/chain-cache.ts";
import { type ChainSnapshot, readChainSnapshot } from "../../shared/sui/walrus/chain-snapshot.ts";
import { type Env, parseConfig } from "../base/env.ts";
import { systemClock } from "../base/platform.ts";

export class ChainView extends DurableObject<Env> {
  readonly #cache: ChainCache;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const config = parseConfig(env);
    const client = createSuiClient({
      url: config.suiRpcUrls,
      fetch: (input, init) => fetch(input, init),
      clock: systemClock,
    });
    this.#cache = new ChainCache(systemClock, (nowMs, known) =>
      readChainSnapshot(client, config, nowMs, known),
    );
  }

  /** The newest snapshot; read anew when it is older than `CHAIN_LIMITS.chainSnapshotMs` or than asked for. */
  snapshot(options?: SnapshotOptions): Promise<ChainSnapshot> {
    return this.#cache.snapshot(options);
  }
}
