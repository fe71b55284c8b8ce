/**
 * IdempotencyKey: one Durable Object per principal and Idempotency-Key (named by their hash), the one owner of what the
 * key stands for.
 *
 * One stored value, the fingerprint of the first request; written once, wiped by the alarm after
 * `UPLOAD_LIMITS.idempotencyKeepMs`. Eviction loses nothing, a second alarm finds nothing.
 */
import { DurableObject } from "cloudflare:workers";
import type { Env } from "../base/env.ts";
import { systemClock } from "../base/platform.ts";
import type { IdempotencyKeyPort } from "./idempotency.ts";
import { UPLOAD_LIMITS } from "./limits.ts";

const FINGERPRINT = "fingerprint";

export class IdempotencyKey extends DurableObject<Env> implements IdempotencyKeyPort {
  async bind(fingerprint: string): Promise<boolean> {
    const { storage } = this.ctx;
    const known = storage.kv.get<string>(FINGERPRINT);
    if (known !== undefined) return known === fingerprint;
    storage.kv.put(FINGERPRINT, fingerprint);
    await storage.setAlarm(systemClock.nowMs() + UPLOAD_LIMITS.idempotencyKeepMs);
    return true;
  }

  override async alarm(): Promise<void> {
    await this.ctx.storage.deleteAll();
  }
}
