/**
 * `floe audit vote`: a committee operator's vote for slashing, on the evidence of a bundle.
 *
 * The contracts are those of the operator's own network file or options, never the bundle's. Claims, seeds, evidence
 * roots and the transaction are made again from the chain and compared before anything is signed. What the key may
 * vote for is read from the chain, too.
 */
import type { Keypair } from "@mysten/sui/cryptography";
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import { systemClock } from "../../host/clock.ts";
import { command } from "../../host/command.ts";
import { readInput } from "../../host/input.ts";
import { file, flag, required, text, type ValuesOf } from "../../host/options.ts";
import { KEY_OPTION, KEY_VARIABLE, secretKey } from "../../host/secret-key.ts";
import { UsageError } from "../../host/usage-error.ts";
import { AUDIT_PROFILES } from "../../shared/audit/parameters.ts";
import { toBase64 } from "../../shared/base/bytes.ts";
import { type ObjectId, parseObjectId } from "../../shared/protocol/ids.ts";
import {
  checkVoter,
  type Escalation,
  EscalationError,
  type EscalationIds,
  escalationIdsOf,
  hasVoted,
  readEscalation,
  votersOf,
} from "../../shared/sui/audit/escalation.ts";
import {
  checkBundle,
  checkBundleEvidence,
  checkNetwork,
  type EscalationBundle,
  voteKind,
  voteOf,
} from "../../shared/sui/audit/escalation-bundle.ts";
import { parseBundle } from "../../shared/sui/audit/parse-bundle.ts";
import { SuiError } from "../../shared/sui/client/sui-error.ts";
import { buildChecked, sendOnce } from "../../shared/sui/wallet/send-once.ts";
import { createWalletChain } from "../../shared/sui/wallet/wallet-chain.ts";
import { readChainSnapshot } from "../../shared/sui/walrus/chain-snapshot.ts";
import { clientOf, PLACE_OPTIONS, type Place, placeOf } from "./place.ts";
import { transactionLink } from "./transaction-link.ts";

const OPTIONS = {
  bundle: required(file("the answer of /v1/audit/claims/ID/bundle")),
  node: text("ID", "the node that votes; not needed when the wallet may vote for one only"),
  "key-file": KEY_OPTION,
  sender: text(
    "ADDRESS",
    "the wallet, when its key is elsewhere: prints the unsigned TransactionData with gas",
  ),
  "dry-run": flag("everything but signing and sending"),
  ...PLACE_OPTIONS,
};

export const vote = command(
  {
    name: "floe audit vote",
    about:
      "Checks a bundle of confirmed claims against the chain and casts a committee operator's vote for slashing. Without a key the unsigned TransactionKind is printed.",
    options: OPTIONS,
  },
  ({ values }) => voteWith(values),
);

/** @returns 0 once the vote stands on chain, or is printed */
async function voteWith(values: ValuesOf<typeof OPTIONS>): Promise<number> {
  const bundle = parseBundle(readInput(values.bundle).toString("utf8"));
  const key = secretKey(values["key-file"]);
  const sender = senderOf(values.sender, key);
  const node = values.node === undefined ? undefined : parseObjectId(values.node);
  if (sender === undefined && node === undefined)
    throw new UsageError("without a key it needs --node: the vote names the node it is cast for");
  const place = placeOf(values);
  const client = clientOf(place);
  const escalation = await recheck(client, place, bundle);
  const traced = await checkBundleEvidence(client, bundle, escalation);
  const voter = await voterFor(client, escalation, sender, node);
  await checkVoter(client, escalation, voter);
  console.error(describe(escalation, bundle, voter, traced));
  if (sender === undefined) {
    console.log(await voteKind(escalation, voter));
    console.error("the unsigned TransactionKind, base64; add sender and gas, sign and send it");
    return 0;
  }
  return cast(client, place, escalation, { voter, sender, key, isDryRun: values["dry-run"] });
}

