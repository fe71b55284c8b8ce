/**
 * Transactions of the network itself: genesis, faucet, epoch changes, prices, upgrades.
 *
 * They are sent by address 0x0, cost nothing and carry their purpose as pure inputs, so that each has bytes, a digest,
 * effects and a checkpoint like any other.
 */
import { bcs } from "@mysten/sui/bcs";
import { toBase64 } from "../../../shared/base/bytes.ts";
import { type Effects, effectsBytes, eventsBytes } from "../ledger/effects.ts";
import type { Sequenced } from "../ledger/ledger.ts";
import { typedDigest } from "../move/objects.ts";
import { SYSTEM_ADDRESS } from "../move/types.ts";
import { balanceChanges, type ExecutionContext } from "./executor.ts";
import { FREE } from "./gas.ts";
import { Session } from "./session.ts";
import { type CallArg, transactionBytes, transactionDigest } from "./transaction-data.ts";

/**
 * Runs `change` on a session of its own.
 *
 * @param purpose tells transactions of the same kind apart together with the height they are made at
 */
export function systemTransaction(
  context: ExecutionContext,
  purpose: string,
  change: (session: Session) => void,
): Sequenced {
  const pure = (bytes: Uint8Array): CallArg => ({ $kind: "Pure", Pure: { bytes: toBase64(bytes) } });
  const bytes = transactionBytes(
    {
      sender: SYSTEM_ADDRESS,
      gas: { payment: [], owner: SYSTEM_ADDRESS, price: 1n, budget: 0n },
      expiration: { $kind: "None", None: true },
      inputs: [
        pure(bcs.string().serialize(purpose).toBytes()),
        pure(
          bcs
            .u64()
            .serialize(context.state.height + 1n)
            .toBytes(),
        ),
      ],
      commands: [],
    },
    true,
  );
  const digest = transactionDigest(bytes);
  const session = new Session(context.state, context.types, digest, SYSTEM_ADDRESS, context.nowMs);
  change(session);
  // The lamport version depends on what was changed, which only shows once it has been.
  const versions = session.outcome(1n).changes.map((each) => each.before?.version ?? 0n);
  const lamport = 1n + versions.reduce((highest, each) => (each > highest ? each : highest), 0n);
  const outcome = session.outcome(lamport);
  const bytesOfEvents = eventsBytes(session.events);
  const dependencies = outcome.changes.flatMap((each) => context.state.object(each.id) ?? []);
  const effects: Effects = {
    status: { success: true },
    epoch: context.epoch,
    gasUsed: FREE,
    transactionDigest: digest,
    eventsDigest: bytesOfEvents === null ? null : typedDigest("TransactionEvents", bytesOfEvents),
    dependencies: [...new Set(dependencies.map((object) => object.previousTransaction))].sort(),
    lamportVersion: lamport,
    changes: outcome.changes,
    readShared: [],
  };
  const encoded = effectsBytes(effects);
  return {
    bytes,
    signatures: [],
    execution: {
      effects,
      effectsBytes: encoded,
      effectsDigest: typedDigest("TransactionEffects", encoded),
      events: session.events,
      eventsBytes: bytesOfEvents,
      written: outcome.written,
      removed: outcome.removed,
      balances: session.balanceDeltas,
      balanceChanges: balanceChanges(context.state, outcome, session.balanceDeltas),
    },
  };
}
