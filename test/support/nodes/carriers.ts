/** Carriers of other widths and manners than the platform's, on scripted nodes. */
import { Gate } from "../../../shared/base/gate.ts";
import type { Carrier, CarryOptions, NodeAnswer, NodeRequest } from "../../../shared/node/carrier.ts";
import { DirectCarrier } from "../../../shared/node/direct-carrier.ts";
import type { ScriptedNodes } from "./scripted-nodes.ts";

/** Carries so many requests at once. `gate.peak` is the most that ever were. */
export function carrierOfWidth(nodes: ScriptedNodes, width: number): { carrier: Carrier; gate: Gate } {
  const { clock, randomBytes } = nodes.services().transport;
  const gate = new Gate(width);
  return { carrier: new DirectCarrier({ fetch: nodes.fetch, clock, randomBytes, gate }), gate };
}

/** Holds answers back and gives them out in the opposite order, `batch` at a time, or what is there after 5 ms. */
export class ReversingCarrier implements Carrier {
  readonly clock;
  readonly randomBytes;
  readonly #inner: Carrier;
  readonly #batch: number;
  #held: (() => void)[] = [];
  /** Answers that overtook an earlier one. */
  overtaken = 0;

  constructor(inner: Carrier, batch: number) {
    this.clock = inner.clock;
    this.randomBytes = inner.randomBytes;
    this.#inner = inner;
    this.#batch = batch;
  }

  get width(): number {
    return this.#inner.width;
  }

  get copies(): number {
    return this.#inner.copies;
  }

  expect(requests: number): void {
    this.#inner.expect(requests);
  }

  async carry(request: NodeRequest, options?: CarryOptions): Promise<NodeAnswer> {
    const answer = await this.#inner.carry(request, options);
    await new Promise<void>((resolve) => {
      this.#held.push(resolve);
      if (this.#held.length >= this.#batch) this.#release();
      else void this.clock.sleep(5).then(() => this.#release());
    });
    return answer;
  }

  #release(): void {
    const held = this.#held.reverse();
    this.#held = [];
    this.overtaken += Math.max(0, held.length - 1);
    for (const resolve of held) resolve();
  }
}
