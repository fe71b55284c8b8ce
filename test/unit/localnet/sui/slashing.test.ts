// If this fails, operators practise votes on the embedded network that the real contracts would refuse, or the reverse.
import { Transaction } from "@mysten/sui/transactions";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type ObjectId, parseObjectId } from "../../../../shared/protocol/ids.ts";
import type { SlashingContracts } from "../../../../shared/sui/audit/contracts.ts";
import {
  readSlashingProposal,
  readSlashingState,
  type SlashingState,
} from "../../../../shared/sui/audit/slashing.ts";
import { voteTransaction } from "../../../../shared/sui/audit/transactions.ts";
import { AuditWorld } from "../../../support/audit/world.ts";
import { testWallet } from "../../../support/sui/network.ts";

const operator = testWallet("operator");
let world: AuditWorld;
let state: SlashingState;
let slashing: SlashingContracts;
let candidate: ObjectId;
let voters: ObjectId[];

beforeEach(async () => {
  world = await AuditWorld.open({ governance: parseObjectId(operator.toSuiAddress()) });
  await world.fund(operator);
  const ids = world.standIn.networkIds;
  state = await readSlashingState(world.network.client, ids.slashingManagerId);
  slashing = {
    walrusPackageId: ids.packageId,
    slashingManager: state.manager,
    staking: { objectId: ids.stakingObjectId, initialSharedVersion: 1n },
  };
  const nodes = world.network.nodes.map(({ nodeId }) => nodeId);
  [candidate = nodes[0] as ObjectId, ...voters] = nodes;
});
afterEach(() => world.close());

const vote = async (voter: ObjectId): Promise<string | undefined> =>
  (await world.send(operator, voteTransaction(world.contracts, slashing, { voter, candidate }, []))).failure;

async function call(name: string, extra: (tx: Transaction) => unknown[]): Promise<string | undefined> {
  const tx = new Transaction();
  const shared = (objectId: ObjectId, mutable: boolean) =>
    tx.sharedObjectRef({ objectId, initialSharedVersion: "1", mutable });
  const ids = world.standIn.networkIds;
  const isExecution = name === "execute_slashing";
  tx.moveCall({
    target: `${ids.packageId}::slashing::${name}`,
    arguments: [
      shared(ids.slashingManagerId, true),
      shared(ids.stakingObjectId, isExecution),
      ...(isExecution ? [shared(ids.walTreasuryId, true)] : []),
      ...(extra(tx) as ReturnType<typeof tx.pure.id>[]),
    ],
  });
  return (await world.send(world.stranger, tx)).failure;
}
const execute = () => call("execute_slashing", (tx) => [tx.pure.id(candidate)]);
const cleanUp = () => call("cleanup_slashing_proposals", (tx) => [tx.pure.vector("id", [candidate])]);
const proposal = () => readSlashingProposal(world.network.client, state, candidate);

it("is executed by anybody once voters of two thirds of the shards stand behind it, in the same epoch", async () => {
  expect(await execute()).toBe("slashing 2");
  const [first, second, third] = voters as [ObjectId, ObjectId, ObjectId];
  expect(await vote(first)).toBeUndefined();
  expect(await vote(second)).toBeUndefined();
  // 3 + 3 of 13 shards; 9 are needed.
  expect(await execute()).toBe("slashing 4");
  world.standIn.advanceEpoch();
  expect(await execute()).toBe("slashing 3");
  for (const voter of [first, second, third]) expect(await vote(voter)).toBeUndefined();
  expect(await proposal()).toMatchObject({ epoch: 2, votingWeight: 9, voters: [first, second, third] });
  expect(await execute()).toBeUndefined();
  expect(await proposal()).toBeUndefined();
});

it("takes votes of members for members' authorities only, and is cleaned up in a later epoch", async () => {
  expect(await vote(parseObjectId("0xdead"))).toBe("dynamic_field 1");
  const [first] = voters;
  if (first === undefined) throw new Error("there are voters");
  expect(await vote(first)).toBeUndefined();
  expect(await cleanUp()).toBeUndefined();
  expect(await proposal()).toMatchObject({ voters: [first] });
  world.standIn.advanceEpoch();
  expect(await cleanUp()).toBeUndefined();
  expect(await proposal()).toBeUndefined();
});
