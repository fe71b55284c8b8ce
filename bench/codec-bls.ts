/**
 * 100 confirmations of one message, ours beside `@mysten/walrus-wasm`.
 *
 * - final step: signatures were parsed on arrival, keys are cached; they are summed and verified once
 * - from bytes: the signatures are parsed as well
 * - anchor: the official aggregate and one verification of it, from bytes
 */
import { bls12381_min_pk_aggregate, bls12381_min_pk_verify_aggregate } from "@mysten/walrus-wasm";
import {
  aggregateSignatures,
  blsPublicKey,
  blsSign,
  parseBlsPublicKey,
  parseBlsSignature,
  verifyAggregate,
} from "../shared/crypto/bls.ts";
import { benchBytes } from "./codec-cases.ts";
import type { Figure } from "./codec-figures.ts";
import { spread } from "./statistics.ts";

const CONFIRMATIONS = 100;
const MESSAGE_BYTES = 40;
const TARGET_MS = { "final step": 35, "from bytes": 200 } as const;

export async function confirmationFigures(rounds: number): Promise<Figure[]> {
  const message = benchBytes(MESSAGE_BYTES);
  const secrets = Array.from({ length: CONFIRMATIONS }, (_, i) => {
    const secret = new Uint8Array(32).fill(1);
    new DataView(secret.buffer).setUint32(28, i + 1);
    return secret;
  });
  const keyBytes = secrets.map((secret) => blsPublicKey(secret));
  const keys = keyBytes.map((bytes) => parseBlsPublicKey(bytes));
  const signatureBytes = secrets.map((secret) => blsSign(message, secret));
  const signatures = signatureBytes.map((bytes) => parseBlsSignature(bytes));
  const check = (holds: boolean): void => {
    if (!holds) throw new Error("the aggregate does not verify");
  };
  const steps = {
    "final step": () => check(verifyAggregate(message, aggregateSignatures(signatures), keys)),
    "from bytes": () => {
      const parsed = signatureBytes.map((bytes) => parseBlsSignature(bytes));
      check(verifyAggregate(message, aggregateSignatures(parsed), keys));
    },
  };
  const plain = (list: readonly Uint8Array[]): number[][] => list.map((bytes) => Array.from(bytes));
  const [plainSignatures, plainKeys] = [plain(signatureBytes), plain(keyBytes)];
  const anchor = (): void => {
    const aggregate = bls12381_min_pk_aggregate(plainSignatures);
    check(bls12381_min_pk_verify_aggregate(plainKeys, message, aggregate));
  };
  return (["final step", "from bytes"] as const).map((step) => {
    const [ours, theirs]: [number[], number[]] = [[], []];
    const timed = (into: number[], call: () => void): void => {
      const started = performance.now();
      call();
      into.push(performance.now() - started);
    };
    anchor();
    steps[step]();
    for (let round = 0; round < rounds; round++) {
      timed(theirs, anchor);
      timed(ours, steps[step]);
      timed(ours, steps[step]);
      timed(theirs, anchor);
    }
    const [mine, other] = [spread(ours), spread(theirs)];
    return {
      op: "bls",
      n: CONFIRMATIONS,
      size: MESSAGE_BYTES,
      step,
      runtime: "node",
      oursMs: mine.median,
      oursMinMs: mine.min,
      oursMaxMs: mine.max,
      anchorMs: other.median,
      ratio: other.median / mine.median,
      peakMb: null,
      anchorPeakMb: null,
      target: { ms: TARGET_MS[step] },
    };
  });
}
