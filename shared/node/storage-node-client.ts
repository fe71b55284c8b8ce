/**
 * HTTP client of one storage node.
 *
 * A node is untrusted. Its deadline starts when the request is sent (not while it waits for a place) and covers headers
 * and body; redirects are not followed; answers are read up to a limit per route; an error body may be anything. Returned slivers, metadata, symbols and signatures are well-formed and **not verified**.
 *
 * All uploads are idempotent on the node, so a call that timed out may be repeated.
 */

import { backoffMs } from "../base/deadline.ts";
import { FloeError } from "../base/errors.ts";
import { type BlobStatus, parseBlobStatus } from "../protocol/blob-status.ts";
import { type Axis, BLOB_ID_BYTES, type BlobId, type SliverPairIndex } from "../protocol/ids.ts";
import { type Persistence, type SignedMessage, signedMessageFromJson } from "../protocol/messages.ts";
import { type BlobMetadata, metadataBytes, parseBlobMetadataWithId } from "../protocol/metadata.ts";
import { parseRecoverySymbols, type RecoverySymbol } from "../protocol/recovery-symbol.ts";
import { parseSliver, type Sliver, serializedSliverBytes } from "../protocol/sliver.ts";
import { type Carrier, CarrierError, isSuccess, type NodeAnswer } from "./carrier.ts";
import { NODE_LIMITS } from "./limits.ts";
import {
  JSON_TYPE,
  NODE_ERRORS,
  NODE_PATHS,
  OCTET_STREAM,
  parseErrorBody,
  parseStoredState,
  parseSuccessBody,
  type StoredState,
  type SymbolFilter,
} from "./storage-node-api.ts";
import { codeOfAnswer, StorageNodeError, type StorageNodeErrorCode } from "./storage-node-errors.ts";

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** The whole call, headers and body. */
  readonly timeoutMs?: number;
  /** Until response headers: how long a node may hold a connection without saying anything. */
  readonly headersTimeoutMs?: number;
  /** The first included. Only retryable failures are repeated. */
  readonly attempts?: number;
  /** Called when an attempt has passed the gate and begins. */
  readonly onStart?: () => void;
}

interface Route {
  readonly method: "GET" | "PUT";
  readonly path: string;
  /** Short name for errors and logs; the blob ID stands in the log line already. */
  readonly name: string;
  readonly body?: Uint8Array;
  readonly answerType: typeof JSON_TYPE | typeof OCTET_STREAM;
  readonly maxBytes: number;
}

const RETRY_BASE_MS = 100;
const RETRY_MAX_MS = 2_000;

/** What the rest of Floe asks of one storage node. Answers are well-formed, and not verified. */
export interface NodeClient {
  getMetadata(blobId: BlobId, nShards: number, options?: CallOptions): Promise<BlobMetadata>;
  putMetadata(blobId: BlobId, bytes: Uint8Array, options?: CallOptions): Promise<void>;
  getMetadataStatus(blobId: BlobId, options?: CallOptions): Promise<StoredState>;
  getSliver(
    blobId: BlobId,
    pair: SliverPairIndex,
    axis: Axis,
    maxDataBytes: number,
    options?: CallOptions,
  ): Promise<Sliver>;
  putSliver(
    blobId: BlobId,
    pair: SliverPairIndex,
    axis: Axis,
    bytes: Uint8Array,
    options?: CallOptions,
  ): Promise<void>;
  getSliverStatus(
    blobId: BlobId,
    pair: SliverPairIndex,
    axis: Axis,
    options?: CallOptions,
  ): Promise<StoredState>;
  getConfirmation(blobId: BlobId, persistence: Persistence, options?: CallOptions): Promise<SignedMessage>;
  getRecoverySymbols(
    blobId: BlobId,
    filter: SymbolFilter,
    maxSymbols: number,
    maxBytes: number,
    options?: CallOptions,
  ): Promise<RecoverySymbol[]>;
  getBlobStatus(blobId: BlobId, options?: CallOptions): Promise<BlobStatus>;
}

/** The HTTP API of one storage node, over whatever carries requests. */
export class StorageNodeClient implements NodeClient {
  readonly #baseUrl: string;
  readonly #node: string;
  readonly #carrier: Carrier;

