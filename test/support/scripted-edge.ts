/**
 * The edge's router on scripted nodes, with a tracker on SQLite in memory and a wallet that hands out registrations:
 * for tests of what clients see. Payment and the real network are tested end to end.
 */
import { DatabaseSync } from "node:sqlite";
import { route } from "../../functions/router.ts";
import type { Services } from "../../functions/services.ts";
import type { Tracker } from "../../functions/upload/tracker-port.ts";
import { TrackerState } from "../../functions/upload/tracker-state.ts";
import type { BlobId, ObjectId } from "../../shared/protocol/ids.ts";
import { registrationCost } from "../../shared/sui/price.ts";
import type { CertifyRequest, RegisterRequest } from "../../shared/sui/submissions.ts";
import { EPOCH, type ScriptedNodes } from "./scripted-nodes.ts";

// Node has no FixedLengthStream; the length itself is tested in workerd.
Object.assign(globalThis, {
  FixedLengthStream: class extends TransformStream {
    constructor(_expectedLength: number) {
      super();
    }
  },
});

const DIGEST = "4XQHFa9S324wTzYHF3vsBSwpUZuLpmwTHYMFv9nsttSs";

export class ScriptedEdge {
  readonly nodes: ScriptedNodes;
  readonly registered: RegisterRequest[] = [];
  readonly certified: CertifyRequest[] = [];
  readonly background: Promise<unknown>[] = [];
  readonly #trackers = new Map<BlobId, Tracker>();
  access: "open" | "closed" = "open";

  constructor(nodes: ScriptedNodes) {
    this.nodes = nodes;
  }

  async fetch(path: string, init: RequestInit & { duplex?: "half" } = {}, overrides: Partial<Services> = {}) {
    const services = this.nodes.services({
      tracker: (blobId) => this.#tracker(blobId),
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
      ...overrides,
    });
    return route(new Request(`http://edge${path}`, init), { services, access: this.access });
  }

  #tracker(blobId: BlobId): Tracker {
    const known = this.#trackers.get(blobId);
    if (known !== undefined) return known;
    const state = memoryTracker(this.nodes);
    const tracker: Tracker = {
      begin: async (request) => state.begin(request),
      registered: async (intentId, blob) => state.registered(intentId, blob),
      report: async (report) => state.report(report),
      certified: async (intentId, blob) => state.certified(intentId, blob),
      drop: async (intentId) => state.drop(intentId),
    };
    this.#trackers.set(blobId, tracker);
    return tracker;
  }
}

export function memoryTracker(nodes: ScriptedNodes, database = new DatabaseSync(":memory:")): TrackerState {
  let random = 0;
  return new TrackerState(
    {
      exec: (query, ...parameters) => database.prepare(query).all(...parameters),
      transaction(work) {
        database.exec("BEGIN");
        try {
          const result = work();
          database.exec("COMMIT");
          return result;
        } catch (error) {
          database.exec("ROLLBACK");
          throw error;
        }
      },
    },
    nodes.clock,
    (count) => new Uint8Array(count).fill(++random),
  );
}
