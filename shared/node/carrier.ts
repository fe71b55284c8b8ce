/**
 * What carries requests to storage nodes, and how many at a time.
 *
 * A Worker invocation may wait for six answers at once; child invocations each have six of their own; a simulation has
 * as many as it likes. Whoever decides what to ask takes the number from `width` and knows no platform.
 */
import type { Clock, RandomBytes } from "../base/clock.ts";
import { FloeError } from "../base/errors.ts";

/** One request to a storage node. May be sent twice: every route of a storage node is idempotent. */
export interface NodeRequest {
  readonly method: "GET" | "PUT";
  readonly url: string;
  readonly accept: string;
  /** Octets. Owned by the carrier until `carry` settles. */
  readonly body?: Uint8Array | undefined;
  /** The longest body of a successful answer that is read. */
  readonly maxBytes: number;
  /** The whole exchange, from the moment it is sent. */
  readonly timeoutMs: number;
  /** Until the response's headers: how long a silent node may hold a place. */
  readonly headersTimeoutMs: number;
}

export interface NodeAnswer {
  readonly status: number;
  /** Lower case, without parameters. */
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  /** Whole, at most `maxBytes`; of an answer other than 2xx empty when it was longer than errors are. */
  readonly body: Uint8Array;
}

export type CarrierErrorCode =
  /** No answer within one of the deadlines. Unknown outcome for a PUT. */
  | "TIMEOUT"
  /** Refused, reset, DNS or TLS failure, broken off. Unknown outcome for a PUT. */
  | "UNREACHABLE"
  /** More than `maxBytes`. */
  | "ANSWER_TOO_LARGE";

/** Details: `status`, once headers had come. */
export class CarrierError extends FloeError<CarrierErrorCode> {}

export interface CarryOptions {
  /** Ends the exchange with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called when the request is sent: until then it waited for a place. */
  readonly onStart?: (() => void) | undefined;
}

export interface Carrier {
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  /** Requests that can be under way at once; may grow with `expect`. More than that wait, first come, first served. */
  readonly width: number;
  /** How often the bytes of a request under way may be in this isolate's memory at one time; for admission. */
  readonly copies: number;
  /** Announces work, so that a carrier that can grow does. Cheap; may be called any number of times. */
  expect(requests: number): void;
  /**
   * Sends one request when there is a place for it.
   *
   * @throws CarrierError; the signal's reason when that aborts
   */
  carry(request: NodeRequest, options?: CarryOptions): Promise<NodeAnswer>;
}

export const isSuccess = (status: number): boolean => status >= 200 && status < 300;
