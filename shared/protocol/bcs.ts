/**
 * Strict BCS reading and writing for the protocol's own byte layouts (slivers, metadata, messages, proofs).
 *
 * Integers are little-endian; `uleb` is unsigned LEB128 in its only (shortest) form; a reader rejects what is
 * missing, non-minimal or left over. Contract layouts use `@mysten/sui/bcs` in `shared/sui` instead.
 */
import { ProtocolError } from "../base/errors.ts";

const MAX_ULEB = 0xffff_ffff;

export class BcsReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;
  #offset = 0;

  /** @param what names the layout in errors, e.g. "SliverData" */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  #take(count: number): number {
    if (count > this.remaining) {
      throw new ProtocolError(
        "MALFORMED_BYTES",
        `${this.#what}: needs ${count} bytes at offset ${this.#offset}, has ${this.remaining}`,
        { details: { layout: this.#what, offset: this.#offset, need: count, have: this.remaining } },
      );
    }
    const start = this.#offset;
    this.#offset += count;
    return start;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }
  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }
  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }
  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  /** A u64 that the protocol bounds below 2^53; larger values are malformed here. */
  u64Number(): number {
    const value = this.u64();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.fail(`u64 ${value} is above 2^53-1`);
    return Number(value);
  }

  /** ULEB128 up to 2^32-1, shortest form only. */
  uleb(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.u8();
      value += (byte & 0x7f) * 2 ** shift;
      if (value > MAX_ULEB) this.fail("ULEB128 above 2^32-1");
      if ((byte & 0x80) === 0) {
        if (byte === 0 && shift > 0) {
          throw new ProtocolError("NON_CANONICAL", `${this.#what}: ULEB128 is not in its shortest form`);
        }
        return value;
      }
      if (shift >= 28) this.fail("ULEB128 longer than 5 bytes");
    }
  }

  /** `count` raw bytes, as a view of the input. */
  fixed(count: number): Uint8Array {
    const start = this.#take(count);
    return this.#bytes.subarray(start, start + count);
  }

  /** A length-prefixed byte vector, as a view of the input; the length is checked before anything is read. */
  vector(maxBytes: number): Uint8Array {
    const length = this.uleb();
    if (length > maxBytes) this.fail(`vector of ${length} bytes, at most ${maxBytes} allowed`);
    return this.fixed(length);
  }

  /** Rejects bytes after the value. */
  end(): void {
    if (this.remaining !== 0) {
      throw new ProtocolError("TRAILING_BYTES", `${this.#what}: ${this.remaining} bytes after the end`, {
        details: { layout: this.#what, trailing: this.remaining },
      });
    }
  }

  fail(reason: string): never {
    throw new ProtocolError("MALFORMED_BYTES", `${this.#what}: ${reason}`, {
      details: { layout: this.#what, offset: this.#offset },
    });
  }
}

/** Appends to a growing buffer; `finish` hands out the exact bytes and ends the writer's use. */
export class BcsWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(expectedBytes = 64) {
    this.#bytes = new Uint8Array(expectedBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  #reserve(count: number): number {
    const start = this.#length;
    const end = start + count;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, start));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = end;
    return start;
  }

  u8(value: number): this {
    const at = this.#reserve(1);
    this.#view.setUint8(at, value);
    return this;
  }
  u16(value: number): this {
    const at = this.#reserve(2);
    this.#view.setUint16(at, value, true);
    return this;
  }
  u32(value: number): this {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value, true);
    return this;
  }
  u64(value: bigint): this {
    const at = this.#reserve(8);
    this.#view.setBigUint64(at, value, true);
    return this;
  }
  uleb(value: number): this {
    let rest = value;
    while (rest >= 0x80) {
      this.u8((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    return this.u8(rest);
  }
  fixed(bytes: Uint8Array): this {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }
  vector(bytes: Uint8Array): this {
    return this.uleb(bytes.length).fixed(bytes);
  }
  finish(): Uint8Array {
    return this.#length === this.#bytes.length ? this.#bytes : this.#bytes.slice(0, this.#length);
  }
}

/** Bytes that `uleb(value)` takes. */
export function ulebBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}
