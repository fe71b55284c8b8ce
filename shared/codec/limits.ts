/** Memory of the codec. Hitting a bound is a typed error, never a hang. */

const MIB = 1024 * 1024;

export const CODEC_LIMITS = {
  /** Memory all open encoders and decoders of an isolate may hold together, below its 128 MB. */
  codecBytes: 96 * MIB,
} as const;
