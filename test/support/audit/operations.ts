/** Operations on the two registries of one audit package, and random sequences of them. */
import * as fc from "fast-check";
import type { RegistryParams } from "../../../shared/sui/audit/contracts.ts";
import { AUDIT_PARAMS } from "./world.ts";

/** Tight, so that short sequences reach every cap and every pruning. */
export const SEQUENCE_PARAMS: RegistryParams = {
  ...AUDIT_PARAMS,
  maxOpenPerNode: 2,
  maxPerAuditorEpoch: 3,
  retentionRounds: 4,
};
export const EPOCHS = [1, 2] as const;

/** Registries of one package: everything may happen at either, and what belongs to one is also tried at the other. */
export const REGISTRIES = [0, 1] as const;

export type Operation =
  | { readonly kind: "wait"; readonly ms: number }
  | {
      readonly kind: "declare";
      readonly at: number;
      readonly by: number;
      readonly epoch: number;
      readonly root: "true" | "other" | "short";
    }
  | { readonly kind: "open"; readonly at: number; readonly slot: number }
  | {
      readonly kind: "report";
      readonly at: number;
      readonly by: number;
      readonly round: number;
      readonly epoch: number;
      readonly sum: boolean;
    }
  | {
      readonly kind: "file";
      readonly at: number;
      readonly by: number;
      readonly round: number;
      readonly draw: number;
      readonly node: number;
      readonly flaw: Flaw;
    }
  | {
      readonly kind: ClaimCall;
      readonly by: number;
      readonly claim: number;
      /** At the registry that the claim is not of. */
      readonly elsewhere: boolean;
    }
  | {
      readonly kind: "refute";
      readonly by: number;
      readonly claim: number;
      readonly elsewhere: boolean;
      readonly flaw: "none" | "symbol" | "prefix" | "path";
    }
  | { readonly kind: "prune-round"; readonly at: number; readonly round: number }
  | { readonly kind: "prune-population"; readonly at: number; readonly epoch: number }
  | { readonly kind: "deactivate" | "take-back"; readonly at: number; readonly auditor: number }
  | { readonly kind: "pause"; readonly at: number; readonly paused: boolean }
  | { readonly kind: "params"; readonly at: number; readonly quorum: number };

/** What takes a claim and nothing else that could be wrong. */
export type ClaimCall = (typeof CLAIM_CALLS)[number];
const CLAIM_CALLS = ["attest", "bind", "withdraw", "finalize", "purge"] as const;

const FLAWS = [
  "none",
  "none",
  "none",
  "none",
  "none",
  "any-draw",
  "any-draw",
  "bond",
  "index",
  "t",
  "entry",
  "confirmation",
] as const;
export type Flaw = (typeof FLAWS)[number];

const at = fc.constantFrom(0, 0, 0, 1);
const elsewhere = fc.constantFrom(false, false, false, false, true);
/** 0..2 are auditors, 3 is a stranger. */
const by = fc.constantFrom(0, 0, 0, 1, 1, 1, 2, 3);
const position = fc.nat(5);
const epoch = fc.constantFrom(1, 1, 1, 2);
const kind = <Kind extends string>(name: Kind) => fc.constant(name);
const weighted = <T>(weight: number, arbitrary: fc.Arbitrary<T>) => ({ weight, arbitrary });

