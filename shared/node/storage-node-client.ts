/**
 * HTTP client of one storage node.
 *
 * A node is untrusted. Its deadline starts when the call starts (inside the gate, not while waiting for it) and covers
 * headers and body; redirects are not followed; answers are read up to a limit per route; an error body may be
 * anything. Returned slivers, metadata, symbols and signatures are well-formed and **not verified**.
 *
 * All uploads are idempotent on the node, so a call that timed out may be repeated.
 */

import { readBounded } from "../base/bounded-body.ts";
import type { Clock, RandomBytes } from "../base/clock.ts";
import { backoffMs, withDeadline } from "../base/deadline.ts";
import { FloeError } from "../base/errors.ts";
import type { Gate } from "../base/gate.ts";
import { type BlobStatus, parseBlobStatus } from "../protocol/blob-status.ts";
import { type Axis, BLOB_ID_BYTES, type BlobId, type SliverPairIndex } from "../protocol/ids.ts";
import { type Persistence, type SignedMessage, signedMessageFromJson } from "../protocol/messages.ts";
import { type BlobMetadata, metadataBytes, parseBlobMetadataWithId } from "../protocol/metadata.ts";
import { parseRecoverySymbols, type RecoverySymbol } from "../protocol/recovery-symbol.ts";
import { parseSliver, type Sliver, serializedSliverBytes } from "../protocol/sliver.ts";
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

/** What every node client of one invocation shares. */
export interface NodeTransport {
  readonly fetch: (request: Request) => Promise<Response>;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  /** The one gate of the invocation. */
  readonly gate: Gate;
}

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

export class StorageNodeClient {
  readonly #baseUrl: string;
  readonly #node: string;
  readonly #transport: NodeTransport;

  /**
   * @param baseUrl from `nodeBaseUrl`: no trailing slash, already allowed by the address policy
   * @param node how the node is called in errors and logs
   */
  constructor(baseUrl: string, node: string, transport: NodeTransport) {
    this.#baseUrl = baseUrl;
    this.#node = node;
    this.#transport = transport;
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
    const { clock, randomBytes, gate } = this.#transport;
    const attempts = options.attempts ?? NODE_LIMITS.attemptsPerNodeRequest;
    for (let attempt = 1; ; attempt++) {
      try {
        return await gate.run(() => this.#attempt(route, options, parse));
      } catch (error) {
        const again = error instanceof StorageNodeError && error.retryable && attempt < attempts;
        if (!again) throw error;
      }
      await clock.sleep(backoffMs(attempt, RETRY_BASE_MS, RETRY_MAX_MS, randomBytes), options.signal);
    }
  }

  async #attempt<T>(route: Route, options: CallOptions, parse: (bytes: Uint8Array) => T): Promise<T> {
    const { clock } = this.#transport;
    options.onStart?.();
    const timeoutMs = options.timeoutMs ?? NODE_LIMITS.nodeRequestTimeoutMs;
    const headersMs = Math.min(options.headersTimeoutMs ?? timeoutMs, timeoutMs);
    const late = (what: string, ms: number) => () =>
      this.#error("TIMEOUT", route, `no ${what} within ${ms} ms`);
    return withDeadline(clock, timeoutMs, options.signal, late("answer", timeoutMs), async (signal) => {
      // The outer signal stays attached to the response: it also ends the reading of the body.
      const response = await withDeadline(
        clock,
        headersMs,
        signal,
        late("headers", headersMs),
        (headersSignal) => this.#send(route, AbortSignal.any([signal, headersSignal])),
      );
      if (!response.ok) throw await this.#refusal(route, response);
      this.#checkType(route, response);
      const bytes = await this.#readBody(route, response, route.maxBytes);
      try {
        return parse(bytes);
      } catch (cause) {
        if (!(cause instanceof FloeError)) throw cause;
        throw this.#error("MALFORMED_ANSWER", route, cause.message, { status: response.status, cause });
      }
    });
  }

  async #send(route: Route, signal: AbortSignal): Promise<Response> {
    const headers = new Headers({ accept: route.answerType, "accept-encoding": "identity" });
    if (route.body !== undefined) headers.set("content-type", OCTET_STREAM);
    const request = new Request(this.#baseUrl + route.path, {
      method: route.method,
      headers,
      redirect: "manual",
      signal,
      ...(route.body === undefined ? {} : { body: route.body }),
    });
    try {
      return await this.#transport.fetch(request);
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      throw this.#error("UNREACHABLE", route, "connection failed", { cause });
    }
  }

  async #refusal(route: Route, response: Response): Promise<StorageNodeError> {
    const text = await this.#errorText(route, response);
    const claimed = parseErrorBody(text)?.reason;
    const reason = claimed !== undefined && isKnownReason(claimed) ? claimed : undefined;
    const said = reason === undefined ? "" : ` ${reason}`;
    return this.#error(codeOfAnswer(response.status, reason), route, `answered ${response.status}${said}`, {
      status: response.status,
      ...(reason === undefined ? {} : { reason }),
    });
  }

  /** An error body that is too long, cut off or not text still leaves the status to act on. */
  async #errorText(route: Route, response: Response): Promise<string> {
    try {
      return new TextDecoder().decode(await this.#readBody(route, response, NODE_LIMITS.nodeJsonBytes));
    } catch (error) {
      if (error instanceof StorageNodeError && error.code !== "TIMEOUT") return "";
      throw error;
    }
  }

  #checkType(route: Route, response: Response): void {
    const type = response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
    // Binary answers without a type are accepted by the official clients, JSON answers without one are not.
    const fits = type === route.answerType || (type === undefined && route.answerType === OCTET_STREAM);
    const encoding = response.headers.get("content-encoding") ?? "identity";
    if (fits && encoding === "identity") return;
    discard(response);
    throw this.#error("MALFORMED_ANSWER", route, "unexpected content type or encoding", {
      status: response.status,
    });
  }

  async #readBody(route: Route, response: Response, maxBytes: number): Promise<Uint8Array> {
    const lengthText = response.headers.get("content-length");
    const declared = lengthText === null ? undefined : Number(lengthText);
    const tooLarge = () => {
      discard(response);
      return this.#error("ANSWER_TOO_LARGE", route, `more than ${maxBytes} bytes`, {
        status: response.status,
      });
    };
    if (declared !== undefined && declared > maxBytes) throw tooLarge();
    try {
      // HTTP ends an unencoded body at its declared length, so this cannot grow beyond the limit; one read of the
      // whole is several times faster than chunks.
      const isPlain = !response.headers.has("content-encoding");
      if (declared !== undefined && isPlain) return new Uint8Array(await response.arrayBuffer());
      return await readBounded(response.body, maxBytes, tooLarge);
    } catch (cause) {
      if (cause instanceof StorageNodeError) throw cause;
      throw this.#error("UNREACHABLE", route, "connection lost in the body", {
        status: response.status,
        cause,
      });
    }
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

/** Frees the connection of an answer nobody will read. */
function discard(response: Response): void {
  response.body?.cancel().catch(() => {}); // The connection may be gone already: nothing is left to free then.
}
