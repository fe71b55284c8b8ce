/**
 * The edge's router on scripted nodes, with a tracker on SQLite in memory and a wallet that hands out registrations:
 * for tests of what clients see. Payment and the real network are tested end to end.
 */

import type { EdgePorts } from "../../../functions/http/ports.ts";
import { route } from "../../../functions/http/router.ts";
import { finishTail, finishUpload } from "../../../functions/upload/finish-upload.ts";
import { bindIdempotencyKey } from "../../../functions/upload/idempotency.ts";
import type { BlobId, ObjectId } from "../../../shared/protocol/ids.ts";
import { registrationCost } from "../../../shared/sui/wallet/price.ts";
import type { CertifyRequest, RegisterRequest } from "../../../shared/sui/wallet/submissions.ts";
import { EPOCH, type ScriptedNodes } from "../nodes/scripted-nodes.ts";
import { MemoryTracker } from "./memory-tracker.ts";

// Node has no FixedLengthStream; the length itself is tested in workerd.
Object.assign(globalThis, {
  FixedLengthStream: class extends TransformStream<Uint8Array, Uint8Array> {
    constructor(_expectedLength: number) {
      // Like the platform's, it has taken the bytes when a write is done.
      super({ transform: (piece, controller) => controller.enqueue(piece.slice()) });
    }
  },
});

const DIGEST = "4XQHFa9S324wTzYHF3vsBSwpUZuLpmwTHYMFv9nsttSs";

export class ScriptedEdge {
  readonly nodes: ScriptedNodes;
  readonly registered: RegisterRequest[] = [];
  readonly certified: CertifyRequest[] = [];
  readonly background: Promise<unknown>[] = [];
  readonly #trackers = new Map<BlobId, MemoryTracker>();
  readonly #keys = new Map<string, string>();
  access: "open" | "closed" = "open";
  /** For every invocation, the Uploader's included. */
  overrides: Partial<EdgePorts> = {};

  constructor(nodes: ScriptedNodes) {
    this.nodes = nodes;
  }

  async fetch(
    path: string,
    init: RequestInit & { duplex?: "half" } = {},
    overrides: Partial<EdgePorts> = {},
  ) {
    const services = this.services(overrides);
    return route(new Request(`http://edge${path}`, init), { services, access: this.access });
  }

  /** What one invocation gets. */
  services(overrides: Partial<EdgePorts> = {}): EdgePorts {
    return this.nodes.services({
      tracker: (blobId) => this.tracker(blobId).port,
      bindIdempotencyKey: (request) =>
        bindIdempotencyKey(request, async (name, fingerprint) => {
          const known = this.#keys.get(name) ?? fingerprint;
          this.#keys.set(name, known);
          return known === fingerprint;
        }),
      wallet: {
        register: async (request) => {
          const first = this.registered.find(({ intentId }) => intentId === request.intentId) === undefined;
          if (first) this.registered.push(request);
          const cost = registrationCost(this.nodes.snapshot(), request.unencodedLength, request.epochs);
          const number = this.registered.findIndex(({ intentId }) => intentId === request.intentId) + 1;
          return {
            objectId: `0x${"e9".repeat(31)}${number.toString(16).padStart(2, "0")}` as ObjectId,
            blobId: request.blobId,
            registeredEpoch: EPOCH,
            unencodedLength: request.unencodedLength,
            deletable: request.deletable,
            storage: {
              id: `0x${"47".repeat(32)}` as ObjectId,
              startEpoch: EPOCH,
              endEpoch: EPOCH + request.epochs,
              storageBytes: cost.encodedBytes,
            },
            costFrost: cost.totalFrost,
            txDigest: DIGEST,
            eventSeq: "0",
          };
        },
        certify: async (request) => {
          this.certified.push(request);
          const shared = request.share ? { sharedObjectId: `0x${"7c".repeat(32)}` as ObjectId } : {};
          return { txDigest: DIGEST, eventSeq: "1", certifiedEpoch: EPOCH, endEpoch: EPOCH + 1, ...shared };
        },
      },
      waitUntil: (work) => {
        this.background.push(work);
      },
      ...this.overrides,
      ...overrides,
    });
  }

  /** The tracker of a blob, made at the first call. */
  tracker(blobId: BlobId): MemoryTracker {
    const known = this.#trackers.get(blobId);
    if (known !== undefined) return known;
    const tracker = new MemoryTracker(this.nodes.clock, {
      finish: (id, intentId) => finishUpload(this.services(), id, intentId),
      finishTail: (id) => finishTail(this.services(), id),
    });
    this.#trackers.set(blobId, tracker);
    return tracker;
  }
}
