/**
 * Answers false claims against this node: whoever says a symbol is missing that the node has is shown the symbol, on
 * chain, and pays with the bond.
 *
 * Every claim ever filed is read again after a start; those whose deadline has passed, or that were answered since,
 * cost nothing. A claim that cannot be answered (the sliver is not here, or the chain is out of reach) is tried again
 * until its deadline, because the sliver may be healed meanwhile. Work goes one claim at a time, so that no two
 * transactions name the same version of the wallet's coin.
 */
import type { Keypair } from "@mysten/sui/cryptography";
import { refutationOf } from "../../shared/audit/refutation.ts";
import { symbolIdOfChallenge } from "../../shared/audit/selection.ts";
import type { Clock } from "../../shared/base/clock.ts";
import { CodecError } from "../../shared/codec/codec.ts";
import type { Axis, ObjectId, SliverIndex, SliverPairIndex } from "../../shared/protocol/ids.ts";
import type { ClaimSource, FiledClaim } from "./claim-source.ts";
import type { NodeContext } from "./node-context.ts";
import { NodeRefusal } from "./reply.ts";
import { symbolAt } from "./symbol-routes.ts";

/** A node that has just started sees to its own view of the chain first. */
const START_MS = 250;
const RETRY_MS = 500;
/** A subscription may end without a word; this often the list is read anyway. */
const POLL_MS = 10_000;

export interface RefuterOptions {
  readonly node: NodeContext;
  readonly claims: ClaimSource;
  /** Pays the gas and receives the bonds. */
  readonly wallet: Keypair;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

export class Refuter {
  readonly #options: RefuterOptions;
  /** Claims against this node that are not known to be over. Written by the loop only. */
  readonly #open = new Map<ObjectId, FiledClaim>();
  readonly #abort = new AbortController();
  readonly #running: Promise<void>;
  #cursor: Uint8Array | undefined;
  #refuted = 0;
  /** Wakes the loop; replaced before every wait. */
  #ring: () => void = () => {};
  #isListening = false;

  /** Starts at once. */
  constructor(options: RefuterOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** Claims ended by this node since the start. */
  get refuted(): number {
    return this.#refuted;
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { onError } = this.#options;
    const { signal } = this.#abort;
    await this.#sleep(START_MS, signal);
    while (!signal.aborted) {
      const rung = new Promise<void>((resolve) => {
        this.#ring = resolve;
      });
      this.#listen();
      try {
        await this.#readToTip();
      } catch (error) {
        if (signal.aborted) return;
        onError(error);
      }
      for (const claim of [...this.#open.values()]) {
        if (signal.aborted) return;
        await this.#answer(claim);
      }
      const waitMs = this.#open.size > 0 || !this.#isListening ? RETRY_MS : POLL_MS;
      const wait = new AbortController();
      await Promise.race([this.#sleep(waitMs, AbortSignal.any([signal, wait.signal])), rung]);
      wait.abort();
    }
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.clock.sleep(ms, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Keeps one subscription up; it is opened before the list is read, so nothing falls between the two. */
  #listen(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    const { signal } = this.#abort;
    this.#options.claims
      .listen(signal, () => this.#ring())
      // What ended it shows when the list is read, which happens again soon.
      .catch(() => {})
      .finally(() => {
        this.#isListening = false;
      });
  }

  async #readToTip(): Promise<void> {
    const { claims, node } = this.#options;
    for (let atTip = false; !atTip; ) {
      const page = await claims.read(this.#cursor, this.#abort.signal);
      for (const claim of page.claims) {
        if (claim.node === node.keys.nodeId) this.#open.set(claim.claim, claim);
      }
      this.#cursor = page.cursor;
      atTip = page.atTip;
    }
  }

  async #answer(claim: FiledClaim): Promise<void> {
    const { claims, wallet, clock, onError } = this.#options;
    if (BigInt(clock.nowMs()) > claim.deadline_ms) {
      this.#open.delete(claim.claim);
      return;
    }
    try {
      const refutation = this.#refutation(claim);
      if (refutation === undefined) return;
      if ((await claims.refute(claim.claim, refutation, wallet)) === "refuted") this.#refuted++;
      this.#open.delete(claim.claim);
    } catch (error) {
      if (!this.#abort.signal.aborted) onError(error);
    }
  }

  /** @returns undefined while the node cannot show the symbol */
  #refutation(claim: FiledClaim) {
    const { node } = this.#options;
    const axis: Axis = claim.axis === 0 ? "primary" : "secondary";
    // The contract derived both from the draw, below the number of shards.
    const place = { axis, pair: claim.pair as SliverPairIndex, symbol: claim.symbol as SliverIndex };
    try {
      const metadata = node.metadata(claim.blob_id);
      if (metadata === undefined) return undefined;
      const id = symbolIdOfChallenge(place, node.nShards);
      return refutationOf(metadata, symbolAt(node, metadata, id, axis));
    } catch (error) {
      if (error instanceof NodeRefusal || error instanceof CodecError) return undefined;
      throw error;
    }
  }
}
