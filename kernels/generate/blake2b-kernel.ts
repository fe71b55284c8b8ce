/**
 * Writes AssemblyScript that hashes several independent messages with BLAKE2b-256 in one straight run of code.
 *
 * One compression is 12 rounds of 8 mixings G over sixteen 64-bit words, a chain of dependent steps that leaves a
 * CPU's units idle. Two cures are combined. A *pair* stream keeps the same word of two messages in one v128; a
 * *single* stream keeps one message in i64 locals, which run on units the vectors leave free:
 *
 *     stream        v0              v1              ..     v15
 *     pair     | A.v0 | B.v0 | | A.v1 | B.v1 |  ..  | A.v15 | B.v15 |      i64x2, messages A and B
 *     single   |    C.v0     | |    C.v1     |  ..  |     C.v15     |      u64, message C
 *
 * G is emitted for one stream after the other, so neighbouring instructions do not depend on each other.
 *
 * What was measured (ns a hash of 65 bytes, V8, one core of a 2.5 GHz Xeon / of a newer EPYC):
 *
 *     single                167 / 78      pair                     109 / 83     pair + single        113 / 55
 *     pair + pair           118 / 59      2 pairs + single         125 / 85     (registers spill)
 *
 * Rotations. By 32: a shuffle that V8 turns into one vpshufd. By 24 and 16: byte shuffles. With relaxed SIMD their
 * masks are loaded from memory into locals, because V8 builds a literal v128 again at each use (58 -> 107 ns);
 * without it a swizzle costs a clamp, and a shuffle with a constant pattern is the faster way. By 63: add and shift.
 *
 * Words known to be zero are left out: a message of W words has no additions for words W..15.
 */

