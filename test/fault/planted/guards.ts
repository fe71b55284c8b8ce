/**
 * Plausible bugs, each of which removes one guard, and the named test that must notice.
 *
 * A bug is a replacement of one piece of source text, applied while the test is loaded; nothing on disk changes. The
 * text must occur exactly once: a guard that moved or changed makes the score fail until its bug is written anew.
 */
export interface PlantedBug {
  /** What no longer holds. */
  readonly guard: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Runs with the bug in place; every test whose full name contains `name` must fail by its own assertions. */
  readonly test: { readonly file: string; readonly name: string };
}

const CONFIRMATIONS = "functions/tracker/confirmations.ts";
const CONFIRMATIONS_TEST = "test/unit/functions/tracker/confirmations.test.ts";
const SLIVER_CHECK = "shared/codec/sliver-check.ts";
const CODEC_TEST = "test/unit/codec/reference-codec.test.ts";
const ENGINE = "shared/sui/wallet/engine.ts";
const SUBMITTER_TEST = "test/unit/sui/wallet/submitter.test.ts";
const EDGE_TEST = "test/unit/functions/http/edge.test.ts";
const TRACKER_TEST = "test/unit/functions/tracker/tracker.test.ts";
const UPLOAD_TEST = "test/unit/functions/upload/upload.test.ts";
const LANES_TEST = "test/unit/functions/lanes/lane-carrier.test.ts";
const QUORUMS_TEST = "test/unit/protocol/quorums.test.ts";

