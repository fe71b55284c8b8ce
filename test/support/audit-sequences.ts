/**
 * Random sequences of operations on one audit panel: run as transactions through the Sui stand-in, and written down as
 * the Move code that does the same in the contract's own words.
 */
import type { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import type { Transaction } from "@mysten/sui/transactions";
import * as fc from "fast-check";
import type { Challenge } from "../../shared/audit/selection.ts";
import { type ObjectId, parseObjectId } from "../../shared/protocol/ids.ts";
import {
  addAuditorsTransaction,
  deactivateAuditorsTransaction,
  setParamsTransaction,
  setPausedTransaction,
} from "../../shared/sui/audit-panel-transactions.ts";
import {
  attestTransaction,
  type ClaimToFile,
  fileClaimTransaction,
  finalizeTransaction,
  openRoundTransaction,
  prunePopulationTransaction,
  pruneRoundTransaction,
  purgeClaimTransaction,
  type RegistryParams,
  refuteTransaction,
  type SharedRef,
  withdrawTransaction,
} from "../../shared/sui/audit-transactions.ts";
import { bytesLiteral, pathLiteral } from "../unit/move/move-literals.ts";
import { AUDIT_PARAMS, type AuditWorld, drawsOf } from "./audit-world.ts";

/** Tight, so that short sequences reach every cap and every pruning. */
export const SEQUENCE_PARAMS: RegistryParams = {
  ...AUDIT_PARAMS,
  maxOpenPerNode: 2,
  maxPerAuditorEpoch: 3,
  retentionRounds: 4,
};
export const EPOCHS = [1, 2] as const;

export type Operation =
  | { readonly kind: "wait"; readonly ms: number }
  | {
      readonly kind: "declare";
      readonly by: number;
      readonly epoch: number;
      readonly root: "true" | "other" | "short";
    }
  | { readonly kind: "open"; readonly slot: number }
  | {
      readonly kind: "report";
      readonly by: number;
      readonly round: number;
      readonly epoch: number;
      readonly sum: boolean;
    }
  | {
      readonly kind: "file";
      readonly by: number;
      readonly round: number;
      readonly draw: number;
      readonly node: number;
      readonly flaw: Flaw;
    }
  | {
      readonly kind: "attest" | "withdraw" | "finalize" | "purge";
      readonly by: number;
      readonly claim: number;
    }
  | {
      readonly kind: "refute";
      readonly by: number;
      readonly claim: number;
      readonly flaw: "none" | "symbol" | "prefix" | "path";
    }
  | { readonly kind: "prune-round"; readonly round: number }
  | { readonly kind: "prune-population"; readonly epoch: number }
  | { readonly kind: "deactivate" | "take-back"; readonly auditor: number }
  | { readonly kind: "pause"; readonly paused: boolean }
  | { readonly kind: "params"; readonly quorum: number };

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
type Flaw = (typeof FLAWS)[number];

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
    fc.record({ kind: kind("declare"), by, epoch, root: fc.constantFrom("true", "other", "short") }),
  ),
  weighted(4, fc.record({ kind: kind("open"), slot: fc.constantFrom(0, 0, 0, -1, 1) })),
  weighted(6, fc.record({ kind: kind("report"), by, round: position, epoch, sum: fc.boolean() })),
  weighted(
    22,
    fc.record({
      kind: kind("file"),
      by,
      round: position,
      draw: fc.nat(200),
      node: fc.nat(2),
      flaw: fc.constantFrom(...FLAWS),
    }),
  ),
  weighted(12, fc.record({ kind: kind("attest"), by, claim: position })),
  weighted(4, fc.record({ kind: kind("withdraw"), by, claim: position })),
  weighted(4, fc.record({ kind: kind("finalize"), by, claim: position })),
  weighted(2, fc.record({ kind: kind("purge"), by, claim: position })),
  weighted(
    8,
    fc.record({
      kind: kind("refute"),
      by,
      claim: position,
      flaw: fc.constantFrom("none", "none", "symbol", "prefix", "path"),
    }),
  ),
  weighted(1, fc.record({ kind: kind("prune-round"), round: position })),
  weighted(1, fc.record({ kind: kind("prune-population"), epoch })),
  weighted(1, fc.record({ kind: kind("deactivate"), auditor: fc.nat(2) })),
  weighted(2, fc.record({ kind: kind("take-back"), auditor: fc.nat(2) })),
  weighted(1, fc.record({ kind: kind("pause"), paused: fc.boolean() })),
  weighted(1, fc.record({ kind: kind("params"), quorum: fc.constantFrom(1, 2, 3) })),
);