/** Order of message words by round (RFC 7693, section 2.7); rounds 10 and 11 repeat rounds 0 and 1. */
const SIGMA: readonly (readonly number[])[] = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
  [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
  [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
  [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
  [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];
const ROUNDS = 12;

/** Columns, then diagonals: the four state words and the two message slots of each G. */
const MIXINGS: readonly (readonly [number, number, number, number, number, number])[] = [
  [0, 4, 8, 12, 0, 1],
  [1, 5, 9, 13, 2, 3],
  [2, 6, 10, 14, 4, 5],
  [3, 7, 11, 15, 6, 7],
  [0, 5, 10, 15, 8, 9],
  [1, 6, 11, 12, 10, 11],
  [2, 7, 8, 13, 12, 13],
  [3, 4, 9, 14, 14, 15],
];

const IV: readonly bigint[] = [
  0x6a09e667f3bcc908n,
  0xbb67ae8584caa73bn,
  0x3c6ef372fe94f82bn,
  0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n,
  0x9b05688c2b3e6c1fn,
  0x1f83d9abfb41bd6bn,
  0x5be0cd19137e2179n,
];
/** Parameter block of an unkeyed, sequential hash with a 32-byte digest. */
const PARAMETERS = 0x01010020n;
/** Chaining value before the first block. */
const INITIAL = IV.map((word, i) => (i === 0 ? word ^ PARAMETERS : word));

const DIGEST_WORDS = 4;
const MESSAGE_WORDS = 16;
const ALL_ONES = 0xffffffffffffffffn;
/** Bytes of an inner node's message: prefix and two digests. */
const INNER_BYTES = 65n;

/**
 * Words that pair streams start from, each twice. V8 builds a splat of a literal with three instructions at each use,
 * so loading them saves 2 % of a kernel's instructions.
 */
const PAIR_CONSTANTS: readonly bigint[] = [
  ...IV,
  INITIAL[0] ?? 0n,
  (IV[4] ?? 0n) ^ INNER_BYTES,
  (IV[6] ?? 0n) ^ ALL_ONES,
];

export type StreamKind = "pair" | "single";

export interface KernelOptions {
  /** One function hashes the messages of all streams. */
  readonly streams: readonly StreamKind[];
  readonly relaxed: boolean;
}

interface Stream {
  readonly kind: StreamKind;
  /** Prefix of the stream's locals. */
  readonly name: string;
  /** Number of its first message. */
  readonly lane: number;
}

/** Words of the message by index, as names of locals; undefined where the word is known to be zero. */
type Words = readonly (string | undefined)[];

const hex = (word: bigint): string => `0x${word.toString(16)}`;
const list = (count: number, item: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => item(i)).join(", ");

export class Blake2bKernelWriter {
  readonly #streams: readonly Stream[];
  readonly #relaxed: boolean;
  /** Messages a function takes. */
  readonly lanes: number;

  constructor(options: KernelOptions) {
    let lane = 0;
    this.#streams = options.streams.map((kind, i) => {
      const stream = { kind, name: `s${i}`, lane };
      lane += kind === "pair" ? 2 : 1;
      return stream;
    });
    this.lanes = lane;
    this.#relaxed = options.relaxed;
  }

  /** The masks of the two byte rotations, as static data, and the import of addresses. */
  prelude(): string {
    const rotation = (by: number): number[] => Array.from({ length: 16 }, (_, i) => (i & 8) | ((i + by) & 7));
    return [
      'import { HASH_STATE } from "./layout";',
      `const ROTATIONS: usize = memory.data<u8>([${[...rotation(3), ...rotation(2)].join(",")}], 16);`,
      `const CONSTANTS: usize = memory.data<u64>([${PAIR_CONSTANTS.flatMap((word) => [hex(word), hex(word)])}], 16);`,
      "",
    ].join("\n");
  }

  /**
   * `inner(o.., a..)`: digest of 0x01 and the 64 bytes at a, for every lane. Word i > 0 of the message is the u64 at
   * a + 8i - 1, so the prefix costs one shift instead of one per word.
   */
  inner(): string {
    const out: string[] = [`export function inner(${this.#outputs()}, ${this.#inputs()}): void {`];
    out.push(...this.#masks());
    const words: Words[] = this.#streams.map((stream) => {
      const { name, lane, kind } = stream;
      const names = Array.from({ length: 9 }, (_, i) => `${name}m${i}`);
      for (let i = 0; i < 9; i++) {
        const load =
          i === 0
            ? this.#or(kind, this.#shiftLeft(kind, this.#load(stream, "a", 0)), this.#constant(kind, 1n))
            : i < 8
              ? this.#load(stream, "b", 8 * i)
              : this.#shiftRight(kind, this.#load(stream, "a", 56), 56);
        if (i === 0) {
          const each = kind === "pair" ? [lane, lane + 1] : [lane];
          for (const k of each) out.push(`const b${k} = a${k} - 1;`);
        }
        out.push(`const ${names[i]} = ${load};`);
      }
      return names;
    });
    for (const stream of this.#streams) {
      const start = (i: number): string => this.#constant(stream.kind, INITIAL[i] ?? 0n);
      out.push(...this.#initialState(stream, start, INNER_BYTES, ALL_ONES));
    }
    out.push(...this.#rounds(words));
    for (const stream of this.#streams) out.push(...this.#storeDigest(stream));
    return `${out.join("\n")}\n}\n`;
  }

  /**
   * `leaf<W>(o.., a.., masks, t)`: digest of a message of t bytes in one block; word i is the u64 at a + 8i under
   * mask i. Words from W on must be zero.
   */
  leaf(wordCount: number): string {
    const out = [
      `export function leaf${wordCount}(${this.#outputs()}, ${this.#inputs()}, masks: usize, t: u64): void {`,
    ];
    out.push(...this.#masks());
    const words = this.#streams.map((stream) => this.#maskedWords(stream, wordCount, out));
    for (const stream of this.#streams) {
      const start = (i: number): string => this.#constant(stream.kind, INITIAL[i] ?? 0n);
      out.push(...this.#initialState(stream, start, "t", ALL_ONES));
    }
    out.push(...this.#rounds(words));
    for (const stream of this.#streams) out.push(...this.#storeDigest(stream));
    return `${out.join("\n")}\n}\n`;
  }

  /**
   * `block<W>(a.., masks, t, f)`: compresses one block into the chaining values at HASH_STATE; t counts the bytes up to
   * its end, f is all ones in the last block. `startBlocks` and `finishBlocks` come before and after.
   */
  block(wordCount: number): string {
    const out = [
      `export function block${wordCount}(${this.#inputs()}, masks: usize, t: u64, f: u64): void {`,
    ];
    out.push(...this.#masks());
    const words = this.#streams.map((stream) => this.#maskedWords(stream, wordCount, out));
    for (const stream of this.#streams) {
      out.push(...this.#initialState(stream, (i) => this.#chaining(stream, i), "t", "f"));
    }
    out.push(...this.#rounds(words));
    for (const stream of this.#streams) {
      for (let i = 0; i < 8; i++) {
        const mixed = this.#xor(stream.kind, `${stream.name}v${i}`, `${stream.name}v${i + 8}`);
        const next = this.#xor(stream.kind, mixed, this.#chaining(stream, i));
        out.push(
          `${stream.kind === "pair" ? "v128.store" : "store<u64>"}(HASH_STATE, ${next}, ${this.#slot(stream, i)});`,
        );
      }
    }
    return `${out.join("\n")}\n}\n`;
  }

  /** `startBlocks()` and `finishBlocks(o..)`: chaining values before the first and after the last block. */
  blockEnds(): string {
    const start = ["export function startBlocks(): void {"];
    const finish = [`export function finishBlocks(${this.#outputs()}): void {`];
    for (const stream of this.#streams) {
      const store = stream.kind === "pair" ? "v128.store" : "store<u64>";
      INITIAL.forEach((word, i) => {
        start.push(`${store}(HASH_STATE, ${this.#constant(stream.kind, word)}, ${this.#slot(stream, i)});`);
      });
      for (let i = 0; i < DIGEST_WORDS; i++) {
        finish.push(`const ${stream.name}x${i} = ${this.#chaining(stream, i)};`);
      }
      finish.push(...this.#storeWords(stream, (i) => `${stream.name}x${i}`));
    }
    return `${start.join("\n")}\n}\n${finish.join("\n")}\n}\n`;
  }

  #outputs(): string {
    return list(this.lanes, (k) => `o${k}: usize`);
  }
  #inputs(): string {
    return list(this.lanes, (k) => `a${k}: usize`);
  }
  #masks(): string[] {
    if (!this.#relaxed) return [];
    return ["const R24 = v128.load(ROTATIONS), R16 = v128.load(ROTATIONS, 16);"];
  }

  /** The u64 of every lane at `base` + offset. */
  #load(stream: Stream, base: "a" | "b", offset: number): string {
    const { kind, lane } = stream;
    if (kind === "single") return `load<u64>(${base}${lane}, ${offset})`;
    return `v128.load64_lane(${base}${lane + 1}, v128.load64_zero(${base}${lane}, ${offset}), 1, ${offset})`;
  }

  #maskedWords(stream: Stream, count: number, out: string[]): Words {
    return Array.from({ length: count }, (_, i) => {
      const name = `${stream.name}m${i}`;
      const load = this.#load(stream, "a", 8 * i);
      const masked =
        stream.kind === "pair"
          ? `v128.and(${load}, v128.load(masks, ${16 * i}))`
          : `${load} & load<u64>(masks, ${16 * i})`;
      out.push(`const ${name} = ${masked};`);
      return name;
    });
  }

  /** @param t, f what words 12 and 14 are XORed with: a constant or the name of a u64 */
  #initialState(
    stream: Stream,
    low: (i: number) => string,
    t: bigint | string,
    f: bigint | string,
  ): string[] {
    const { name, kind } = stream;
    const type = kind === "pair" ? "v128" : "u64";
    const out: string[] = [];
    for (let i = 0; i < 8; i++) {
      const word = IV[i] ?? 0n;
      const folded = i === 4 ? t : i === 6 ? f : 0n;
      const high =
        typeof folded === "bigint"
          ? this.#constant(kind, word ^ folded)
          : this.#xor(kind, this.#constant(kind, word), kind === "pair" ? `i64x2.splat(${folded})` : folded);
      out.push(`let ${name}v${i}: ${type} = ${low(i)};`, `let ${name}v${i + 8}: ${type} = ${high};`);
    }
    return out;
  }

  #rounds(words: readonly Words[]): string[] {
    const out: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const order = SIGMA[round % SIGMA.length] ?? [];
      for (const [a, b, c, d, x, y] of MIXINGS) {
        this.#streams.forEach((stream, s) => {
          const first = words[s]?.[order[x] ?? MESSAGE_WORDS];
          const second = words[s]?.[order[y] ?? MESSAGE_WORDS];
          const v = (i: number): string => `${stream.name}v${i}`;
          out.push(this.#mix(stream.kind, v(a), v(b), v(c), v(d), first, second));
        });
      }
    }
    return out;
  }

  /** One G. `first` and `second` are message words, left out when known to be zero. */
  #mix(
    kind: StreamKind,
    a: string,
    b: string,
    c: string,
    d: string,
    first: string | undefined,
    second: string | undefined,
  ): string {
    const half = (word: string | undefined, rotateD: 32 | 16, rotateB: 24 | 63): string[] => {
      const sum = word === undefined ? a : this.#add(kind, a, word);
      return [
        `${a} = ${this.#add(kind, sum, b)};`,
        `${d} = ${this.#rotate(kind, this.#xor(kind, d, a), rotateD)};`,
        `${c} = ${this.#add(kind, c, d)};`,
        `${b} = ${this.#xor(kind, b, c)};`,
        `${b} = ${this.#rotate(kind, b, rotateB)};`,
      ];
    };
    return [...half(first, 32, 24), ...half(second, 16, 63)].join(" ");
  }

  #rotate(kind: StreamKind, x: string, by: 32 | 24 | 16 | 63): string {
    if (kind === "single") return `rotr<u64>(${x}, ${by})`;
    if (by === 63) return `v128.xor(i64x2.add(${x}, ${x}), i64x2.shr_u(${x}, 63))`;
    if (by !== 32 && this.#relaxed) return `i8x16.relaxed_swizzle(${x}, R${by})`;
    const pattern = list(16, (i) => String((i & 8) | ((i + by / 8) & 7)));
    return `i8x16.shuffle(${x}, i64x2.splat(0), ${pattern})`;
  }

  #storeDigest(stream: Stream): string[] {
    const out: string[] = [];
    for (let i = 0; i < DIGEST_WORDS; i++) {
      const mixed = this.#xor(stream.kind, `${stream.name}v${i}`, `${stream.name}v${i + 8}`);
      out.push(
        `const ${stream.name}x${i} = ${this.#xor(stream.kind, mixed, this.#constant(stream.kind, INITIAL[i] ?? 0n))};`,
      );
    }
    out.push(...this.#storeWords(stream, (i) => `${stream.name}x${i}`));
    return out;
  }

  /** Takes the lanes apart again: four words of each message, contiguous. */
  #storeWords(stream: Stream, word: (i: number) => string): string[] {
    const { kind, lane } = stream;
    if (kind === "single") {
      return [0, 1, 2, 3].map((i) => `store<u64>(o${lane}, ${word(i)}, ${8 * i});`);
    }
    return [0, 1].flatMap((k) =>
      [0, 1].map((half) => {
        const words = `${word(2 * half)}, ${word(2 * half + 1)}`;
        return `v128.store(o${lane + k}, i64x2.shuffle(${words}, ${k}, ${k + 2}), ${16 * half});`;
      }),
    );
  }

  /** Offset of chaining word i of a stream in HASH_STATE. */
  #slot(stream: Stream, i: number): number {
    return 8 * (i * 2 * this.#streams.length + 2 * this.#streams.indexOf(stream));
  }
  #chaining(stream: Stream, i: number): string {
    return `${stream.kind === "pair" ? "v128.load" : "load<u64>"}(HASH_STATE, ${this.#slot(stream, i)})`;
  }

  #constant(kind: StreamKind, word: bigint): string {
    if (kind === "single") return `<u64>${hex(word)}`;
    const at = PAIR_CONSTANTS.indexOf(word);
    return at < 0 ? `i64x2.splat(${hex(word)})` : `v128.load(CONSTANTS, ${16 * at})`;
  }
  #add(kind: StreamKind, x: string, y: string): string {
    return kind === "pair" ? `i64x2.add(${x}, ${y})` : `${x} + ${y}`;
  }
  #xor(kind: StreamKind, x: string, y: string): string {
    return kind === "pair" ? `v128.xor(${x}, ${y})` : `(${x} ^ ${y})`;
  }
  #or(kind: StreamKind, x: string, y: string): string {
    return kind === "pair" ? `v128.or(${x}, ${y})` : `(${x} | ${y})`;
  }
  #shiftLeft(kind: StreamKind, x: string): string {
    return kind === "pair" ? `i64x2.shl(${x}, 8)` : `(${x} << 8)`;
  }
  #shiftRight(kind: StreamKind, x: string, by: number): string {
    return kind === "pair" ? `i64x2.shr_u(${x}, ${by})` : `(${x} >> ${by})`;
  }
}