export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    guard: "a quorum is more than two thirds",
    file: "shared/protocol/bft.ts",
    find: "3 * weight >= 2 * nShards + 1;",
    replace: "3 * weight >= 2 * nShards - 2;",
    test: { file: CONFIRMATIONS_TEST, name: "make a certificate of the exact quorum" },
  },
  {
    guard: "validity is more than one third",
    file: "shared/protocol/bft.ts",
    find: "3 * weight >= nShards + 1;",
    replace: "3 * weight >= nShards - 2;",
    test: { file: QUORUMS_TEST, name: "a quorum tolerates f faulty shards" },
  },
  {
    guard: "weight counts shards, not nodes",
    file: CONFIRMATIONS,
    find: "weight: shards.length,",
    replace: "weight: 1,",
    test: { file: CONFIRMATIONS_TEST, name: "make a certificate of the exact quorum" },
  },
  {
    guard: "only committee members confirm",
    file: CONFIRMATIONS,
    find: "const member = this.#committee.members[position];",
    replace: "const member = this.#committee.members[position] ?? this.#committee.members[0];",
    test: { file: CONFIRMATIONS_TEST, name: "from nobody of the committee do not count" },
  },
  {
    guard: "a confirmation counts in its own epoch only",
    file: CONFIRMATIONS,
    find: "if (equalBytes(message, this.#message)) return undefined;",
    replace: "if (equalBytes(message.slice(7), this.#message.slice(7))) return undefined;",
    test: { file: CONFIRMATIONS_TEST, name: "of the epoch before do not count" },
  },
  {
    guard: "a confirmation counts for its own blob only",
    file: CONFIRMATIONS,
    find: "if (equalBytes(message, this.#message)) return undefined;",
    replace: "if (equalBytes(message.slice(0, 7), this.#message.slice(0, 7))) return undefined;",
    test: { file: CONFIRMATIONS_TEST, name: "of another blob do not count" },
  },
  {
    guard: "a confirmation counts for its own persistence only",
    file: CONFIRMATIONS,
    find: "if (equalBytes(message, this.#message)) return undefined;",
    replace: "if (equalBytes(message.slice(0, 39), this.#message.slice(0, 39))) return undefined;",
    test: { file: CONFIRMATIONS_TEST, name: "of a deletable blob do not count" },
  },
  {
    guard: "a node counts once",
    file: CONFIRMATIONS,
    find: "findIndex((member) => member.nodeId === nodeId);",
    replace:
      "findIndex((member, at) => member.nodeId === nodeId || (this.weight > 0 && !this.#accepted.has(at)));",
    test: { file: CONFIRMATIONS_TEST, name: "count each node once" },
  },
  {
    guard: "the aggregate is verified",
    file: CONFIRMATIONS,
    find: "this.#signatures.verifyAggregate(this.#message, this.#sum, publicKeys)",
    replace: "publicKeys.length > 0",
    test: { file: CONFIRMATIONS_TEST, name: "with wrong signatures are found by bisection" },
  },
  {
    guard: "the point at infinity is no signature",
    file: "shared/crypto/bls.ts",
    find: "if (point.is0()) throw",
    replace: "if (what.length === 0) throw",
    test: { file: "test/unit/crypto/bls.test.ts", name: "infinity, wrong lengths" },
  },
  {
    guard: "metadata hashes to its blob ID",
    file: "shared/codec/reference-codec.ts",
    find: "if (computed !== blobId) {",
    replace: "if (computed.length !== blobId.length) {",
    test: { file: CODEC_TEST, name: "refuses another shard count, length, hash or blob ID" },
  },
  {
    guard: "a sliver has the root that the metadata says",
    file: SLIVER_CHECK,
    find: "if (!equalBytes(root, sliverHash(metadata, pair, axis))) {",
    replace: "if (root.length !== sliverHash(metadata, pair, axis).length) {",
    test: { file: CODEC_TEST, name: "of another blob, is refused" },
  },
  {
    guard: "a sliver stands at the index asked for",
    file: SLIVER_CHECK,
    find: "if (sliver.index !== index)",
    replace: "if (sliver.index < 0)",
    test: { file: CODEC_TEST, name: "names the check that failed" },
  },
  {
    guard: "no byte is read that its sliver's root does not cover",
    file: SLIVER_CHECK,
    find: "if (!equalBytes(root, sliverHash(metadata, pair, axis))) {",
    replace: "if (root.length !== sliverHash(metadata, pair, axis).length) {",
    test: {
      file: "test/unit/functions/read/read-blob.test.ts",
      name: "rejects slivers with one flipped bit",
    },
  },
  {
    guard: "an inner node of a Merkle tree is no leaf",
    file: "shared/codec/merkle.ts",
    find: "const LEAF_TAG = 0;",
    replace: "const LEAF_TAG = 1;",
    test: { file: "test/unit/codec/merkle.test.ts", name: "an inner node is no leaf" },
  },
  {
    guard: "a blob ID has one spelling",
    file: "shared/protocol/ids.ts",
    find: "const bytes = fromBase64Url(text);\n    if (bytes.length === BLOB_ID_BYTES && toBase64Url(bytes) === text) return text as BlobId;",
    replace:
      "const bytes = atob(text.replaceAll('-', '+').replaceAll('_', '/'));\n    if (bytes.length === BLOB_ID_BYTES) return text as BlobId;",
    test: { file: "test/unit/protocol/ids.test.ts", name: "the three other spellings" },
  },
  {
    guard: "what is signed is stored before it is sent",
    file: ENGINE,
    find: "const nowMs = clock.nowMs();\n    store.apply({",
    replace: "const nowMs = clock.nowMs();\n    await chain.execute(built, signature);\n    store.apply({",
    test: { file: "test/unit/sui/wallet/persist-before-send.test.ts", name: "before its first byte leaves" },
  },
  {
    guard: '"not found" is not "not executed"',
    file: ENGINE,
    find: "if (epoch <= open.lastEpoch) return false;",
    replace: "",
    test: { file: SUBMITTER_TEST, name: "is paid once when it is unknown for 60 s and then lands" },
  },
  {
    guard: "one intent is one purchase",
    file: "shared/sui/wallet/submitter.ts",
    find: "if (known.kind !== kind || !isSameIntent(known.request, request)) {",
    replace: "if (known.kind !== kind) {",
    test: { file: SUBMITTER_TEST, name: "refuses another request under the same intent" },
  },
  {
    guard: "one bad registration fails alone",
    file: ENGINE,
    find: "if (culprit !== undefined) this.fail(culprit, failureError(failure));",
    replace:
      "if (culprit !== undefined) for (const each of operations) this.fail(each, failureError(failure));",
    test: { file: SUBMITTER_TEST, name: "fails one bad registration of 20 alone" },
  },
  {
    guard: "spending stops at its cap",
    file: "shared/sui/wallet/spending.ts",
    find: "if (limit === undefined || spent + frost <= limit) return;",
    replace: "if (limit === undefined || spent <= limit) return;",
    test: { file: SUBMITTER_TEST, name: "stops at the cap per day" },
  },
  {
    guard: "a publisher is closed unless it was opened",
    file: "functions/http/publisher.ts",
    find: 'if (access !== "open") {',
    replace: "if (access.length === 0) {",
    test: { file: EDGE_TEST, name: "is refused unless the operator opened it" },
  },
  {
    guard: "a body ends at its limit",
    file: "functions/upload/body-pieces.ts",
    find: "checkBodyBytes(total, limits.maxBytes);",
    replace: "",
    test: { file: EDGE_TEST, name: "refuses bodies over the limit, declared or not" },
  },
  {
    guard: "the chain cannot point us at an inner network",
    file: "shared/node/node-address.ts",
    find: 'if (RESERVED_SUFFIXES.has(last)) refuse("a reserved name");',
    replace: "",
    test: { file: "test/unit/node/storage-node-client.test.ts", name: "node.localhost is refused" },
  },
  {
    guard: "no redirect of a node is followed",
    file: "shared/node/direct-carrier.ts",
    find: 'redirect: "manual"',
    replace: 'redirect: "follow"',
    test: { file: "test/unit/node/storage-node-client.test.ts", name: "follows no redirect" },
  },
  {
    guard: "six requests are in flight, not more",
    file: "shared/base/gate.ts",
    find: "if (this.#inFlight >= this.#limit) {",
    replace: "if (this.#inFlight > this.#limit) {",
    test: { file: "test/unit/node/storage-node-client.test.ts", name: "runs as many tasks as it has places" },
  },
  {
    guard: "one registration belongs to one intent",
    file: "functions/tracker/intents.ts",
    find: "if (row.registered.objectId === blob.objectId) return;",
    replace: "return;",
    test: { file: TRACKER_TEST, name: "refuses a second registration for one intent" },
  },
  {
    guard: "equal requests are one upload",
    file: "functions/tracker/intents.ts",
    find: "if (hasEnded || (isTaken && !isMine) || !claim.canWork) {",
    replace: "if (hasEnded || !claim.canWork) {",
    test: { file: TRACKER_TEST, name: "give the work to one, and let all others wait" },
  },
  {
    guard: "a forced upload joins nobody",
    file: "functions/tracker/intents.ts",
    find: 'if (force) return JSON.stringify(["force", workerId]);',
    replace: "",
    test: { file: TRACKER_TEST, name: "never join when forced" },
  },
  {
    guard: "the alarm is set while an upload is unfinished",
    file: "functions/tracker/schedule.ts",
    find: "const times = this.#intents.unfinished().map((row) => this.#dueMs(row));",
    replace: "const times: number[] = [];",
    test: { file: TRACKER_TEST, name: "is set whenever an upload is unfinished" },
  },
  {
    guard: "nothing is paid for before the blob is held",
    file: "functions/upload/work-on-upload.ts",
    find: "if (!turn.isStaged) await stageBlob(",
    replace: "if (turn.isStaged) await stageBlob(",
    test: { file: UPLOAD_TEST, name: "at publish.before-register is finished by the alarm" },
  },
  {
    guard: "a certificate counts in its own epoch only",
    file: "functions/tracker/confirmation-log.ts",
    find: "if (row.certificateEpoch === epoch && row.certificate !== null)",
    replace: "if (row.certificate !== null)",
    test: { file: TRACKER_TEST, name: "drops certificate and confirmations of an epoch that is over" },
  },
  {
    guard: "six requests of one invocation wait at one time, not seven",
    file: "shared/base/gate.ts",
    find: "export const INVOCATION_REQUESTS = 6;",
    replace: "export const INVOCATION_REQUESTS = 7;",
    test: { file: LANES_TEST, name: "hold six requests each and no more" },
  },
  {
    guard: "a lane holds no more than six",
    file: "functions/lanes/lane-carrier.ts",
    find: "const limit = isUpload ? refillBelow : INVOCATION_REQUESTS;",
    replace: "const limit = isUpload ? refillBelow : INVOCATION_REQUESTS + 1;",
    test: { file: LANES_TEST, name: "hold six requests each and no more" },
  },
  {
    guard: "the requests of a dead lane travel again",
    file: "functions/lanes/open-lane.ts",
    find: "for (const { job } of entries.reverse()) job.giveBack();",
    replace: "",
    test: { file: LANES_TEST, name: "costs its requests a second journey" },
  },
  {
    guard: "a silent lane is given up",
    file: "functions/lanes/open-lane.ts",
    find: "if (isSilent || isIdle)",
    replace: "if (isIdle)",
    test: { file: LANES_TEST, name: "are given up when they are silent past the deadline" },
  },
  {
    guard: "lanes are opened 24 times at most",
    file: "functions/lanes/lane-carrier.ts",
    find: "this.#lanes.size + this.#maxLanes - this.#opened);",
    replace: "this.#maxLanes);",
    test: { file: LANES_TEST, name: "is not replaced for ever" },
  },
  {
    guard: "a stock of slivers keeps its bound of bytes",
    file: "functions/upload/sliver-stock.ts",
    find: "if (bytes > freeBytes && (pairs > 0 || this.#heldBytes > 0)) break;",
    replace: "",
    test: {
      file: "test/unit/functions/upload/sliver-stock.test.ts",
      name: "never holds more bytes than its bound",
    },
  },
];
