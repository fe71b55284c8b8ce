/**
 * The escalation bundle: what an auditor hands to committee operators, as canonical JSON.
 *
 * | field    | holds                                                                                              |
 * |----------|----------------------------------------------------------------------------------------------------|
 * | network  | chain, Walrus objects and the packages and registry that the vote calls                             |
 * | claims   | every claim the vote rests on, as it stands on chain, with the seed of its round                    |
 * | evidence | the auditor's own record of the same draws: leaf, path and root, as reported on chain               |
 * | vote     | base64 BCS of the TransactionKind: authenticate_sender, vote_for_slashing, record_escalation each  |
 *
 * The vote is unsigned and names neither sender nor gas. Without a voter it names node 0x0, for which no key can vote.
 * All of it can be made again from the chain, which is how a reader checks it; nothing in it has to be believed.
 */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import { type CanonicalValue, canonicalJson } from "../../audit/canonical-json.ts";
import { verifyEvidence } from "../../audit/evidence.ts";
import { fromHex, toBase64, toHex } from "../../base/bytes.ts";
import { type ObjectId, parseObjectId } from "../../protocol/ids.ts";
import { type EscalatedClaim, type Escalation, type EscalationIds, refuse } from "./escalation.ts";
import { readReport, readRound } from "./reader.ts";
import { voteTransaction } from "./transactions.ts";

export const BUNDLE_FORMAT = "floe-audit-bundle/1";
const NOBODY = parseObjectId("0x0");

// Type aliases, not interfaces: only these fit the index signature of canonical JSON.

export type BundleNetwork = {
  readonly [Id in keyof EscalationIds]: ObjectId;
} & { readonly chainId: string; readonly walrusPackageId: ObjectId; readonly nShards: number };

export type BundleClaim = {
  readonly id: ObjectId;
  readonly round: number;
  readonly mode: number;
  readonly shard: number;
  readonly t: number;
  readonly entry: { readonly blobId: string; readonly unencodedLength: number; readonly endEpoch: number };
  readonly pair: number;
  readonly axis: string;
  readonly symbol: number;
  readonly node: ObjectId;
  readonly epoch: number;
  readonly accuser: ObjectId;
  readonly attestors: readonly ObjectId[];
  readonly quorum: number;
  readonly filedMs: number;
  readonly deadlineMs: number;
  readonly state: string;
  readonly isBound: boolean;
  readonly populationSize: number;
  readonly populationRoot: string;
  readonly confirmation: string | null;
  readonly seed: string | null;
};

export type BundleEvidence = {
  readonly claim: ObjectId;
  readonly index: number;
  readonly size: number;
  /** Canonical JSON of the record; bodies it names by hash are at /v1/audit/bodies of the auditor. */
  readonly leaf: string;
  readonly path: readonly (string | null)[];
  readonly root: string;
  readonly reportTx: string | null;
};

export type EscalationBundle = {
  readonly format: string;
  readonly network: BundleNetwork;
  /** Whose records the evidence is from. */
  readonly auditor: ObjectId;
  /** The one that was asked for. */
  readonly claim: ObjectId;
  readonly candidate: ObjectId;
  readonly epoch: number;
  readonly claims: readonly BundleClaim[];
  readonly evidence: readonly BundleEvidence[];
  readonly vote: { readonly voter: ObjectId | null; readonly transactionKind: string };
};

export const bundleText = (bundle: EscalationBundle): string => canonicalJson(bundle);

export const networkOf = ({ ids, chainId, snapshot }: Escalation): BundleNetwork => ({
  // Field by field: the caller may hold more than IDs in the same object.
  systemObjectId: ids.systemObjectId,
  stakingObjectId: ids.stakingObjectId,
  slashingManagerId: ids.slashingManagerId,
  auditPackageId: ids.auditPackageId,
  auditRegistryId: ids.auditRegistryId,
  gatePackageId: ids.gatePackageId,
  chainId,
  walrusPackageId: snapshot.packageId,
  nShards: snapshot.nShards,
});

export const bundleClaim = (claim: EscalatedClaim): BundleClaim => ({
  id: claim.ref.objectId,
  round: claim.round,
  mode: claim.mode,
  shard: claim.shard,
  t: claim.t,
  entry: { blobId: claim.blobId, unencodedLength: claim.unencodedLength, endEpoch: claim.endEpoch },
  pair: claim.pair,
  axis: claim.axis,
  symbol: claim.symbol,
  node: claim.node,
  epoch: claim.epoch,
  accuser: claim.accuser,
  attestors: claim.attestors,
  quorum: claim.quorum,
  filedMs: claim.filedMs,
  deadlineMs: claim.deadlineMs,
  state: claim.state,
  isBound: claim.isBound,
  populationSize: claim.populationSize,
  populationRoot: toHex(claim.populationRoot),
  confirmation: claim.confirmation === undefined ? null : toHex(claim.confirmation),
  seed: claim.seed === undefined ? null : toHex(claim.seed),
});

/** The vote, for the operator's governance key to sign. */
export const voteOf = ({ contracts, slashing, candidate, claims }: Escalation, voter: ObjectId) =>
  voteTransaction(
    contracts,
    slashing,
    { voter, candidate },
    claims.map(({ ref }) => ref),
  );