function senderOf(address: string | undefined, key: Keypair | undefined): ObjectId | undefined {
  const named = address === undefined ? undefined : parseObjectId(address);
  if (key === undefined) return named;
  const own = parseObjectId(key.toSuiAddress());
  if (named !== undefined && named !== own) throw new UsageError(`the key is that of ${own}, not --sender`);
  return own;
}

/** Reads everything that the bundle claims from the chain, and compares. */
async function recheck(client: SuiGrpcClient, place: Place, bundle: EscalationBundle): Promise<Escalation> {
  const ids = requiredIds(place);
  checkNetwork(bundle, ids);
  const snapshot = await readChainSnapshot(client, place.ids, systemClock.nowMs());
  const claimIds = bundle.claims.map(({ id }) => id);
  const escalation = await readEscalation(client, ids, snapshot, AUDIT_PROFILES[place.kind], claimIds);
  await checkBundle(bundle, escalation);
  return escalation;
}

function requiredIds({ ids, contract, file: networkFile }: Place): EscalationIds {
  const found = contract === undefined ? undefined : escalationIdsOf(ids, contract);
  if (found !== undefined) return found;
  throw new UsageError(
    networkFile === undefined
      ? "vote needs --package, --registry, --gate and --slashing-manager"
      : "the network file lacks audit.gatePackageId or walrus.slashingManagerId",
  );
}

/** The node whose vote it is: the one that is named, or the only one that the wallet may vote for. */
async function voterFor(
  client: SuiGrpcClient,
  { snapshot }: Escalation,
  sender: ObjectId | undefined,
  node: ObjectId | undefined,
): Promise<ObjectId> {
  if (sender === undefined && node !== undefined) return node;
  const voters = sender === undefined ? [] : await votersOf(client, snapshot, sender);
  const [only, another] = voters;
  if (node !== undefined && voters.includes(node)) return node;
  if (node !== undefined || only === undefined) {
    const whom = node === undefined ? "any node of the committee" : `node ${node}`;
    throw new EscalationError("NOT_AUTHORIZED", `the wallet ${sender} may not vote for ${whom}`);
  }
  if (another !== undefined)
    throw new UsageError(`it needs --node: the wallet votes for ${voters.join(", ")}`);
  return only;
}

function describe(
  { claims, candidate, epoch }: Escalation,
  { auditor }: EscalationBundle,
  voter: ObjectId,
  traced: number,
): string {
  const rounds = new Set(claims.map(({ round }) => round)).size;
  return `vote of node ${voter} to slash ${candidate} in epoch ${epoch}: ${claims.length} confirmed claims of ${rounds} rounds, ${traced} traced to reports of auditor ${auditor}`;
}

interface Ballot {
  readonly voter: ObjectId;
  readonly sender: ObjectId;
  readonly key: Keypair | undefined;
  readonly isDryRun: boolean;
}

async function cast(
  client: SuiGrpcClient,
  place: Place,
  escalation: Escalation,
  { voter, sender, key, isDryRun }: Ballot,
): Promise<number> {
  const wallet = createWalletChain(client, [client]);
  const built = await buildChecked(wallet, voteOf(escalation, voter), sender);
  if (key === undefined || isDryRun) {
    console.log(toBase64(built.bytes));
    console.error(`the unsigned TransactionData, base64, simulated with success; nothing was sent`);
    if (key === undefined) console.error(`sign it, or give the key with --key-file or ${KEY_VARIABLE}`);
    return 0;
  }
  try {
    await sendOnce(wallet, systemClock, built, key);
  } catch (error) {
    // Without a reply, the proposal on chain shows whether the vote stands.
    const { candidate, epoch, slashingState } = escalation;
    const isUnknown = error instanceof SuiError && error.code === "SUI_OUTCOME_UNKNOWN";
    if (!isUnknown || !(await hasVoted(client, slashingState, { voter, candidate, epoch }))) throw error;
  }
  console.log(built.digest);
  console.error(`voted: ${transactionLink(escalation.chainId, place.url, built.digest)}`);
  return 0;
}
