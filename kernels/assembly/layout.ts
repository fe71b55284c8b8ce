/**
 * Fixed addresses at the bottom of every kernel's memory.
 *
 * | address | bytes  | what                                                                          |
 * |---------|--------|-------------------------------------------------------------------------------|
 * | 0x00000 | 0x1000 | unused: a null pointer must not name data                                      |
 * | 0x01000 | 0x2000 | NIBBLES: 256 x 32, products of c in GF(2^8) with 0..15 and with 0x00..0xF0     |
 * | 0x03000 | 0x0080 | CONVERT: 8 x 16, between Cantor bytes and tower coordinates (see field.ts)     |
 * | 0x03080 | 0x0010 | NIBBLE_MASK: 16 times 15, in memory because V8 builds a literal v128 at each use     |
 * | 0x03100 | 0x0100 | TOWER_LOW: by high byte h, what h adds to the tower's low coordinate           |
 * | 0x03200 | 0x0100 | TOWER_HIGH: by high byte h, the tower's high coordinate                        |
 * | 0x03300 | 0x0100 | TIMES_W7: c * w7                                                              |
 * | 0x03400 | 0x0400 | HASH_STATE: Blake2b chaining values of one group of messages                   |
 * | 0x03800 | 0x0300 | MASKS: which bytes of a leaf's first, middle and last block are its own     |
 * | 0x10000 | 0x20000| LOG: u16 by element                                                            |
 * | 0x30000 | 0x20000| EXP: u16 by logarithm                                                          |
 * | 0x50000 | ..     | the compiler's own constants                                                   |
 * | 0x60000 | ..     | ARENA: everything else, laid out by the caller (shared/codec/kernel-arena.ts)  |
 */
export const NIBBLES: usize = 0x1000;
export const CONVERT: usize = 0x3000;
export const NIBBLE_MASK: usize = 0x3080;
export const TOWER_LOW: usize = 0x3100;
export const TOWER_HIGH: usize = 0x3200;
export const TIMES_W7: usize = 0x3300;
export const HASH_STATE: usize = 0x3400;
export const MASKS_FIRST: usize = 0x3800;
export const MASKS_MIDDLE: usize = 0x3900;
export const MASKS_LAST: usize = 0x3a00;
export const LOG: usize = 0x10000;
export const EXP: usize = 0x30000;
