/**
 * Kernel memory of one isolate: instances, who holds them, and how many bytes there may be.
 *
 * WebAssembly memory never shrinks. So an instance stays as large as its largest job, idle instances count against
 * the limit as well, and one of them is dropped when a new job fits no other way. A job holds its instance alone from
 * `lease` to `release`: nobody else grows or overwrites it while its slivers are being sent.
 */
import { CodecError } from "./codec.ts";
import { Kernel, PAGE_BYTES, pages } from "./kernel-exports.ts";

/** The most that 32-bit addresses as positive numbers allow. */
const MAX_INSTANCE_BYTES = 2 ** 31 - PAGE_BYTES;

export interface KernelLease {
  readonly kernel: Kernel;
  /** Gives the instance back; calling it again changes nothing. */
  release(): void;
}

export class KernelPool {
  readonly #module: WebAssembly.Module;
  readonly #maxBytes: number;
  readonly #idle: Kernel[] = [];
  /** Bytes of all instances, held and idle. */
  #heldBytes = 0;
  #leasedBytes = 0;
  /** What the jobs under way asked for; their instances may be larger. */
  #askedBytes = 0;

  constructor(module: WebAssembly.Module, maxBytes: number) {
    this.#module = module;
    this.#maxBytes = maxBytes;
  }

  /** Bytes of memory of all instances, idle ones included. */
  get heldBytes(): number {
    return this.#heldBytes;
  }
  /** Bytes that no job asked for: idle instances, and what instances in use have beyond their job. */
  get spareBytes(): number {
    return this.#heldBytes - this.#askedBytes;
  }
  /** Gives all idle instances up; their memory goes with the next garbage collection. */
  dropIdle(): void {
    for (const kernel of this.#idle.splice(0)) this.#heldBytes -= kernel.bytes.length;
  }
  /** Bytes of memory of the instances in use. */
  get leasedBytes(): number {
    return this.#leasedBytes;
  }

  /**
   * An instance of at least `bytes`, its arena free for the caller.
   *
   * @throws CodecError `OUT_OF_CODEC_MEMORY`, retryable unless the job alone is above the maximum
   */
  lease(bytes: number): KernelLease {
    const need = pages(bytes) * PAGE_BYTES;
    const kernel = this.#reuse(need) ?? this.#grow(need) ?? this.#create(need);
    const size = kernel.bytes.length;
    this.#leasedBytes += size;
    this.#askedBytes += need;
    let isHeld = true;
    return {
      kernel,
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        this.#leasedBytes -= size;
        this.#askedBytes -= need;
        this.#idle.push(kernel);
      },
    };
  }

  /** The smallest idle instance that is large enough, unless it is far too large for the job. */
  #reuse(need: number): Kernel | undefined {
    let best: Kernel | undefined;
    for (const kernel of this.#idle) {
      if (kernel.bytes.length < need) continue;
      if (best === undefined || kernel.bytes.length < best.bytes.length) best = kernel;
    }
    return best === undefined ? undefined : this.#takeIdle(best);
  }

  /** The largest idle instance, grown. */
  #grow(need: number): Kernel | undefined {
    let best: Kernel | undefined;
    for (const kernel of this.#idle) {
      if (best === undefined || kernel.bytes.length > best.bytes.length) best = kernel;
    }
    if (best === undefined) return undefined;
    const more = need - best.bytes.length;
    if (this.#heldBytes + more > this.#maxBytes) return undefined;
    this.#takeIdle(best);
    best.ensure(need);
    this.#heldBytes += more;
    return best;
  }

  #create(need: number): Kernel {
    while (this.#heldBytes + need > this.#maxBytes) {
      const dropped = this.#idle.pop();
      if (dropped === undefined) throw this.#outOfMemory(need);
      this.#heldBytes -= dropped.bytes.length;
    }
    const kernel = new Kernel(this.#module, need, Math.min(MAX_INSTANCE_BYTES, this.#maxBytes));
    this.#heldBytes += kernel.bytes.length;
    return kernel;
  }

  #takeIdle(kernel: Kernel): Kernel {
    this.#idle.splice(this.#idle.indexOf(kernel), 1);
    return kernel;
  }

  #outOfMemory(need: number): CodecError {
    const maxBytes = Math.min(MAX_INSTANCE_BYTES, this.#maxBytes);
    const freeBytes = this.#maxBytes - this.#leasedBytes;
    return new CodecError(
      "OUT_OF_CODEC_MEMORY",
      `needs ${need} bytes, ${freeBytes} of ${maxBytes} are free`,
      {
        retryable: need <= maxBytes,
        details: { needBytes: need, heldBytes: this.#leasedBytes, maxBytes },
      },
    );
  }
}
