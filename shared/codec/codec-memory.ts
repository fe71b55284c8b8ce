/**
 * Byte-counted admission: how much memory the open encoders and decoders of one codec may hold together.
 *
 * An isolate has 128 MB for all its concurrent requests, and exceeding it kills every one of them. Refusing a job up
 * front costs only that job.
 */
import { CodecError } from "./codec.ts";

export class CodecMemory {
  readonly #maxBytes: number;
  #heldBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Counts `bytes` as held.
   *
   * @returns gives them back; calling it again changes nothing
   * @throws CodecError `OUT_OF_CODEC_MEMORY`, retryable unless the job alone is above the maximum
   */
  hold(bytes: number): () => void {
    const freeBytes = this.#maxBytes - this.#heldBytes;
    if (bytes > freeBytes) {
      throw new CodecError(
        "OUT_OF_CODEC_MEMORY",
        `needs ${bytes} bytes, ${freeBytes} of ${this.#maxBytes} are free`,
        {
          retryable: bytes <= this.#maxBytes,
          details: { needBytes: bytes, heldBytes: this.#heldBytes, maxBytes: this.#maxBytes },
        },
      );
    }
    this.#heldBytes += bytes;
    let isHeld = true;
    return () => {
      if (isHeld) this.#heldBytes -= bytes;
      isHeld = false;
    };
  }
}
