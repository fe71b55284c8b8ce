/**
 * The six requests an auditor makes of an unmodified node, and what an answer to each is worth.
 *
 * | kind         |    | request                                   | an answer passes when                                    |
 * |--------------|----|-------------------------------------------|----------------------------------------------------------|
 * | symbol       | C1 | recoverySymbols?id=...&proofAxis=...      | exactly the symbols asked, with proofs under the sliver   |
 * | sliver       | C2 | slivers/{pair}/{axis}                     | its expansion has the metadata's root                     |
 * | metadata     | C3 | metadata                                  | the blob ID recomputes                                    |
 * | confirmation | C4 | confirmation/...                          | signed by the node's registered key, for this epoch       |
 * | status       | C5 | slivers/{pair}/{axis}/status              | it says a state; never evidence                           |
 * | health       |    | health                                    | it says a status; decides about maintenance only          |
 *
 * Only C1 and C2 lead to verdicts.
 */
import {
  classifyAnswer,
  type NodeAnswer,
  type Outcome,
  verifySymbolAnswer,
} from "../../shared/audit/outcomes.ts";
import { type Challenge, symbolIdOfChallenge } from "../../shared/audit/selection.ts";
import { equalBytes, toHex } from "../../shared/base/bytes.ts";
import { FloeError } from "../../shared/base/errors.ts";
import { CodecError } from "../../shared/codec/codec.ts";
import { createReferenceCodec } from "../../shared/codec/reference-codec.ts";
import { checkSliver } from "../../shared/codec/sliver-check.ts";
import { parseBlsPublicKey, parseBlsSignature, verifyBls } from "../../shared/crypto/bls.ts";
import { parseVerifiedMetadata } from "../../shared/node/fetch-metadata.ts";
import { NODE_LIMITS } from "../../shared/node/limits.ts";
import type { ProbeResult } from "../../shared/node/probe.ts";
import {
  JSON_TYPE,
  NODE_PATHS,
  OCTET_STREAM,
  parseErrorBody,
  parseSuccessBody,
} from "../../shared/node/storage-node-api.ts";
import { BLOB_ID_BYTES, type BlobId, type SliverIndex } from "../../shared/protocol/ids.ts";
import {
  confirmationMessage,
  type Persistence,
  type SignedMessage,
  signedMessageFromJson,
} from "../../shared/protocol/messages.ts";
import { metadataBytes, type VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import { maxRecoverySymbolsBytes, type RecoverySymbol } from "../../shared/protocol/recovery-symbol.ts";
import { blobLayout, sliverBytes } from "../../shared/protocol/sizes.ts";
import { parseSliver, serializedSliverBytes, type VerifiedSliver } from "../../shared/protocol/sliver.ts";
import type { RequestKind } from "../ledger/attempts.ts";
import type { RoundDraw } from "../ledger/draws.ts";

/** @typeParam Answer what a body that passes holds */
export interface Question<Answer = unknown> {
  readonly kind: RequestKind;
  readonly path: string;
  readonly accept: string;
  readonly maxBytes: number;
  /** Reads the body of a 200 answer, once: what passes is handed on as what it was checked to be. */
  readonly judge: (body: Uint8Array) => Judgement<Answer>;
}

/** `detail` is for the ledger: what the answer contains, or why it does not pass. */
export type Judgement<Answer> =
  | { readonly passes: true; readonly answer: Answer; readonly detail: string | null }
  | { readonly passes: false; readonly detail: string | null };

const codec = createReferenceCodec();

const passed = <Answer>(answer: Answer, detail: string | null = null): Judgement<Answer> => ({
  passes: true,
  answer,
  detail,
});
const failed = (reason: string): Judgement<never> => ({ passes: false, detail: reason });

/** Bytes of a node that are not the protocol's are its fault and make a judgement; all else is ours. */
function judged<Answer>(
  judge: (body: Uint8Array) => Judgement<Answer>,
): (body: Uint8Array) => Judgement<Answer> {
  return (body) => {
    try {
      return judge(body);
    } catch (error) {
      if (error instanceof FloeError) return failed(error.code);
      throw error;
    }
  };
}

/** C1; answered by the symbols in the order of `asked`. @param asked symbols of the drawn sliver, the drawn one among them */
export function symbolQuestion(
  draw: Challenge,
  metadata: VerifiedMetadata,
  asked: readonly SliverIndex[],
): Question<readonly RecoverySymbol[]> {
  const { nShards } = metadata;
  const ids = asked.map((symbol) => symbolIdOfChallenge({ ...draw, symbol }, nShards));
  const { symbolBytes } = blobLayout(nShards, metadata.unencodedLength);
  return {
    kind: "symbol",
    path: NODE_PATHS.recoverySymbols(draw.blobId, { kind: "ids", ids, proofAxis: draw.axis }),
    accept: OCTET_STREAM,
    maxBytes: maxRecoverySymbolsBytes(asked.length, symbolBytes),
    judge: (body) => {
      const symbols = verifySymbolAnswer(body, draw, metadata, asked);
      return symbols === undefined ? failed("no valid proof") : passed(symbols);
    },
  };
}

/** C2. */
export function sliverQuestion(draw: RoundDraw, metadata: VerifiedMetadata): Question<VerifiedSliver> {
  const { pair, axis, blobId } = draw;
  const dataBytes = sliverBytes(blobLayout(metadata.nShards, metadata.unencodedLength), axis);
  return {
    kind: "sliver",
    path: NODE_PATHS.sliver(blobId, pair, axis),
    accept: OCTET_STREAM,
    maxBytes: serializedSliverBytes(dataBytes),
    judge: judged((body) => {
      const checked = checkSliver(metadata, { axis, pair, sliver: parseSliver(body, dataBytes) });
      return checked instanceof CodecError ? failed("another sliver") : passed(checked);
    }),
  };
}

/** C3. */
export function metadataQuestion(blobId: BlobId, nShards: number): Question<VerifiedMetadata> {
  return {
    kind: "metadata",
    path: NODE_PATHS.metadata(blobId),
    accept: OCTET_STREAM,
    maxBytes: BLOB_ID_BYTES + metadataBytes(nShards),
    judge: judged((body) => passed(verifiedMetadata(body, blobId, nShards))),
  };
}

/** Metadata out of an answer to C3. @throws ProtocolError or CodecError unless the blob ID recomputes */
export const verifiedMetadata = (body: Uint8Array, blobId: BlobId, nShards: number): VerifiedMetadata =>
  parseVerifiedMetadata(codec, body, blobId, nShards);

/** C4: the node's own signed statement that all its shards hold the blob. Cost: one pairing, some 30 ms. */
export function confirmationQuestion(
  blobId: BlobId,
  persistence: Persistence,
  signer: { readonly epoch: number; readonly publicKey: Uint8Array },
): Question<SignedMessage> {
  return {
    kind: "confirmation",
    path: NODE_PATHS.confirmation(blobId, persistence),
    accept: JSON_TYPE,
    maxBytes: NODE_LIMITS.nodeJsonBytes,
    judge: judged((body) => {
      const data = parseSuccessBody(new TextDecoder().decode(body));
      const { message, signature } = signedMessageFromJson(
        typeof data === "object" && data !== null && "signed" in data ? data.signed : undefined,
      );
      const expected = confirmationMessage({ epoch: signer.epoch, blobId, persistence });
      const isSigned =
        equalBytes(message, expected) &&
        verifyBls(message, parseBlsSignature(signature), parseBlsPublicKey(signer.publicKey));
      const detail = `${toHex(message)} ${toHex(signature)}`;
      return isSigned ? passed({ message, signature }, detail) : failed(detail);
    }),
  };
}

/** C5. */
export const statusQuestion = ({ blobId, pair, axis }: RoundDraw): Question<string> => ({
  kind: "status",
  path: NODE_PATHS.sliverStatus(blobId, pair, axis),
  accept: JSON_TYPE,
  maxBytes: NODE_LIMITS.nodeJsonBytes,
  judge: judged((body) => {
    const data = parseSuccessBody(new TextDecoder().decode(body));
    return typeof data === "string" ? passed(data, data.slice(0, MAX_DETAIL_CHARACTERS)) : failed("no state");
  }),
});

export const healthQuestion = (): Question<string> => ({
  kind: "health",
  path: NODE_PATHS.health(),
  accept: JSON_TYPE,
  maxBytes: NODE_LIMITS.nodeJsonBytes,
  judge: judged((body) => {
    const data = parseSuccessBody(new TextDecoder().decode(body));
    const status =
      typeof data === "object" && data !== null && "nodeStatus" in data ? data.nodeStatus : undefined;
    return typeof status === "string"
      ? passed(status, status.slice(0, MAX_DETAIL_CHARACTERS))
      : failed("no node status");
  }),
});

const MAX_DETAIL_CHARACTERS = 64;

/** The end of a request: its outcome, and what a pass holds. */
export interface Weighed<Answer> {
  readonly outcome: Outcome;
  readonly detail: string | null;
  /** Undefined unless the outcome is a pass. */
  readonly answer: Answer | undefined;
}

/** What the end of a request comes to, by the rules of `classifyAnswer`. */
export function weigh<Answer>(question: Question<Answer>, result: ProbeResult): Weighed<Answer> {
  const { end, httpStatus, body, contentType } = result;
  const weighed = (answer: NodeAnswer, detail: string | null): Weighed<Answer> => ({
    outcome: classifyAnswer(answer),
    detail,
    answer: undefined,
  });
  if (end === "timeout") return weighed({ kind: "timeout" }, null);
  if (end === "unreachable") return weighed({ kind: "unreachable" }, null);
  if (httpStatus === 200) {
    if (body === undefined) return weighed({ kind: "success", isVerified: false }, "too large");
    // Binary answers without a type are accepted by the official clients, JSON answers without one are not.
    const fits =
      contentType === question.accept || (contentType === undefined && question.accept === OCTET_STREAM);
    const judgement = fits ? question.judge(body) : failed("content type");
    const { passes, detail } = judgement;
    return {
      ...weighed({ kind: "success", isVerified: passes }, detail),
      answer: judgement.passes ? judgement.answer : undefined,
    };
  }
  const info = body === undefined ? undefined : parseErrorBody(new TextDecoder().decode(body));
  const reason = info?.reason;
  return weighed(
    { kind: "error", httpStatus, reason, hasEnvelope: info !== undefined },
    reason === undefined ? null : reason.slice(0, MAX_DETAIL_CHARACTERS),
  );
}