  /**
   * @param baseUrl from `nodeBaseUrl`: no trailing slash, already allowed by the address policy
   * @param node how the node is called in errors and logs
   */
  constructor(baseUrl: string, node: string, carrier: Carrier) {
    this.#baseUrl = baseUrl;
    this.#node = node;
    this.#carrier = carrier;
  }

  /** Metadata as the node claims it: check it with `codec.verifyMetadata` before use. */
  async getMetadata(blobId: BlobId, nShards: number, options: CallOptions = {}): Promise<BlobMetadata> {
    const route: Route = {
      method: "GET",
      path: NODE_PATHS.metadata(blobId),
      name: "get metadata",
      answerType: OCTET_STREAM,
      maxBytes: BLOB_ID_BYTES + metadataBytes(nShards),
    };
    return this.#call(route, options, (bytes) => parseBlobMetadataWithId(bytes).metadata);
  }

  /** @param bytes serialised BlobMetadata, without the blob ID. Owned by the call until it settles. */
  async putMetadata(blobId: BlobId, bytes: Uint8Array, options: CallOptions = {}): Promise<void> {
    await this.#call(this.#upload(NODE_PATHS.metadata(blobId), "put metadata", bytes), options, ignoreAnswer);
  }

  async getMetadataStatus(blobId: BlobId, options: CallOptions = {}): Promise<StoredState> {
    const route = this.#json(NODE_PATHS.metadataStatus(blobId), "get metadata status");
    return this.#call(route, options, (bytes) => parseStoredState(successData(bytes)));
  }

  /** @param maxDataBytes the sliver's data length by the blob's layout; a longer answer is cut off */
  async getSliver(
    blobId: BlobId,
    pair: SliverPairIndex,
    axis: Axis,
    maxDataBytes: number,
    options: CallOptions = {},
  ): Promise<Sliver> {
    const route: Route = {
      method: "GET",
      path: NODE_PATHS.sliver(blobId, pair, axis),
      name: `get ${axis} sliver ${pair}`,
      answerType: OCTET_STREAM,
      maxBytes: serializedSliverBytes(maxDataBytes),
    };
    return this.#call(route, options, (bytes) => parseSliver(bytes, maxDataBytes));
  }

  /** @param bytes serialised SliverData. Owned by the call until it settles. */
  async putSliver(
    blobId: BlobId,
    pair: SliverPairIndex,
    axis: Axis,
    bytes: Uint8Array,
    options: CallOptions = {},
  ): Promise<void> {
    const path = NODE_PATHS.sliver(blobId, pair, axis);
    await this.#call(this.#upload(path, `put ${axis} sliver ${pair}`, bytes), options, ignoreAnswer);
  }