/** Everything up to a reported round, so that claims come early. */
const OPENING: readonly Operation[] = [
  ...[0, 1, 2].map((each) => ({ kind: "declare", by: each, epoch: 1, root: "true" }) as const),
  { kind: "wait", ms: 10 },
  { kind: "open", slot: 0 },
  ...[0, 1].map((each) => ({ kind: "report", by: each, round: 0, epoch: 1, sum: true }) as const),
];

/** Deadlines pass and claims end; then retention passes and what is over is taken away. */
const CLOSING: readonly Operation[] = [
  { kind: "wait", ms: SEQUENCE_PARAMS.windowMs + 1 },
  ...[0, 1, 2].map((claim) => ({ kind: "finalize", by: 3, claim }) as const),
  { kind: "purge", by: 3, claim: 0 },
  { kind: "prune-round", round: 0 },
  { kind: "wait", ms: 10_000 },
  ...[0, 1].map((claim) => ({ kind: "purge", by: 3, claim }) as const),
  ...[0, 1].map((round) => ({ kind: "prune-round", round }) as const),
  ...EPOCHS.map((each) => ({ kind: "prune-population", epoch: each }) as const),
];

export const sequences: fc.Arbitrary<readonly Operation[]> = fc
  .tuple(fc.array(operation, { minLength: 25, maxLength: 25 }), fc.boolean())
  .map(([middle, isClosed]) => [...OPENING, ...middle, ...(isClosed ? CLOSING : [])]);

/** One operation as it went: what it says in Move, and what came of it here. */
export interface Step {
  /** Statements over `w`; they run in `w`'s next transaction, of `sender` at `nowMs`. */
  readonly move: string;
  readonly sender: ObjectId;
  readonly nowMs: number;
  /** "module code" of an abort. */
  readonly failure: string | undefined;
  readonly events: readonly StepEvent[];
}

export interface StepEvent {
  readonly name: string;
  readonly contents: Uint8Array;
  /** Number of the claim whose ID the event begins with. */
  readonly claim: number | undefined;
}

interface FiledClaim {
  readonly ref: SharedRef;
  readonly challenge: Challenge;
  isGone: boolean;
}

export interface SequenceRun {
  readonly steps: readonly Step[];
  readonly claims: readonly FiledClaim[];
  readonly rounds: readonly number[];
}

const id = (key: Ed25519Keypair): ObjectId => parseObjectId(key.toSuiAddress());
const CLOCK = "&w.clock";
const CTX = "w.scenario.ctx()";

/** Runs a sequence; operations on claims or rounds that there are none of are left out. */
export async function runSequence(world: AuditWorld, operations: readonly Operation[]): Promise<SequenceRun> {
  const run = new Runner(world);
  for (const each of operations) await run.step(each);
  return { steps: run.steps, claims: run.claims, rounds: run.rounds.map(({ no }) => no) };
}

class Runner {
  readonly steps: Step[] = [];
  readonly claims: FiledClaim[] = [];
  readonly rounds: { readonly no: number; readonly seed: Uint8Array }[] = [];
  readonly #world: AuditWorld;

  constructor(world: AuditWorld) {
    this.#world = world;
  }

