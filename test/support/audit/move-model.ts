/**
 * Writes sequences of operations, as the stand-in ran them, down as one Move test module.
 *
 * Each sequence becomes a trunk of the steps that succeeded, with their events and the state they must lead to; and one
 * test per step that aborted: the trunk up to there, then the step, with the code and module it has to abort with. IDs
 * differ between the two worlds, so they are masked in objects, and in events those of claims and registries are compared
 * by number.
 */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import type { ObjectId } from "../../../shared/protocol/ids.ts";
import type { AuditContracts } from "../../../shared/sui/audit/contracts.ts";
import {
  AuditPopulationLayout,
  AuditReportLayout,
  AuditRoundLayout,
  auditKeys,
  ClaimLayout,
  PopulationFieldLayout,
  PopulationsFieldLayout,
  ReportFieldLayout,
  RoundFieldLayout,
} from "../../../shared/sui/audit/layouts.ts";
import { fieldId, readObjects } from "../../../shared/sui/client/object-reader.ts";
import { bytesLiteral } from "../../unit/move/move-literals.ts";
import { EPOCHS, SEQUENCE_PARAMS } from "./operations.ts";
import { paramsLiteral, type SequenceRun, type Step } from "./sequences.ts";
import type { AuditWorld } from "./world.ts";

/** Bytes of a table's ID and count, and of an ID. */
const TABLE_BYTES = 40;
const ID_BYTES = 32;

/** Statements that assert the stand-in's state at the end of a sequence, for each registry over `w` and `r`. */
export async function stateAssertions(world: AuditWorld, run: SequenceRun): Promise<string[]> {
  return Promise.all(run.registries.map((contracts, at) => assertionsOf(world, run, contracts, at)));
}

async function assertionsOf(
  world: AuditWorld,
  run: SequenceRun,
  contracts: AuditContracts,
  at: number,
): Promise<string> {
  const { client } = world.network;
  const registry = await world.registry(contracts);
  const lines: string[] = [];
  const [object] = await readObjects(client, [registry.contracts.registry.objectId]);
  if (object === undefined) throw new Error("the registry is there");
  lines.push(`assert!(masked_registry(&r) == ${bytesLiteral(maskRegistry(object.content))});`);
  const auditors = [...world.auditors, world.stranger].map((key) => key.toSuiAddress() as ObjectId);
  for (const epoch of EPOCHS) {
    const table = await tableOf(client, fieldId(registry.populationsTable, "u32", auditKeys.u32(epoch)));
    for (const auditor of auditors) {
      const bytes =
        table === undefined
          ? undefined
          : await valueBytes(client, fieldId(table, "address", auditKeys.id(auditor)), "population");
      const expected = bytesLiteral(bytes ?? new Uint8Array());
      lines.push(`assert!(r.population_bytes_for_testing(${epoch}, @${auditor}) == ${expected});`);
    }
  }
  for (const { no } of run.rounds.filter((round) => round.at === at)) {
    const roundField = fieldId(registry.roundsTable, "u64", auditKeys.u64(no));
    const [round] = await readObjects(client, [roundField]);
    const value = round === undefined ? undefined : RoundFieldLayout.parse(round.content).value;
    const bytes = value === undefined ? new Uint8Array() : AuditRoundLayout.serialize(value).toBytes();
    // Without the table of reports at its end.
    const kept = bytes.subarray(0, Math.max(0, bytes.length - TABLE_BYTES));
    lines.push(`assert!(r.round_bytes_for_testing(${no}) == ${bytesLiteral(kept)});`);
    for (const auditor of auditors) {
      const report =
        value === undefined
          ? undefined
          : await valueBytes(client, fieldId(value.reports.id, "address", auditKeys.id(auditor)), "report");
      const expected = bytesLiteral(report ?? new Uint8Array());
      lines.push(`assert!(r.report_bytes_for_testing(${no}, @${auditor}) == ${expected});`);
    }
  }
  const live = run.claims.flatMap((claim, number) =>
    claim.isGone || claim.at !== at ? [] : { ...claim, number },
  );
  const objects = await readObjects(
    client,
    live.map(({ ref }) => ref.objectId),
  );
  live.forEach(({ number }, i) => {
    const content = objects[i]?.content;
    if (content === undefined) throw new Error(`claim ${number} is on the chain`);
    if (ClaimLayout.parse(content).registry !== contracts.registry.objectId)
      throw new Error(`claim ${number} is of the registry it was filed with`);
    const tail = bytesLiteral(content.subarray(2 * ID_BYTES));
    lines.push(`assert!(w.claim_tail(${number}, ${at}) == ${tail});`);
  });
  return lines.map((line) => `    ${line}`).join("\n");
}

