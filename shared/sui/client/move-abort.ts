/**
 * Names for the contracts' abort codes, and what a failed execution means for the submissions in it.
 *
 * A code alone says nothing: it belongs to the module that aborted. Codes in contract order; gaps are unused.
 */
import { FloeError } from "../../base/errors.ts";

type AbortNames = readonly (string | undefined)[];

const ABORTS: Readonly<Record<string, AbortNames>> = {
  system: ["EInvalidMigration", "EWrongVersion", "EZeroExtractSize"],
  system_state_inner: [
    "EInvalidMaxEpochsAhead",
    "EStorageExceeded",
    "EInvalidEpochsAhead",
    "EInvalidIdEpoch",
    "EIncorrectCommittee",
    "EInvalidAccountingEpoch",
    "EIncorrectAttestation",
    "ERepeatedAttestation",
    "ENotCommitteeMember",
    "EIncorrectDenyListSequence",
    "EIncorrectDenyListNode",
    "EInvalidResourceSize",
    "EInvalidStartEpoch",
  ],
  blob: [
    "ENotCertified",
    "EBlobNotDeletable",
    "EResourceBounds",
    "EResourceSize",
    undefined,
    "EAlreadyCertified",
    "EInvalidBlobId",
    "EDuplicateMetadata",
    "EMissingMetadata",
    "EInvalidBlobPersistenceType",
    "EInvalidBlobObject",
  ],
  bls_aggregate: ["EInvalidBitmap", "ESigVerification", "ENotEnoughStake", "EIncorrectCommittee"],
  messages: [
    "EIncorrectAppId",
    "EIncorrectEpoch",
    "EInvalidMsgType",
    "EIncorrectIntentVersion",
    "EInvalidBlobPersistenceType",
    "ENotDeletable",
    "EInvalidKeyLength",
  ],
  storage_resource: ["EInvalidEpoch", "EIncompatibleEpochs", "EIncompatibleAmount", "EInvalidEpochRange"],
  storage_accounting: ["ETooFarInFuture"],
  encoding: ["EInvalidEncodingType"],
  event_blob: ["EInvalidSequenceNumber"],
  storage_pool: [
    "EBlobNotDeletable",
    "EResourceBounds",
    "EAlreadyCertified",
    "EInvalidBlobId",
    "EInvalidBlobPersistenceType",
    "EInvalidBlobObject",
    "EInsufficientCapacity",
    "EPoolNotEmpty",
    "EInvalidBlobSize",
    "EInvalidBlobCount",
    "EWrongVersion",
    "EIncompatibleEndEpoch",
    "EDuplicateMetadata",
    "EMissingMetadata",
    "EInvalidPercent",
  ],
  staking: ["EInvalidMigration", "EWrongVersion", "EDeprecatedFunction"],
  slashing: ["ENotAuthorized", "EDuplicateVote", "ENoProposalForNode", "EWrongEpoch", "ENotEnoughVotes"],
  staking_inner: [
    "EWrongEpochState",
    "EInvalidSyncEpoch",
    "EDuplicateSyncDone",
    "ENoStake",
    "ENotInCommittee",
    "ECommitteeSelected",
    "ENextCommitteeIsEmpty",
    "EInvalidNodeWeight",
    "EPoolNotFound",
    "EZeroNodeWeight",
    "EIncorrectNodeOrder",
  ],
  staking_pool: [
    "EPoolAlreadyUpdated",
    "ECalculationError",
    "EIncorrectEpochAdvance",
    "EPoolNotEmpty",
    "EInvalidProofOfPossession",
    "EPoolAlreadyWithdrawing",
    "EPoolIsNotActive",
    "EZeroStake",
    "ENotStaked",
    "EIncorrectPoolId",
    "ENotWithdrawing",
    "EWithdrawEpochNotReached",
    "EActivationEpochNotReached",
    "EWithdrawDirectly",
    "EIncorrectCommissionRate",
    "EAuthorizationFailure",
    "EInvalidNetworkAddressLength",
    "EInvalidNameLength",
    "EZeroShares",
  ],
  staked_wal: [
    "ENotWithdrawing",
    "EMetadataMismatch",
    "EInvalidAmount",
    undefined,
    undefined,
    undefined,
    "EAlreadyWithdrawing",
    "EStakeBelowThreshold",
  ],
  upgrade: [
    "EInvalidUpgradeManager",
    "ENotAuthorized",
    "EDuplicateVote",
    "EInvalidPackageDigest",
    "ENoProposalForDigest",
    "EWrongEpoch",
    "ENotEnoughVotes",
    "EWrongVersion",
  ],
  // Of floe_audit and its gate.
  proof: [undefined, "EPathLength", "EIndex", "EAxis", "EDigestLength", "ESymbolPrefix", "ESymbolSize"],
  select: [...new Array<undefined>(4), "EDigestLength", ...new Array<undefined>(11), "ESelection"],
  audit: [
    ...new Array<undefined>(10),
    "ENotAuditor",
    "ERoundExists",
    "ETooEarly",
    "ENoRound",
    "EBond",
    "EWindow",
    "ESelection",
    "EProof",
    "EState",
    "EDuplicate",
    "EPopulation",
    "EVacuous",
    "EExpiring",
    "ETooMany",
    "EPaused",
    "EVersion",
    "ETooLate",
    "ENoReport",
    "EArgument",
    "EGate",
    "ERegistry",
  ],
  gate: [undefined, "EEpoch", "ENotOwner"],
  // Of the Sui framework (0x2), the two that payments meet.
  balance: ["ENonZero", "EOverflow", "ENotEnough"],
};

