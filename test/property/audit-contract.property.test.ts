// If this fails, the audit panel of the embedded network and the contract that would be published disagree.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { setGateTransaction } from "../../shared/sui/audit/panel-transactions.ts";
import { moveModule, stateAssertions } from "../support/audit/move-model.ts";
import { SEQUENCE_PARAMS, STRAY_SEQUENCE, sequences } from "../support/audit/operations.ts";
import { runSequence } from "../support/audit/sequences.ts";
import { AuditWorld } from "../support/audit/world.ts";
import { PROPERTY_TIMEOUT, propertyRuns } from "../support/property.ts";
import { runMoveTests } from "../unit/move/move-vm.ts";

const DEFAULT_SEQUENCES = 6;

test(
  "random sequences end in the same states, events and aborts in the stand-in as in the Move VM",
  PROPERTY_TIMEOUT,
  async () => {
    const { numRuns = DEFAULT_SEQUENCES, seed = Date.now() % 0x7fff_ffff } = propertyRuns(DEFAULT_SEQUENCES);
    const runs: { run: Awaited<ReturnType<typeof runSequence>>; state: string[] }[] = [];
    let addresses: string[] = [];
    for (const operations of [STRAY_SEQUENCE, ...fc.sample(sequences, { seed, numRuns })]) {
      const world = await AuditWorld.open({ params: SEQUENCE_PARAMS });
      const other = await world.secondRegistry(SEQUENCE_PARAMS);
      for (const contracts of [world.contracts, other])
        await world.succeed(world.admin, setGateTransaction(contracts, world.cap, "u64"));
      const run = await runSequence(world, other, operations);
      runs.push({ run, state: await stateAssertions(world, run) });
      addresses = [world.admin, ...world.auditors].map((key) => key.toSuiAddress());
      world.close();
    }
    const [admin = "", ...auditors] = addresses;
    const { source, tests } = moveModule(admin, auditors, runs);
    const { outcomes, output } = await runMoveTests("floe_audit", undefined, { "tests/model.move": source });
    const told = `seed ${seed} (FLOE_SEED)\n${output.slice(-6000)}`;
    expect([...outcomes.keys()].sort(), told).toEqual([...tests].sort());
    const failed = [...outcomes].filter(([, outcome]) => outcome !== "PASS").map(([name]) => name);
    expect(failed, told).toEqual([]);
    // What the sequences of the default seed reach, and of most others: successes of many kinds, aborts of many codes.
    const steps = runs.flatMap(({ run }) => run.steps);
    const aborts = new Set(steps.flatMap(({ failure }) => failure ?? []));
    const events = new Set(steps.flatMap((step) => step.events.map(({ name }) => name)));
    console.log(
      `seed ${seed}: ${runs.length} sequences, ${steps.length} steps, ${tests.length} Move tests; ` +
        `events ${[...events].sort().join(" ")}; aborts ${[...aborts].sort().join(", ")}`,
    );
    expect(events.size).toBeGreaterThanOrEqual(6);
    expect(aborts.size).toBeGreaterThanOrEqual(8);
    // What the first sequence takes to the wrong registry, in the order of its operations.
    const astray = runs[0]?.run.steps.flatMap(({ failure, move }) =>
      failure === "audit 30" ? (/r\.(\w+)\(/.exec(move)?.[1] ?? []) : [],
    );
    const calls = [
      "attest",
      "bind",
      "withdraw",
      "finalize",
      "purge_claim",
      "refute",
      "finalize",
      "purge_claim",
    ];
    expect(astray).toEqual(calls);
  },
);