/** Base64 BCS of the vote's TransactionKind. @param voter null = a template */
export async function voteKind(escalation: Escalation, voter: ObjectId | null): Promise<string> {
  return toBase64(await voteOf(escalation, voter ?? NOBODY).build({ onlyTransactionKind: true }));
}

/**
 * Compares a bundle with what its reader read from the chain by the same claims.
 *
 * @throws EscalationError `BUNDLE_OF_ANOTHER_NETWORK`, `BUNDLE_DIFFERS` naming the first field that differs
 */
export async function checkBundle(bundle: EscalationBundle, escalation: Escalation): Promise<void> {
  checkNetwork(bundle, networkOf(escalation));
  same("candidate", bundle.candidate, escalation.candidate);
  same("epoch", bundle.epoch, escalation.epoch);
  for (const [i, claim] of escalation.claims.entries()) {
    const expected: Record<string, CanonicalValue> = bundleClaim(claim);
    const given: Record<string, CanonicalValue> = bundle.claims[i] ?? {};
    // What was pruned since the bundle was made cannot be compared any more.
    const skipped = claim.seed === undefined ? "seed" : undefined;
    for (const field of Object.keys(expected))
      if (field !== skipped) same(`claims[${i}].${field}`, given[field] ?? null, expected[field] ?? null);
  }
  if (!escalation.claims.some(({ ref }) => ref.objectId === bundle.claim))
    refuse("BUNDLE_DIFFERS", `claim ${bundle.claim} is not among the claims`);
  same("vote", bundle.vote.transactionKind, await voteKind(escalation, bundle.vote.voter));
}

/** @throws EscalationError `BUNDLE_OF_ANOTHER_NETWORK`: nothing in a bundle says which contracts its reader trusts */
export function checkNetwork(bundle: EscalationBundle, expected: Partial<BundleNetwork>): void {
  for (const [field, value] of Object.entries(expected)) {
    const given = bundle.network[field as keyof BundleNetwork];
    if (given !== value)
      refuse("BUNDLE_OF_ANOTHER_NETWORK", `network.${field} is ${given} in the bundle, ${value} here`);
  }
}

function same(field: string, given: CanonicalValue, expected: CanonicalValue): void {
  if (canonicalJson(given) === canonicalJson(expected)) return;
  refuse("BUNDLE_DIFFERS", `${field} is not what stands on chain`);
}

/**
 * Checks the auditor's records of the draws: each is about its claim and belongs to the root that this auditor reported
 * on chain for the round.
 *
 * @returns how many could be traced to a report; those of pruned rounds cannot
 * @throws EscalationError `BUNDLE_DIFFERS`; SuiError
 */
export async function checkBundleEvidence(
  client: SuiGrpcClient,
  bundle: EscalationBundle,
  { claims, registry }: Escalation,
): Promise<number> {
  if (!registry.auditors.some(({ address }) => address === bundle.auditor))
    refuse("BUNDLE_DIFFERS", `auditor ${bundle.auditor} is not on the registry's panel`);
  let traced = 0;
  for (const [i, evidence] of bundle.evidence.entries()) {
    const claim = claims.find(({ ref }) => ref.objectId === evidence.claim);
    if (claim === undefined)
      return refuse("BUNDLE_DIFFERS", `evidence[${i}] is of a claim that is not there`);
    checkLeaf(`evidence[${i}]`, evidence, claim);
    const round = await readRound(client, registry, claim.round);
    if (round === undefined) continue;
    const report = await readReport(client, round, bundle.auditor);
    same(`evidence[${i}].root`, evidence.root, report === undefined ? null : toHex(report.evidenceRoot));
    traced++;
  }
  return traced;
}

function checkLeaf(at: string, evidence: BundleEvidence, claim: EscalatedClaim): void {
  const { index, size, leaf, root, path } = evidence;
  const proof = {
    index,
    size,
    leaf: new TextEncoder().encode(leaf),
    path: path.map((sibling) => (sibling === null ? null : fromHex(sibling))),
  };
  if (!verifyEvidence(fromHex(root), proof)) refuse("BUNDLE_DIFFERS", `${at} does not belong to its root`);
  const record = jsonObject(leaf, `${at}.leaf`);
  const { round, mode, shard, t, node, blobId: blob, pair, axis, symbol } = claim;
  for (const [field, value] of Object.entries({ round, mode, shard, t, node, blob, pair, axis, symbol }))
    if (record[field] !== value) refuse("BUNDLE_DIFFERS", `${at}.leaf is of another ${field} than its claim`);
  if (record["outcome"] !== "missing" && record["outcome"] !== "invalid")
    refuse("BUNDLE_DIFFERS", `${at}.leaf is no failure`);
}

/** @throws EscalationError `MALFORMED_BUNDLE` */
export function jsonObject(text: string, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse("MALFORMED_BUNDLE", `${what} is not JSON`);
  }
  if (!isJsonObject(value)) return refuse("MALFORMED_BUNDLE", `${what} is no JSON object`);
  return value;
}

export const isJsonObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