/** e.g. `blob::EAlreadyCertified`; an unknown code is named by its number. */
export const abortName = (module: string, code: number): string =>
  `${module}::${(Object.hasOwn(ABORTS, module) ? ABORTS[module]?.[code] : undefined) ?? code}`;

/** A Move function refused the transaction. `abort` is stable: match on it, not on the message. */
export class MoveAbortError extends FloeError<"MOVE_ABORT"> {
  /** `module::ConstantName`, e.g. `bls_aggregate::ENotEnoughStake`. */
  readonly abort: string;

  constructor(failure: MoveAbortFailure) {
    const abort = abortName(failure.module, failure.abortCode);
    super("MOVE_ABORT", `the contract refused: ${abort} (${failure.function ?? "unknown function"})`, {
      details: {
        abort,
        module: failure.module,
        abortCode: failure.abortCode,
        function: failure.function ?? null,
        command: failure.command ?? null,
      },
    });
    this.abort = abort;
  }
}

export interface MoveAbortFailure {
  readonly kind: "move-abort";
  readonly module: string;
  readonly abortCode: number;
  readonly function: string | undefined;
  /** Position of the command that aborted. */
  readonly command: number | undefined;
}

/** Why an execution, real or simulated, failed. */
export type ExecutionFailure =
  | MoveAbortFailure
  /** Cancelled for too much traffic on a shared object: nothing wrong with the transaction. */
  | { readonly kind: "congestion" }
  | { readonly kind: "other"; readonly message: string; readonly command: number | undefined };

/** What to do about a failure of a transaction that served several submissions. */
export type FailureVerdict =
  /** The same again, after a pause. */
  | "retry"
  /** Package, epoch or prices moved: again, from a fresh snapshot. */
  | "refresh"
  /** One submission is at fault: the one that the failing command serves, else unknown. */
  | "refuse";

const REFRESH: ReadonlySet<string> = new Set([
  "system::EWrongVersion",
  "staking::EWrongVersion",
  // A price went up (the payment ran out) or down (some of it was left).
  "balance::ENotEnough",
  "balance::ENonZero",
]);

export function failureVerdict(failure: ExecutionFailure): FailureVerdict {
  switch (failure.kind) {
    case "congestion":
      return "retry";
    case "move-abort":
      return REFRESH.has(abortName(failure.module, failure.abortCode)) ? "refresh" : "refuse";
    case "other":
      return "refuse";
    default:
      return failure satisfies never;
  }
}