  async getSliverStatus(
    blobId: BlobId,
    pair: SliverPairIndex,
    axis: Axis,
    options: CallOptions = {},
  ): Promise<StoredState> {
    const route = this.#json(
      NODE_PATHS.sliverStatus(blobId, pair, axis),
      `get ${axis} sliver ${pair} status`,
    );
    return this.#call(route, options, (bytes) => parseStoredState(successData(bytes)));
  }

  /** The node's signed promise; message and signature are not checked here. */
  async getConfirmation(
    blobId: BlobId,
    persistence: Persistence,
    options: CallOptions = {},
  ): Promise<SignedMessage> {
    const route = this.#json(NODE_PATHS.confirmation(blobId, persistence), "get confirmation");
    return this.#call(route, options, (bytes) => {
      const data = successData(bytes);
      const signed = typeof data === "object" && data !== null && "signed" in data ? data.signed : undefined;
      return signedMessageFromJson(signed);
    });
  }

  async getRecoverySymbols(
    blobId: BlobId,
    filter: SymbolFilter,
    maxSymbols: number,
    maxBytes: number,
    options: CallOptions = {},
  ): Promise<RecoverySymbol[]> {
    const route: Route = {
      method: "GET",
      path: NODE_PATHS.recoverySymbols(blobId, filter),
      name: "get recovery symbols",
      answerType: OCTET_STREAM,
      maxBytes,
    };
    return this.#call(route, options, (bytes) => parseRecoverySymbols(bytes, maxSymbols));
  }

  async getBlobStatus(blobId: BlobId, options: CallOptions = {}): Promise<BlobStatus> {
    const route = this.#json(NODE_PATHS.blobStatus(blobId), "get blob status");
    return this.#call(route, options, (bytes) => parseBlobStatus(successData(bytes)));
  }

  #upload(path: string, name: string, body: Uint8Array): Route {
    return { method: "PUT", path, name, body, answerType: JSON_TYPE, maxBytes: NODE_LIMITS.nodeJsonBytes };
  }

  #json(path: string, name: string): Route {
    return { method: "GET", path, name, answerType: JSON_TYPE, maxBytes: NODE_LIMITS.nodeJsonBytes };
  }

  async #call<T>(route: Route, options: CallOptions, parse: (bytes: Uint8Array) => T): Promise<T> {
    const { clock, randomBytes } = this.#carrier;
    const attempts = options.attempts ?? NODE_LIMITS.attemptsPerNodeRequest;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt(route, options, parse);
      } catch (error) {
        const again = error instanceof StorageNodeError && error.retryable && attempt < attempts;
        if (!again) throw error;
      }
      await clock.sleep(backoffMs(attempt, RETRY_BASE_MS, RETRY_MAX_MS, randomBytes), options.signal);
    }
  }

  async #attempt<T>(route: Route, options: CallOptions, parse: (bytes: Uint8Array) => T): Promise<T> {
    const answer = await this.#carry(route, options);
    if (!isSuccess(answer.status)) throw this.#refusal(route, answer);
    this.#checkType(route, answer);
    try {
      return parse(answer.body);
    } catch (cause) {
      if (!(cause instanceof FloeError)) throw cause;
      throw this.#error("MALFORMED_ANSWER", route, cause.message, { status: answer.status, cause });
    }
  }

  async #carry(route: Route, options: CallOptions): Promise<NodeAnswer> {
    const timeoutMs = options.timeoutMs ?? NODE_LIMITS.nodeRequestTimeoutMs;
    const request = {
      method: route.method,
      url: this.#baseUrl + route.path,
      accept: route.answerType,
      body: route.body,
      maxBytes: route.maxBytes,
      timeoutMs,
      headersTimeoutMs: options.headersTimeoutMs ?? timeoutMs,
    };
    try {
      return await this.#carrier.carry(request, options);
    } catch (error) {
      if (!(error instanceof CarrierError)) throw error;
      const status = error.details["status"];
      throw this.#error(error.code, route, error.message, {
        cause: error.cause,
        ...(typeof status === "number" ? { status } : {}),
      });
    }
  }

  #refusal(route: Route, { status, body }: NodeAnswer): StorageNodeError {
    const claimed = parseErrorBody(new TextDecoder().decode(body))?.reason;
    const reason = claimed !== undefined && isKnownReason(claimed) ? claimed : undefined;
    const said = reason === undefined ? "" : ` ${reason}`;
    return this.#error(codeOfAnswer(status, reason), route, `answered ${status}${said}`, {
      status,
      ...(reason === undefined ? {} : { reason }),
    });
  }

  #checkType(route: Route, { status, contentType, contentEncoding = "identity" }: NodeAnswer): void {
    // Binary answers without a type are accepted by the official clients, JSON answers without one are not.
    const fits =
      contentType === route.answerType || (contentType === undefined && route.answerType === OCTET_STREAM);
    if (fits && contentEncoding === "identity") return;
    throw this.#error("MALFORMED_ANSWER", route, "unexpected content type or encoding", { status });
  }

  #error(
    code: StorageNodeErrorCode,
    route: Route,
    message: string,
    failure: { status?: number; reason?: string; cause?: unknown } = {},
  ): StorageNodeError {
    return new StorageNodeError(code, message, { node: this.#node, route: route.name, ...failure });
  }
}

const KNOWN_REASONS: ReadonlySet<string> = new Set(
  Object.entries(NODE_ERRORS).map(([name, entry]) => ("reason" in entry ? entry.reason : name)),
);
const isKnownReason = (reason: string): boolean => KNOWN_REASONS.has(reason);

const ignoreAnswer = (): void => {};
const successData = (bytes: Uint8Array): unknown => parseSuccessBody(new TextDecoder().decode(bytes));
