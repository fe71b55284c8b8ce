/**
 * Symbols to planes and back.
 *
 * A symbol's bytes come in 64-byte chunks of 32 low and 32 high bytes; the last chunk of t bytes has t/2 of each:
 *
 *     symbol   | 32 low | 32 high | 32 low | 32 high | t/2 low | t/2 high |
 *     planes   low: | 32 | 32 | t/2 |      high: | 32 | 32 | t/2 |
 *
 * The code acts on each element alone, so any number of symbols may lie side by side in one pair of planes; this is
 * what removes the padding to 64 bytes that costs others up to 32 times the work for 2-byte symbols.
 */

/** Copies a few bytes; `memory.copy` is a call of the engine that costs more than most symbols. */
/* @inline */
export function copyShort(to: usize, from: usize, bytes: usize): void {
  let i: usize = 0;
  while (i + 16 <= bytes) {
    v128.store(to + i, v128.load(from + i));
    i += 16;
  }
  if (bytes & 8) {
    store<u64>(to + i, load<u64>(from + i));
    i += 8;
  }
  if (bytes & 4) {
    store<u32>(to + i, load<u32>(from + i));
    i += 4;
  }
  if (bytes & 2) {
    store<u16>(to + i, load<u16>(from + i));
    i += 2;
  }
  if (bytes & 1) store<u8>(to + i, load<u8>(from + i));
}

/* @inline */
export function splitSymbol(symbol: usize, low: usize, high: usize, symbolBytes: i32): void {
  let left = symbolBytes;
  while (left >= 64) {
    v128.store(low, v128.load(symbol));
    v128.store(low, v128.load(symbol, 16), 16);
    v128.store(high, v128.load(symbol, 32));
    v128.store(high, v128.load(symbol, 48), 16);
    symbol += 64;
    low += 32;
    high += 32;
    left -= 64;
  }
  const half = <usize>(left >> 1);
  if (half !== 0) {
    copyShort(low, symbol, half);
    copyShort(high, symbol + half, half);
  }
}

/* @inline */
export function joinSymbol(symbol: usize, low: usize, high: usize, symbolBytes: i32): void {
  let left = symbolBytes;
  while (left >= 64) {
    v128.store(symbol, v128.load(low));
    v128.store(symbol, v128.load(low, 16), 16);
    v128.store(symbol, v128.load(high), 32);
    v128.store(symbol, v128.load(high, 16), 48);
    symbol += 64;
    low += 32;
    high += 32;
    left -= 64;
  }
  const half = <usize>(left >> 1);
  if (half !== 0) {
    copyShort(symbol, low, half);
    copyShort(symbol + half, high, half);
  }
}

/** Splits `count` contiguous symbols into planes, element after element. */
export function splitRun(symbols: usize, low: usize, high: usize, symbolBytes: i32, count: i32): void {
  if (symbolBytes === 2) {
    // 16 symbols at once: even bytes are low, odd bytes high.
    while (count >= 16) {
      const x = v128.load(symbols);
      const y = v128.load(symbols, 16);
      v128.store(low, i8x16.shuffle(x, y, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30));
      v128.store(high, i8x16.shuffle(x, y, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31));
      symbols += 32;
      low += 16;
      high += 16;
      count -= 16;
    }
  }
  const half = <usize>(symbolBytes >> 1);
  for (let i = 0; i < count; i++) {
    splitSymbol(symbols, low, high, symbolBytes);
    symbols += <usize>symbolBytes;
    low += half;
    high += half;
  }
}

/** Joins planes into `count` contiguous symbols. */
export function joinRun(symbols: usize, low: usize, high: usize, symbolBytes: i32, count: i32): void {
  if (symbolBytes === 2) {
    while (count >= 16) {
      const l = v128.load(low);
      const h = v128.load(high);
      v128.store(symbols, i8x16.shuffle(l, h, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
      v128.store(
        symbols,
        i8x16.shuffle(l, h, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31),
        16,
      );
      symbols += 32;
      low += 16;
      high += 16;
      count -= 16;
    }
  }
  const half = <usize>(symbolBytes >> 1);
  for (let i = 0; i < count; i++) {
    joinSymbol(symbols, low, high, symbolBytes);
    symbols += <usize>symbolBytes;
    low += half;
    high += half;
  }
}
