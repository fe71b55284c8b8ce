/**
 * Sequences of operations on two audit panels of one package: run as transactions through the Sui stand-in, and written
 * down as the Move code that does the same in the contract's own words.
 */
import type { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import type { Transaction } from "@mysten/sui/transactions";
import type { Challenge } from "../../../shared/audit/selection.ts";
import { toHex } from "../../../shared/base/bytes.ts";
import { type ObjectId, parseObjectId } from "../../../shared/protocol/ids.ts";
import { AuditBuilder } from "../../../shared/sui/audit/builder.ts";
import type { AuditContracts, RegistryParams, SharedRef } from "../../../shared/sui/audit/contracts.ts";
import { AUDIT_EVENT_LAYOUTS } from "../../../shared/sui/audit/events.ts";
import {
  addAuditorsTransaction,
  deactivateAuditorsTransaction,
  setParamsTransaction,
  setPausedTransaction,
} from "../../../shared/sui/audit/panel-transactions.ts";
import {
  attestTransaction,
  type ClaimToFile,
  fileClaimTransaction,
  finalizeTransaction,
  openRoundTransaction,
  prunePopulationTransaction,
  pruneRoundTransaction,
  purgeClaimTransaction,
  refuteTransaction,
  withdrawTransaction,
} from "../../../shared/sui/audit/transactions.ts";
import { bytesLiteral, pathLiteral } from "../../unit/move/move-literals.ts";
import { type ClaimCall, type Flaw, type Operation, REGISTRIES, SEQUENCE_PARAMS } from "./operations.ts";
import { type AuditWorld, drawsOf } from "./world.ts";

/** One operation as it went: what it says in Move, and what came of it here. */
export interface Step {
  /** Statements over `w` and registry `r`; they run in `w`'s next transaction, of `sender` at `nowMs`. */
  readonly move: string;
  /** Number of the registry that is `r`. */
  readonly at: number;
  readonly sender: ObjectId;
  readonly nowMs: number;
  /** "module code" of an abort. */
  readonly failure: string | undefined;
  readonly events: readonly StepEvent[];
}

export interface StepEvent {
  readonly name: string;
  /** IDs that the event begins with, as expressions over `w`. */
  readonly ids: readonly string[];
  /** What follows them. */
  readonly rest: Uint8Array;
}

interface FiledClaim {
  /** Number of its registry. */
  readonly at: number;
  readonly ref: SharedRef;
  readonly challenge: Challenge;
  isGone: boolean;
}

export interface SequenceRun {
  readonly steps: readonly Step[];
  readonly claims: readonly FiledClaim[];
  readonly rounds: readonly { readonly at: number; readonly no: number }[];
  readonly registries: readonly AuditContracts[];
}

const id = (key: Ed25519Keypair): ObjectId => parseObjectId(key.toSuiAddress());
const CLOCK = "&w.clock";
const CTX = "w.scenario.ctx()";
const ID_BYTES = 32;

/**
 * Runs a sequence; operations on claims or rounds that there are none of are left out.
 *
 * @param other the second registry; the first is the world's own
 */
export async function runSequence(
  world: AuditWorld,
  other: AuditContracts,
  operations: readonly Operation[],
): Promise<SequenceRun> {
  const registries = REGISTRIES.map((at) => (at === 0 ? world.contracts : other));
  const run = new Runner(world, registries);
  for (const each of operations) await run.step(each);
  return { steps: run.steps, claims: run.claims, rounds: run.rounds, registries };
}

class Runner {
  readonly steps: Step[] = [];
  readonly claims: FiledClaim[] = [];
  readonly rounds: { readonly at: number; readonly no: number; readonly seed: Uint8Array }[] = [];
  readonly #world: AuditWorld;
  readonly #registries: readonly AuditContracts[];
  /** Of the round that the latest transaction opened. Written by `#send`. */
  #drawnSeed: Uint8Array | undefined;

  constructor(world: AuditWorld, registries: readonly AuditContracts[]) {
    this.#world = world;
    this.#registries = registries;
  }

  #contracts(at: number): AuditContracts {
    return this.#registries[at] ?? this.#world.contracts;
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
        return this.#open(operation);
      case "report":
        return this.#report(operation);
      case "file":
        return this.#file(operation);
      case "attest":
      case "bind":
      case "withdraw":
      case "finalize":
      case "purge":
        return this.#onClaim(operation);
      case "refute":
        return this.#refute(operation);
      case "prune-round": {
        const { at } = operation;
        const no = this.#round(at, operation.round)?.no ?? 1;
        const move = `r.prune_round(${no}, ${CLOCK});`;
        return this.#send(at, world.stranger, pruneRoundTransaction(this.#contracts(at), no), move);
      }
      case "prune-population": {
        const { at, epoch } = operation;
        const move = `r.prune_population(${epoch}, ${CLOCK});`;
        const transaction = prunePopulationTransaction(this.#contracts(at), epoch);
        return this.#send(at, world.stranger, transaction, move);
      }
      default:
        return this.#administer(operation);
    }
  }

  async #administer(
    operation: Extract<Operation, { kind: "deactivate" | "take-back" | "pause" | "params" }>,
  ): Promise<void> {
    const { cap, admin } = this.#world;
    const { at } = operation;
    const contracts = this.#contracts(at);
    const withCap = (call: string): string =>
      `let cap = w.scenario.take_from_sender<AdminCap>(); r.${call}; w.scenario.return_to_sender(cap);`;
    switch (operation.kind) {
      case "deactivate": {
        const auditor = id(this.#key(operation.auditor));
        const move = withCap(`deactivate_auditor(&cap, @${auditor})`);
        return this.#send(at, admin, deactivateAuditorsTransaction(contracts, cap, [auditor]), move);
      }
      case "take-back": {
        const address = id(this.#key(operation.auditor));
        const entry = { address, name: "back", url: "", sinceEpoch: 5 };
        const move = withCap(`add_auditor(&cap, @${address}, utf8(b"back"), utf8(b""), 5)`);
        return this.#send(at, admin, addAuditorsTransaction(contracts, cap, [entry]), move);
      }
      case "pause": {
        const move = withCap(`set_paused(&cap, ${operation.paused})`);
        return this.#send(at, admin, setPausedTransaction(contracts, cap, operation.paused), move);
      }
      case "params": {
        const params = { ...SEQUENCE_PARAMS, quorum: operation.quorum };
        const move = withCap(`set_params(&cap, ${paramsLiteral(params)})`);
        return this.#send(at, admin, setParamsTransaction(contracts, cap, params), move);
      }
    }
  }

  async #declare({ at, by, epoch, root }: Extract<Operation, { kind: "declare" }>): Promise<void> {
    const { population } = this.#world;
    const roots = {
      true: population.root(),
      other: new Uint8Array(32).fill(3),
      short: new Uint8Array(31),
    } as const;
    const bytes = roots[root];
    const transaction = this.#world.declare({ epoch, root: bytes }, this.#contracts(at));
    const size = `${population.size}, ${population.totalBytes}`;
    const move = `r.declare_population(${epoch}, ${size}, ${bytesLiteral(bytes)}, ${CLOCK}, ${CTX});`;
    return this.#send(at, this.#key(by), transaction, move);
  }

  async #open({ at, slot }: Extract<Operation, { kind: "open" }>): Promise<void> {
    const world = this.#world;
    const no = Math.floor(world.clock.nowMs() / SEQUENCE_PARAMS.periodMs) + slot;
    // The seed that was drawn here is the one the Move code takes; an abort comes before it is of any use.
    const move = (seed: Uint8Array): string =>
      `r.open_round_for_testing(${no}, ${bytesLiteral(seed)}, ${CLOCK}, ${CTX});`;
    const before = this.steps.length;
    const transaction = openRoundTransaction(this.#contracts(at), no);
    await this.#send(at, world.stranger, transaction, move(new Uint8Array(32)));
    const step = this.steps[before];
    const seed = this.#drawnSeed;
    if (step === undefined || step.failure !== undefined || seed === undefined) return;
    this.rounds.push({ at, no, seed });
    this.steps[before] = { ...step, move: move(seed) };
  }

  #round(at: number, position: number): { readonly no: number; readonly seed: Uint8Array } | undefined {
    const own = this.rounds.filter((round) => round.at === at);
    return own[position % Math.max(own.length, 1)];
  }

  async #report({ at, by, round, epoch, sum }: Extract<Operation, { kind: "report" }>): Promise<void> {
    const no = this.#round(at, round)?.no ?? 1;
    const totals = sum ? [9, 3, 1, 1, 1, 2, 1, 5] : [8, 3, 1, 1, 1, 2, 1, 5];
    const root = new Uint8Array(32).fill(7);
    const rows = new Uint8Array(52);
    const roots32 = { evidenceRoot: root, nodesRoot: root };
    const transaction = this.#world.report(no, { epoch, totals, ...roots32, rows }, this.#contracts(at));
    const roots = `${bytesLiteral(root)}, ${bytesLiteral(root)}, ${bytesLiteral(rows)}`;
    const move = `r.report(${no}, ${epoch}, vector[${totals.join(", ")}], ${roots}, ${CTX});`;
    return this.#send(at, this.#key(by), transaction, move);
  }

  async #file(operation: Extract<Operation, { kind: "file" }>): Promise<void> {
    const world = this.#world;
    const { at, flaw } = operation;
    const round = this.#round(at, operation.round);
    if (round === undefined) return;
    const all = drawsOf(round.seed, world.population, SEQUENCE_PARAMS.drawsPerShard);
    const good = all.filter((each) => !each.isVacuous && each.endEpoch >= 3);
    const from = flaw === "any-draw" ? all : good;
    const challenge = from[operation.draw % from.length];
    if (challenge === undefined) return;
    const node = parseObjectId(`0x${"be".repeat(31)}0${operation.node}`);
    const sound = world.claim(challenge, { round: round.no, node });
    const claim = { ...sound, ...flawed(sound, challenge, flaw) };
    const before = this.steps.length;
    const transaction = fileClaimTransaction(this.#contracts(at), claim);
    await this.#send(at, this.#key(operation.by), transaction, fileMove(claim), { filing: challenge });
    const step = this.steps[before];
    if (step?.failure === undefined && step !== undefined) {
      this.steps[before] = { ...step, move: `${step.move} w.filed();` };
    }
  }

  async #onClaim(operation: Extract<Operation, { kind: ClaimCall }>): Promise<void> {
    const { kind: name, by } = operation;
    const found = this.#claim(operation);
    if (found === undefined) return;
    const { number, claim, at } = found;
    const contracts = this.#contracts(at);
    const key = this.#key(by);
    const take = `let mut c = w.claim(${number});`;
    const back = "scenario::return_shared(c);";
    const gained = `assert!(coin.burn_for_testing() == ${SEQUENCE_PARAMS.bondMist});`;
    const forms = {
      attest: [
        attestTransaction(contracts, claim.ref),
        `${take} r.attest(&mut c, ${CLOCK}, ${CTX}); ${back}`,
      ],
      bind: [bindByNumber(contracts, claim.ref), `${take} r.bind(&mut c, 0u64); ${back}`],
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
    await this.#send(at, key, transaction, move);
    const isOver = this.steps.at(-1)?.failure === undefined;
    if (isOver && (name === "withdraw" || name === "purge")) claim.isGone = true;
  }

  async #refute(operation: Extract<Operation, { kind: "refute" }>): Promise<void> {
    const world = this.#world;
    const { flaw } = operation;
    const found = this.#claim(operation);
    if (found === undefined) return;
    const { number, claim, at } = found;
    const key = this.#key(operation.by);
    const answer = world.answer(claim.challenge);
    const prefixedSymbol = answer.prefixedSymbol.slice();
    const position = flaw === "symbol" ? 1 : 0;
    if (flaw === "symbol" || flaw === "prefix")
      prefixedSymbol[position] = (prefixedSymbol[position] ?? 0) ^ 1;
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
    const transaction = refuteTransaction(this.#contracts(at), claim.ref, refutation, id(key));
    await this.#send(at, key, transaction, move);
    if (this.steps.at(-1)?.failure === undefined) claim.isGone = true;
  }

  /** A claim that is still there, and the registry to take it to. */
  #claim({ claim: position, elsewhere }: { readonly claim: number; readonly elsewhere: boolean }) {
    const live = this.claims.flatMap((claim, number) => (claim.isGone ? [] : { number, claim }));
    const found = live[position % Math.max(live.length, 1)];
    return found && { ...found, at: elsewhere ? 1 - found.claim.at : found.claim.at };
  }

  async #send(
    at: number,
    key: Ed25519Keypair,
    transaction: Transaction,
    move: string,
    { filing }: { readonly filing?: Challenge } = {},
  ): Promise<void> {
    const nowMs = this.#world.clock.nowMs();
    const sent = await this.#world.send(key, transaction);
    if (filing !== undefined && sent.failure === undefined) {
      this.claims.push({ at, ref: this.#world.filedClaim(sent), challenge: filing, isGone: false });
    }
    const opened = sent.rawEvents.find(({ type }) => type.endsWith("::RoundOpened"));
    this.#drawnSeed = opened && AUDIT_EVENT_LAYOUTS.RoundOpened.parse(opened.contents).seed;
    const events = sent.rawEvents.map(({ type, contents }): StepEvent => {
      const ids: string[] = [];
      for (let known = this.#known(contents); known !== undefined; ) {
        ids.push(known);
        known = this.#known(contents.subarray(ids.length * ID_BYTES));
      }
      return { name: type.split("::").at(-1) ?? "", ids, rest: contents.subarray(ids.length * ID_BYTES) };
    });
    this.steps.push({ move, at, sender: id(key), nowMs, failure: sent.failure, events });
  }

  /** The claim or registry whose ID these bytes begin with, as an expression over `w`. */
  #known(bytes: Uint8Array): string | undefined {
    if (bytes.length < ID_BYTES) return undefined;
    const about = `0x${toHex(bytes.subarray(0, ID_BYTES))}`;
    const claim = this.claims.findIndex(({ ref }) => ref.objectId === about);
    if (claim >= 0) return `w.claims[${claim}]`;
    const registry = this.#registries.findIndex((each) => each.registry.objectId === about);
    return registry >= 0 ? `w.registries[${registry}]` : undefined;
  }
}

/** A witness that both worlds can make: the registries' gate is u64. */
function bindByNumber(contracts: AuditContracts, claim: SharedRef): Transaction {
  const build = new AuditBuilder(contracts);
  const values = [build.registry(false), build.shared(claim, true), build.tx.pure.u64(0)];
  build.call("bind", values, ["u64"]);
  return build.tx;
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
