/**
 * From signed answers of storage nodes to a certificate. Pure: no I/O, no clock.
 *
 * Cheap checks come first (membership, duplicate, exact message bytes), then the signature is parsed and added to the
 * running sum (on arrival, about 1 ms), and the pairing is paid once, for the sum. Only when that fails are the
 * signatures bisected; what is wrong is put out and the rest goes on collecting. Weight counts shards, each member once.
 */

import { equalBytes } from "../../shared/base/bytes.ts";
import { FloeError } from "../../shared/base/errors.ts";
import { CryptoError } from "../../shared/crypto/crypto-error.ts";
import {
  findInvalidSignatures,
  isInfinity,
  type SignatureScheme,
} from "../../shared/crypto/signature-scheme.ts";
import { isQuorum } from "../../shared/protocol/bft.ts";
import type { Certificate } from "../../shared/protocol/certificate.ts";
import type { Committee } from "../../shared/protocol/committee.ts";
import type { BlobId, ObjectId } from "../../shared/protocol/ids.ts";
import {
  confirmationMessage,
  type Persistence,
  parseConfirmation,
  type SignedMessage,
} from "../../shared/protocol/messages.ts";

export type ConfirmationFault =
  /** Not a member of this committee. */
  | "UNKNOWN_MEMBER"
  | "MALFORMED_MESSAGE"
  /** Signed for another epoch: our committee or the node's is stale. */
  | "WRONG_EPOCH"
  /** Another blob, persistence or object than asked for. */
  | "WRONG_MESSAGE"
  | "MALFORMED_SIGNATURE"
  /** The signature does not fit message and key. */
  | "WRONG_SIGNATURE";

/** A node's answer that does not count, and why. */
export interface RejectedConfirmation {
  readonly nodeId: ObjectId;
  readonly fault: ConfirmationFault;
}

export interface ReceivedConfirmation {
  readonly nodeId: ObjectId;
  readonly signed: SignedMessage;
}

interface Accepted {
  readonly nodeId: ObjectId;
  readonly weight: number;
  readonly publicKey: Uint8Array;
  readonly signature: Uint8Array;
}

/** Collects the confirmations of one committee for one blob and persistence. */
export class ConfirmationCollector {
  readonly #committee: Committee;
  readonly #message: Uint8Array;
  /** By member position: what is signed by whom; never two entries of one member. */
  readonly #accepted = new Map<number, Accepted>();
  readonly #signatures: SignatureScheme;
  /** Of all held signatures; undefined while there are none, or while they cancel. */
  #sum: Uint8Array | undefined;
  #certificate: Certificate | undefined;

  constructor(committee: Committee, blobId: BlobId, persistence: Persistence, signatures: SignatureScheme) {
    this.#signatures = signatures;
    this.#committee = committee;
    this.#message = confirmationMessage({ epoch: committee.epoch, blobId, persistence });
  }

  /** Shards of the members whose confirmations are held; signatures are verified only in the aggregate. */
  get weight(): number {
    let weight = 0;
    for (const accepted of this.#accepted.values()) weight += accepted.weight;
    return weight;
  }

  /**
   * Takes a confirmation in.
   *
   * @returns undefined when it is held now (or was before), else why it does not count
   */
  add({ nodeId, signed }: ReceivedConfirmation): RejectedConfirmation | undefined {
    const position = this.#committee.members.findIndex((member) => member.nodeId === nodeId);
    const member = this.#committee.members[position];
    if (member === undefined) return { nodeId, fault: "UNKNOWN_MEMBER" };
    if (this.#accepted.has(position)) return undefined;
    const fault = this.#messageFault(signed.message);
    if (fault !== undefined) return { nodeId, fault };
    try {
      this.#addUp([signed.signature]);
      const { publicKey, shards } = member;
      this.#accepted.set(position, { nodeId, weight: shards.length, publicKey, signature: signed.signature });
      return undefined;
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error;
      return { nodeId, fault: "MALFORMED_SIGNATURE" };
    }
  }

  /**
   * The certificate, once the held confirmations weigh a quorum and their aggregate verifies.
   *
   * @param onRejected called with every confirmation whose signature turned out wrong; it is no longer held
   * Cost: one check of the sum (about 20 ms for 100 signers), for b wrong signatures about b log2(m) more.
   */
  certificate(onRejected: (rejected: RejectedConfirmation) => void): Certificate | undefined {
    if (this.#certificate !== undefined) return this.#certificate;
    if (!isQuorum(this.weight, this.#committee.nShards)) return undefined;
    const signers = [...this.#accepted.keys()].sort((a, b) => a - b);
    const signed = signers.flatMap((signer) => this.#accepted.get(signer) ?? []);
    const publicKeys = signed.map((each) => each.publicKey);
    if (this.#sum !== undefined && this.#signatures.verifyAggregate(this.#message, this.#sum, publicKeys)) {
      this.#certificate = { signers, message: this.#message, signature: this.#sum };
      return this.#certificate;
    }
    const wrong = findInvalidSignatures(this.#signatures, this.#message, signed);
    if (wrong.length === 0) return undefined;
    for (const index of wrong) {
      const signer = signers[index];
      const entry = signed[index];
      if (signer === undefined || entry === undefined) continue;
      this.#accepted.delete(signer);
      onRejected({ nodeId: entry.nodeId, fault: "WRONG_SIGNATURE" });
    }
    this.#sum = undefined;
    if (this.#accepted.size > 0) this.#addUp([...this.#accepted.values()].map((each) => each.signature));
    return this.certificate(onRejected);
  }

  /** @throws CryptoError `INVALID_SIGNATURE`, the sum is as before then */
  #addUp(signatures: readonly Uint8Array[]): void {
    const sum = this.#signatures.aggregate(this.#sum === undefined ? signatures : [this.#sum, ...signatures]);
    this.#sum = isInfinity(sum) ? undefined : sum;
  }

  #messageFault(message: Uint8Array): ConfirmationFault | undefined {
    if (equalBytes(message, this.#message)) return undefined;
    try {
      return parseConfirmation(message).epoch === this.#committee.epoch ? "WRONG_MESSAGE" : "WRONG_EPOCH";
    } catch (error) {
      if (!(error instanceof FloeError)) throw error;
      return "MALFORMED_MESSAGE";
    }
  }
}