const operation: fc.Arbitrary<Operation> = fc.oneof(
  weighted(6, fc.record({ kind: kind("wait"), ms: fc.constantFrom(1, 1, 400, 400, 1000, 2501) })),
  weighted(
    3,
    fc.record({ kind: kind("declare"), at, by, epoch, root: fc.constantFrom("true", "other", "short") }),
  ),
  weighted(4, fc.record({ kind: kind("open"), at, slot: fc.constantFrom(0, 0, 0, -1, 1) })),
  weighted(6, fc.record({ kind: kind("report"), at, by, round: position, epoch, sum: fc.boolean() })),
  weighted(
    22,
    fc.record({
      kind: kind("file"),
      at,
      by,
      round: position,
      draw: fc.nat(200),
      node: fc.nat(2),
      flaw: fc.constantFrom(...FLAWS),
    }),
  ),
  weighted(12, fc.record({ kind: kind("attest"), by, claim: position, elsewhere })),
  weighted(2, fc.record({ kind: kind("bind"), by, claim: position, elsewhere })),
  weighted(4, fc.record({ kind: kind("withdraw"), by, claim: position, elsewhere })),
  weighted(4, fc.record({ kind: kind("finalize"), by, claim: position, elsewhere })),
  weighted(2, fc.record({ kind: kind("purge"), by, claim: position, elsewhere })),
  weighted(
    8,
    fc.record({
      kind: kind("refute"),
      by,
      claim: position,
      elsewhere,
      flaw: fc.constantFrom("none", "none", "symbol", "prefix", "path"),
    }),
  ),
  weighted(1, fc.record({ kind: kind("prune-round"), at, round: position })),
  weighted(1, fc.record({ kind: kind("prune-population"), at, epoch })),
  weighted(1, fc.record({ kind: kind("deactivate"), at, auditor: fc.nat(2) })),
  weighted(2, fc.record({ kind: kind("take-back"), at, auditor: fc.nat(2) })),
  weighted(1, fc.record({ kind: kind("pause"), at, paused: fc.boolean() })),
  weighted(1, fc.record({ kind: kind("params"), at, quorum: fc.constantFrom(1, 2, 3) })),
);

/** Everything up to a reported round at either registry, so that claims come early. */
const OPENING: readonly Operation[] = [
  ...REGISTRIES.flatMap((at) =>
    [0, 1, 2].map((by) => ({ kind: "declare", at, by, epoch: 1, root: "true" }) as const),
  ),
  { kind: "wait", ms: 10 },
  ...REGISTRIES.map((at) => ({ kind: "open", at, slot: 0 }) as const),
  ...REGISTRIES.flatMap((at) =>
    [0, 1].map((by) => ({ kind: "report", at, by, round: 0, epoch: 1, sum: true }) as const),
  ),
];

/** A claim, and everything that would be done about it if the other registry had a say. */
const ASTRAY: readonly Operation[] = [
  { kind: "file", at: 0, by: 0, round: 0, draw: 0, node: 0, flaw: "none" },
  { kind: "file", at: 1, by: 0, round: 0, draw: 1, node: 0, flaw: "none" },
  ...CLAIM_CALLS.map((kind) => ({ kind, by: kind === "attest" ? 1 : 0, claim: 0, elsewhere: true }) as const),
  { kind: "refute", by: 3, claim: 1, elsewhere: true, flaw: "none" },
  { kind: "bind", by: 3, claim: 0, elsewhere: false },
];

/** Deadlines pass and claims end; then retention passes and what is over is taken away. */
const CLOSING: readonly Operation[] = [
  { kind: "wait", ms: SEQUENCE_PARAMS.windowMs + 1 },
  { kind: "finalize", by: 3, claim: 0, elsewhere: true },
  ...[0, 1, 2].map((claim) => ({ kind: "finalize", by: 3, claim, elsewhere: false }) as const),
  { kind: "purge", by: 3, claim: 0, elsewhere: false },
  { kind: "prune-round", at: 0, round: 0 },
  { kind: "wait", ms: 10_000 },
  { kind: "purge", by: 3, claim: 0, elsewhere: true },
  ...[0, 1].map((claim) => ({ kind: "purge", by: 3, claim, elsewhere: false }) as const),
  ...[0, 1].map((round) => ({ kind: "prune-round", at: 0, round }) as const),
  ...EPOCHS.map((epoch) => ({ kind: "prune-population", at: 0, epoch }) as const),
];

export const sequences: fc.Arbitrary<readonly Operation[]> = fc
  .tuple(fc.array(operation, { minLength: 25, maxLength: 25 }), fc.boolean())
  .map(([middle, isClosed]) => [...OPENING, ...middle, ...(isClosed ? CLOSING : [])]);

/** One that takes a claim to the wrong registry in every way there is. */
export const STRAY_SEQUENCE: readonly Operation[] = [...OPENING, ...ASTRAY, ...CLOSING];