async function tableOf(client: SuiGrpcClient, field: ObjectId): Promise<ObjectId | undefined> {
  const [object] = await readObjects(client, [field]);
  return object === undefined ? undefined : PopulationsFieldLayout.parse(object.content).value.id;
}

async function valueBytes(
  client: SuiGrpcClient,
  field: ObjectId,
  what: "population" | "report",
): Promise<Uint8Array | undefined> {
  const [object] = await readObjects(client, [field]);
  if (object === undefined) return undefined;
  return what === "population"
    ? AuditPopulationLayout.serialize(PopulationFieldLayout.parse(object.content).value).toBytes()
    : AuditReportLayout.serialize(ReportFieldLayout.parse(object.content).value).toBytes();
}

/** The registry's bytes with its own ID and those of its three tables, which end it, as zeros. */
function maskRegistry(content: Uint8Array): Uint8Array {
  const bytes = content.slice();
  const end = bytes.length;
  for (const at of [0, end - 3 * TABLE_BYTES, end - 2 * TABLE_BYTES, end - TABLE_BYTES]) {
    bytes.fill(0, at, at + ID_BYTES);
  }
  return bytes;
}

/** One test module of all sequences. @returns its source and the names of its tests */
export function moveModule(
  admin: string,
  auditors: readonly string[],
  runs: readonly { readonly run: SequenceRun; readonly state: readonly string[] }[],
): { readonly source: string; readonly tests: readonly string[] } {
  const parts: string[] = [];
  const tests: string[] = [];
  runs.forEach(({ run, state }, i) => {
    const trunk: string[] = [];
    run.steps.forEach((step, j) => {
      const name = `s${i}_${j}`;
      parts.push(`fun ${name}(w: &mut World) {\n${stepBody(step)}\n}`);
      if (step.failure === undefined) {
        trunk.push(`    if (upto <= ${j}) return;\n    ${name}(w);`);
        return;
      }
      const [module, code] = step.failure.split(" ");
      tests.push(name);
      parts.push(
        `#[test, expected_failure(abort_code = ${code}, location = floe_audit::${module})]\n` +
          `fun t${i}_${j}() {\n    let mut w = begin();\n    trunk${i}(&mut w, ${j});\n    ${name}(&mut w);\n    w.end()\n}`,
      );
    });
    parts.push(`fun trunk${i}(w: &mut World, upto: u64) {\n${trunk.join("\n")}\n}`);
    const last = run.steps.at(-1)?.nowMs ?? 0;
    const states = state.map(
      (each, at) => `    let r = w.tx(@${admin}, ${last}, ${at});\n${each}\n    put(r);\n`,
    );
    parts.push(
      `#[test]\nfun sequence${i}() {\n    let mut w = begin();\n    trunk${i}(&mut w, ${run.steps.length});\n` +
        `${states.join("")}    w.end()\n}`,
    );
    tests.push(`sequence${i}`);
  });
  const source = `${preamble(admin, auditors)}\n${parts.join("\n\n")}\n`;
  const names = [...source.matchAll(/^#\[test[^\n]*\]\nfun (\w+)\(/gm)].map((match) => `model::${match[1]}`);
  return { source, tests: names };
}

function stepBody({ move, at, sender, nowMs, failure, events }: Step): string {
  const lines = [`let mut r = w.tx(@${sender}, ${nowMs}, ${at});`, move];
  if (failure === undefined) {
    lines.push(`assert!(event::num_events() == ${events.length});`);
    for (const { name, ids, rest } of events)
      lines.push(`expect<audit::${name}>(vector[${ids.join(", ")}], ${bytesLiteral(rest)});`);
  }
  lines.push("put(r);");
  return lines.map((line) => `    ${line}`).join("\n");
}

const preamble = (admin: string, auditors: readonly string[]): string => `
#[test_only]
#[allow(unused_mut_ref, unused_let_mut, unused_use, unused_variable, unused_function)]
module floe_audit::model;

use floe_audit::audit::{Self, AdminCap, Claim, Registry};
use std::bcs;
use std::string::utf8;
use sui::clock::{Self, Clock};
use sui::coin;
use sui::event;
use sui::sui::SUI;
use sui::test_scenario::{Self as scenario, Scenario};

public struct World { scenario: Scenario, clock: Clock, claims: vector<ID>, registries: vector<ID> }

fun begin(): World {
    let mut s = scenario::begin(@${admin});
    audit::init_for_testing(s.ctx());
    s.next_tx(@${admin});
    let cap = s.take_from_sender<AdminCap>();
    let registries = vector[create(&mut s, &cap), create(&mut s, &cap)];
    s.return_to_sender(cap);
    let clock = clock::create_for_testing(s.ctx());
    World { scenario: s, clock, claims: vector[], registries }
}

fun create(s: &mut Scenario, cap: &AdminCap): ID {
    audit::create(cap, ${paramsLiteral(SEQUENCE_PARAMS)}, s.ctx());
    let id = s.next_tx(@${admin}).shared()[0];
    let mut registry: Registry = s.take_shared_by_id(id);
    registry.set_gate<u64>(cap);
${auditors
  .map(
    (each) => `    registry.add_auditor(cap, @${each}, utf8(b"auditor"), utf8(b"https://audit.example"), 1);`,
  )
  .join("\n")}
    scenario::return_shared(registry);
    s.next_tx(@${admin});
    id
}

fun end(self: World) {
    let World { scenario, clock, .. } = self;
    clock.destroy_for_testing();
    scenario.end();
}

fun tx(self: &mut World, sender: address, now_ms: u64, at: u64): Registry {
    self.scenario.next_tx(sender);
    self.clock.set_for_testing(now_ms);
    self.scenario.take_shared_by_id(self.registries[at])
}

fun put(registry: Registry) { scenario::return_shared(registry) }

fun claim(self: &World, number: u64): Claim { self.scenario.take_shared_by_id(self.claims[number]) }

fun part(bytes: &vector<u8>, from: u64, to: u64): vector<u8> {
    let mut copied = vector[];
    let mut i = from;
    while (i < to) {
        copied.push_back(bytes[i]);
        i = i + 1;
    };
    copied
}

/// Remembers the claim that the transaction has just filed.
fun filed(self: &mut World) {
    let events = event::events_by_type<audit::ClaimFiled>();
    let id = part(&bcs::to_bytes(&events[0]), 0, 32);
    self.claims.push_back(object::id_from_address(sui::address::from_bytes(id)))
}

/// One event of the type: these IDs, and behind them these bytes.
fun expect<T: copy + drop>(ids: vector<ID>, rest: vector<u8>) {
    let events = event::events_by_type<T>();
    let mut expected = vector[];
    let mut i = 0;
    while (i < ids.length()) {
        expected.append(bcs::to_bytes(&ids[i]));
        i = i + 1;
    };
    expected.append(rest);
    assert!(events.length() == 1 && bcs::to_bytes(&events[0]) == expected)
}

/// A claim without its own ID and its registry's, which has to be this one.
fun claim_tail(self: &World, number: u64, at: u64): vector<u8> {
    let claim = self.claim(number);
    let bytes = bcs::to_bytes(&claim);
    scenario::return_shared(claim);
    assert!(part(&bytes, 32, 64) == bcs::to_bytes(&self.registries[at]));
    part(&bytes, 64, bytes.length())
}

fun masked_registry(registry: &Registry): vector<u8> {
    let mut bytes = bcs::to_bytes(registry);
    let end = bytes.length();
    let starts = vector[0, end - 120, end - 80, end - 40];
    let mut i = 0;
    while (i < 4) {
        let mut j = starts[i];
        while (j < starts[i] + 32) {
            *(&mut bytes[j]) = 0;
            j = j + 1;
        };
        i = i + 1;
    };
    bytes
}
`;
