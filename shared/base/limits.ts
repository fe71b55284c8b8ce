/**
 * Every bound of Floe in one place. Hitting one is a typed error, never a hang.
 *
 * Platform sources: Cloudflare Workers limits (2026): 128 MB per isolate, 6 connections waiting for headers,
 * 10,000 subrequests per invocation, 2 MB per SQLite value, 32 MiB per RPC argument.
 */

const KIB = 1024;
const MIB = 1024 * KIB;

export const LIMITS = {
  /** Connections of one invocation that may wait for response headers (platform limit, a 7th waits silently). */
  requestsInFlight: 6,
  /** Own budget below the platform's 10,000 subrequests: room for retries of the runtime itself. */
  subrequests: 9_000,
  /** Largest PUT body by default; configurable (`MAX_BODY_BYTES`). */
  bodyBytes: 32 * MIB,
  /** One reused read buffer per request body. */
  bodyReadBytes: 256 * KIB,
  /** Bytes of sliver answers in flight in one read. */
  readBytesInFlight: 32 * MIB,
  /** Memory all open encoders and decoders of an isolate may hold together, below its 128 MB. */
  codecBytes: 96 * MIB,
  /**
   * Memory that the requests of one isolate may hold together: encoders, decoders, slivers under way. Of the 128 MB
   * the code, the runtime and buffers not yet collected need the rest.
   */
  leaseBytes: 64 * MIB,
  /** How long a request waits for memory before it is refused, and how many may wait. */
  admissionWaitMs: 5_000,
  admissionQueue: 64,
  /** Memory not renewed for so long belongs to a request that the platform has ended. */
  leaseLostMs: 60_000,
  /** Room asked for at a time while a body of unknown length is read. */
  bodyStepBytes: MIB,
  /** A body must come, and a blob be taken, at this rate, after a moment of grace. */
  clientBytesPerSecond: 8 * KIB,
  clientGraceMs: 10_000,
  /** Storage node answers other than slivers, metadata and symbols. */
  nodeJsonBytes: 64 * KIB,
  /** Network addresses on chain are at most 259 bytes. */
  networkAddressCharacters: 259,
  /** Attempts per request to one node, the first included. */
  attemptsPerNodeRequest: 3,
  /** Whole request to a storage node, armed when the call starts (not while it waits for the gate). */
  nodeRequestTimeoutMs: 10_000,
  /** First requests to a node that has not answered yet: a silent node must not hold a connection for long. */
  firstContactTimeoutsMs: [2_000, 5_000, 10_000],
  /** Response headers of a read; a slow body is another matter. */
  readHeadersTimeoutMs: 2_000,
  /** An answer is late after this, or after several times what answers take now, whichever is longer. */
  readHedgeMs: 300,
  /** Late answers of an isolate that are not waited for: so many at once, and one more for every ten answers. */
  hedgesKept: 20,
  hedgesPerAnswer: 0.1,
  /** Answer times of an isolate that make up "now". */
  answerTimesKept: 64,
  /** Rows read ahead of the client, in bytes; one row at least. */
  readWindowBytes: 8 * MIB,
  /** How long, and for how many blobs, an isolate remembers that nobody has them. */
  absenceMs: 1_500,
  absencesKept: 1_000,
  /** When a second node is asked for metadata although the first has not failed. */
  metadataHedgeMs: 300,
  /** One node's blob status; a wrong guess here pays for a blob twice, so it waits longer than a read. */
  statusTimeoutMs: 5_000,
  /** How long a node that did not answer is asked last. */
  suspectMs: 10_000,
  /** From the first sliver sent until a quorum has confirmed. */
  distributeTimeoutMs: 60_000,
  /** How long nodes still at work may finish once no quorum can come together any more. */
  doomedUploadGraceMs: 5_000,
  /** Slivers still to be sent after the reply; `waitUntil` ends after 30 s. */
  tailTimeoutMs: 28_000,
  /** How long a node may be behind the chain before its NOT_REGISTERED counts as a failure. */
  registrationLagMs: 15_000,
  /** Rounds of one node's upload, each going on where the last one failed. */
  roundsPerNode: 3,
  /** Generated slivers held by one node's upload at a time (at least one pair). */
  sliversHeldPerNodeBytes: MIB,
  /** Generated slivers held by one blob's upload: fewer nodes are served at once when theirs are larger. */
  sliversHeldPerUploadBytes: 6 * MIB,
  /** Largest blob that a tracker holds in its own SQLite by default; configurable (`STAGING_MAX_BYTES`). */
  stagedBytes: 32 * MIB,
  /** One piece of a staged blob: half of what one SQLite value may have, a fraction of what one call may carry. */
  stagedPieceBytes: MIB,
  /** Pieces on their way to or from the tracker at a time. */
  stagedPiecesInFlight: 3,
  /** Copies of one blob being staged at a time; the oldest one gives way. */
  stagingsPerBlob: 4,
  /** Without a sign of life for so long, an upload is taken over by its tracker; configurable (`UPLOAD_LEASE_MS`). */
  uploadLeaseMs: 15_000,
  /** Longest pause between the tracker's attempts to finish an upload. */
  uploadRetryMaxMs: 300_000,
  /** How long after its last request a paid upload is tried for without the client. */
  uploadGiveUpMs: 3_600_000,
  /** How long a request waits for the outcome of an upload that another one works on. */
  uploadJoinWaitMs: 150_000,
  /** One question to a tracker that waits for news. */
  trackerPollMs: 10_000,
  /** One call of the Uploader by a tracker's alarm, of the 15 minutes an alarm may run. */
  uploaderCallMs: 240_000,
  /** Certificates collected for one upload in one go; each but the first after a change of epoch. */
  certificatesPerUpload: 3,
  /** How long after the first certification missing slivers are sent by the tracker's alarm. */
  tailGiveUpMs: 600_000,
  /** How long a tracker remembers uploads once nothing is left to do. */
  trackerKeepMs: 86_400_000,
  /** How long an Idempotency-Key stands for its request. */
  idempotencyKeepMs: 86_400_000,
  /** Progress events kept per blob, sent per answer, and the life of one event stream. */
  eventsKept: 500,
  eventsPerAnswer: 100,
  eventStreamMs: 900_000,
  /** Uploads of one blob listed by its progress route, newest first. */
  intentsShown: 100,
  /** Faults kept per blob and per isolate; older ones are dropped. */
  faultsKept: 200,
  /** Unfinished and finished uploads kept per blob; the oldest finished ones are dropped. */
  intentsPerBlob: 1_000,
  /** One attempt of a Sui RPC call. */
  suiRequestTimeoutMs: 10_000,
  /** Objects per BatchGetObjects call (the full node's limit). */
  suiBatchObjects: 50,
  /** One answer of a Sui full node; the largest we ask for are 50 staking pools of some 1.5 KB. */
  suiReplyBytes: 8 * MIB,
  /** One entry of an event blob; the longest event, of 1,000 shards received, has some 2 KB. */
  eventEntryBytes: 64 * KIB,
  /** One event blob: nodes end one with the checkpoint in which it passes 100 MiB. */
  eventBlobBytes: 112 * MIB,
  /** Event blobs behind the latest that are walked back: 53 epochs of two weeks are some 1,200. */
  eventBlobsWalked: 10_000,
  /** Operations that one wallet transaction serves. */
  batchOperations: 100,
  /** Bytes of one wallet transaction (the protocol's limit is 128 KiB). */
  batchBytes: 100 * KIB,
  /** Operations that wait in one wallet. */
  walletWaiting: 2_000,
  /** One call of the wallet; after it the caller is told that the work goes on. */
  walletCallTimeoutMs: 90_000,
  /** Failed rounds in a row after which the wallet stops until it is woken. */
  walletFailedRounds: 12,
  /** Pause of the wallet's alarm while something is unfinished. */
  walletAlarmMs: 5_000,
  /** How often the wallet looks for registrations nobody certified, and how old those must be. */
  walletSweepEveryMs: 3_600_000,
  walletSweepAfterMs: 86_400_000,
  /** How long an intent's outcome is remembered. */
  walletRememberMs: 90 * 86_400_000,
  /** Batches one operation is tried in before it is given up. */
  submitAttempts: 8,
  /** Attributes of one Blob object, and bytes of a key and of a value. */
  blobAttributes: 64,
  attributeKeyBytes: 256,
  attributeValueBytes: 4 * KIB,
  /** Characters of an intent ID or principal. */
  intentIdCharacters: 256,
  /** Coins of one type that one transaction uses (gas payment takes at most 256). */
  walletCoins: 250,
  /** Coins of one type that are looked at before the largest are chosen. */
  walletCoinsListed: 1_000,
  /** How long a chain snapshot is reused inside one isolate. */
  chainSnapshotMs: 5_000,
  /** How long a chain snapshot still serves when no endpoint answers. */
  chainSnapshotStaleMs: 600_000,
} as const;