  #key(by: number): Ed25519Keypair {
    return this.#world.auditors[by] ?? this.#world.stranger;
  }

  async step(operation: Operation): Promise<void> {
    const world = this.#world;
    switch (operation.kind) {
      case "wait":
        return world.clock.advance(operation.ms);
      case "declare":
        return this.#declare(operation);
      case "open":
        return this.#open(operation.slot);
      case "report":
        return this.#report(operation);
      case "file":
        return this.#file(operation);
      case "attest":
      case "withdraw":
      case "finalize":
      case "purge":
        return this.#onClaim(operation.kind, operation.by, operation.claim);
      case "refute":
        return this.#refute(operation);
      case "prune-round": {
        const no = this.#round(operation.round)?.no ?? 1;
        const move = `r.prune_round(${no}, ${CLOCK});`;
        return this.#send(world.stranger, pruneRoundTransaction(world.contracts, no), move);
      }
      case "prune-population": {
        const move = `r.prune_population(${operation.epoch}, ${CLOCK});`;
        return this.#send(world.stranger, prunePopulationTransaction(world.contracts, operation.epoch), move);
      }
      default:
        return this.#administer(operation);
    }
  }

  async #administer(
    operation: Extract<Operation, { kind: "deactivate" | "take-back" | "pause" | "params" }>,
  ): Promise<void> {
    const { contracts, cap, admin } = this.#world;
    const withCap = (call: string): string =>
      `let cap = w.scenario.take_from_sender<AdminCap>(); r.${call}; w.scenario.return_to_sender(cap);`;
    switch (operation.kind) {
      case "deactivate": {
        const auditor = id(this.#key(operation.auditor));
        const move = withCap(`deactivate_auditor(&cap, @${auditor})`);
        return this.#send(admin, deactivateAuditorsTransaction(contracts, cap, [auditor]), move);
      }
      case "take-back": {
        const address = id(this.#key(operation.auditor));
        const entry = { address, name: "back", url: "", sinceEpoch: 5 };
        const move = withCap(`add_auditor(&cap, @${address}, utf8(b"back"), utf8(b""), 5)`);
        return this.#send(admin, addAuditorsTransaction(contracts, cap, [entry]), move);
      }
      case "pause": {
        const move = withCap(`set_paused(&cap, ${operation.paused})`);
        return this.#send(admin, setPausedTransaction(contracts, cap, operation.paused), move);
      }
      case "params": {
        const params = { ...SEQUENCE_PARAMS, quorum: operation.quorum };
        const move = withCap(`set_params(&cap, ${paramsLiteral(params)})`);
        return this.#send(admin, setParamsTransaction(contracts, cap, params), move);
      }
    }
  }

  async #declare({ by, epoch, root }: Extract<Operation, { kind: "declare" }>): Promise<void> {
    const { population } = this.#world;
    const roots = {
      true: population.root(),
      other: new Uint8Array(32).fill(3),
      short: new Uint8Array(31),
    } as const;
    const bytes = roots[root];
    const transaction = this.#world.declare({ epoch, root: bytes });
    const size = `${population.size}, ${population.totalBytes}`;
    const move = `r.declare_population(${epoch}, ${size}, ${bytesLiteral(bytes)}, ${CLOCK}, ${CTX});`;
    return this.#send(this.#key(by), transaction, move);
  }

  async #open(slot: number): Promise<void> {
    const world = this.#world;
    const no = Math.floor(world.clock.nowMs() / SEQUENCE_PARAMS.periodMs) + slot;
    // The seed that was drawn here is the one the Move code takes; an abort comes before it is of any use.
    const move = (seed: Uint8Array): string =>
      `r.open_round_for_testing(${no}, ${bytesLiteral(seed)}, ${CLOCK}, ${CTX});`;
    const before = this.steps.length;
    await this.#send(world.stranger, openRoundTransaction(world.contracts, no), move(new Uint8Array(32)));
    const step = this.steps[before];
    const opened = step?.events.find(({ name }) => name === "RoundOpened");
    if (step === undefined || opened === undefined) return;
    const seed = opened.contents.slice(9, 41);
    this.rounds.push({ no, seed });
    this.steps[before] = { ...step, move: move(seed) };
  }

  #round(position: number): { readonly no: number; readonly seed: Uint8Array } | undefined {
    return this.rounds[position % Math.max(this.rounds.length, 1)];
  }

  async #report({ by, round, epoch, sum }: Extract<Operation, { kind: "report" }>): Promise<void> {
    const no = this.#round(round)?.no ?? 1;
    const totals = sum ? [9, 3, 1, 1, 1, 2, 1, 5] : [8, 3, 1, 1, 1, 2, 1, 5];
    const root = new Uint8Array(32).fill(7);
    const rows = new Uint8Array(52);
    const transaction = this.#world.report(no, { epoch, totals, evidenceRoot: root, nodesRoot: root, rows });
    const roots = `${bytesLiteral(root)}, ${bytesLiteral(root)}, ${bytesLiteral(rows)}`;
    const move = `r.report(${no}, ${epoch}, vector[${totals.join(", ")}], ${roots}, ${CTX});`;
    return this.#send(this.#key(by), transaction, move);
  }

  async #file(operation: Extract<Operation, { kind: "file" }>): Promise<void> {
    const world = this.#world;
    const round = this.#round(operation.round);
    if (round === undefined) return;
    const { flaw } = operation;
    const all = drawsOf(round.seed, world.population, SEQUENCE_PARAMS.drawsPerShard);
    const good = all.filter((each) => !each.isVacuous && each.endEpoch >= 3);
    const from = flaw === "any-draw" ? all : good;
    const challenge = from[operation.draw % from.length];
    if (challenge === undefined) return;
    const node = parseObjectId(`0x${"be".repeat(31)}0${operation.node}`);
    const sound = world.claim(challenge, { round: round.no, node });
    const claim = { ...sound, ...flawed(sound, challenge, flaw) };
    const before = this.steps.length;
    await this.#send(this.#key(operation.by), fileClaimTransaction(world.contracts, claim), fileMove(claim), {
      filing: challenge,
    });
    const step = this.steps[before];
    if (step?.failure === undefined && step !== undefined) {
      this.steps[before] = { ...step, move: `${step.move} w.filed();` };
    }
  }

  async #onClaim(
    name: "attest" | "withdraw" | "finalize" | "purge",
    by: number,
    position: number,
  ): Promise<void> {
    const { contracts } = this.#world;
    const found = this.#claim(position);
    if (found === undefined) return;
    const { number, claim } = found;
    const key = this.#key(by);
    const take = `let mut c = w.claim(${number});`;
    const back = "scenario::return_shared(c);";
    const gained = `assert!(coin.burn_for_testing() == ${SEQUENCE_PARAMS.bondMist});`;
    const forms = {
      attest: [
        attestTransaction(contracts, claim.ref),
        `${take} r.attest(&mut c, ${CLOCK}, ${CTX}); ${back}`,
      ],
      finalize: [
        finalizeTransaction(contracts, claim.ref),
        `${take} r.finalize(&mut c, ${CLOCK}, ${CTX}); ${back}`,
      ],
      withdraw: [
        withdrawTransaction(contracts, claim.ref, id(key)),
        `let c = w.claim(${number}); let coin = r.withdraw(c, ${CTX}); ${gained}`,
      ],
      purge: [
        purgeClaimTransaction(contracts, claim.ref),
        `let c = w.claim(${number}); r.purge_claim(c, ${CLOCK});`,
      ],
    } as const;
    const [transaction, move] = forms[name];
    await this.#send(key, transaction, move);
    const isOver = this.steps.at(-1)?.failure === undefined;
    if (isOver && (name === "withdraw" || name === "purge")) claim.isGone = true;
  }

  async #refute({ by, claim: position, flaw }: Extract<Operation, { kind: "refute" }>): Promise<void> {
    const world = this.#world;
    const found = this.#claim(position);
    if (found === undefined) return;
    const { number, claim } = found;
    const key = this.#key(by);
    const answer = world.answer(claim.challenge);
    const prefixedSymbol = answer.prefixedSymbol.slice();
    const at = flaw === "symbol" ? 1 : 0;
    if (flaw === "symbol" || flaw === "prefix") prefixedSymbol[at] = (prefixedSymbol[at] ?? 0) ^ 1;
    const sliverPath = flaw === "path" ? answer.sliverPath.slice(1) : answer.sliverPath;
    const refutation = { ...answer, prefixedSymbol, sliverPath };
    const values = [
      bytesLiteral(prefixedSymbol),
      pathLiteral(sliverPath),
      bytesLiteral(answer.otherRoot),
      pathLiteral(answer.pairPath),
    ].join(", ");
    const move =
      `let c = w.claim(${number}); let coin = r.refute(c, ${values}, ${CLOCK}, ${CTX}); ` +
      `assert!(coin.burn_for_testing() == ${SEQUENCE_PARAMS.bondMist});`;
    await this.#send(key, refuteTransaction(world.contracts, claim.ref, refutation, id(key)), move);
    if (this.steps.at(-1)?.failure === undefined) claim.isGone = true;
  }

  /** A claim that is still there. */
  #claim(position: number): { readonly number: number; readonly claim: FiledClaim } | undefined {
    const live = this.claims.flatMap((claim, number) => (claim.isGone ? [] : { number, claim }));
    return live[position % Math.max(live.length, 1)];
  }

  async #send(
    key: Ed25519Keypair,
    transaction: Transaction,
    move: string,
    { filing }: { readonly filing?: Challenge } = {},
  ): Promise<void> {
    const nowMs = this.#world.clock.nowMs();
    const sent = await this.#world.send(key, transaction);
    if (filing !== undefined && sent.failure === undefined) {
      this.claims.push({ ref: this.#world.filedClaim(sent), challenge: filing, isGone: false });
    }
    const events = sent.rawEvents.map(({ type, contents }): StepEvent => {
      const name = type.split("::").at(-1) ?? "";
      const about = parseObjectId(`0x${Buffer.from(contents.subarray(0, 32)).toString("hex")}`.slice(0, 66));
      const claim = name.startsWith("Claim")
        ? this.claims.findIndex(({ ref }) => ref.objectId === about)
        : undefined;
      return { name, contents, claim };
    });
    this.steps.push({ move, sender: id(key), nowMs, failure: sent.failure, events });
  }
}

function flawed(claim: ClaimToFile, challenge: Challenge, flaw: Flaw): Partial<ClaimToFile> {
  switch (flaw) {
    case "none":
    case "any-draw":
      return {};
    case "bond":
      return { bondMist: claim.bondMist - 1n };
    case "index":
      return { index: claim.index + 1 };
    case "t":
      return { draw: { ...challenge, t: SEQUENCE_PARAMS.drawsPerShard } };
    case "entry":
      return { entry: claim.entry.subarray(1) };
    case "confirmation":
      // Of the right length, and of a wrong one, by the draw.
      return { confirmation: new Uint8Array(136 - (challenge.t % 2)).fill(5) };
  }
}

function fileMove(claim: ClaimToFile): string {
  const { round, draw, node, index, entry, path, confirmation, bondMist } = claim;
  const values = [
    round,
    draw.mode,
    draw.shard,
    draw.t,
    `object::id_from_address(@${node})`,
    index,
    bytesLiteral(entry),
    pathLiteral(path),
    confirmation === undefined ? "option::none()" : `option::some(${bytesLiteral(confirmation)})`,
    "coin",
    CLOCK,
    CTX,
  ];
  return (
    `let coin = coin::mint_for_testing<SUI>(${bondMist}, ${CTX}); ` + `r.file_claim(${values.join(", ")});`
  );
}

export function paramsLiteral(params: RegistryParams): string {
  const values = [
    params.quorum,
    params.nShards,
    params.periodMs,
    params.windowMs,
    params.bondMist,
    params.maxOpenPerNode,
    params.maxPerAuditorEpoch,
    params.drawsPerShard,
    params.retentionRounds,
  ];
  return `audit::new_params(${values.join(", ")})`;
}
