/**
 * Answers of a storage node as data, and their headers.
 *
 * Handlers return a `NodeReply` or throw: `NodeRefusal` for the protocol's error envelope, `PlainRefusal` for what
 * official nodes refuse in their web framework, in plain text, before any handler runs. Everything else that is
 * thrown is a bug or a broken disk: a 500 that says nothing but a trace ID.
 */

import { FloeError } from "../../shared/base/errors.ts";
import {
  errorBody,
  JSON_TYPE,
  type NodeErrorName,
  OCTET_STREAM,
  successBody,
  UnparsableRequest,
  type UploadAnswer,
} from "../../shared/node/storage-node-api.ts";

export interface NodeReply {
  readonly status: number;
  readonly type: string | undefined;
  readonly body: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An error with a reason of the protocol. The message may carry numbers; it goes to the client. */
export class NodeRefusal extends FloeError<NodeErrorName> {}

export class PlainRefusal extends FloeError<"REFUSED"> {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    message: string,
    options: { readonly headers?: Readonly<Record<string, string>>; readonly cause?: unknown } = {},
  ) {
    super("REFUSED", message, { details: { status }, cause: options.cause });
    this.status = status;
    this.headers = options.headers ?? {};
  }
}

const encoder = new TextEncoder();

export const jsonReply = (data: unknown, code = 200): NodeReply => ({
  status: code,
  type: JSON_TYPE,
  body: encoder.encode(successBody(code, data)),
});

export const uploadReply = ({ code, text }: UploadAnswer): NodeReply => jsonReply(text, code);

export const bytesReply = (body: Uint8Array): NodeReply => ({ status: 200, type: OCTET_STREAM, body });

export const textReply = (
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): NodeReply => ({
  status,
  type: text === "" ? undefined : "text/plain; charset=utf-8",
  body: encoder.encode(text),
  headers,
});

export function errorReply(name: NodeErrorName, message: string, traceId?: string): NodeReply {
  const { http, body } = errorBody(name, message, traceId);
  return { status: http, type: JSON_TYPE, body: encoder.encode(body) };
}

/** The answer for something thrown; `undefined` when it is not an answer but a failure of the node itself. */
export function replyForError(error: unknown): NodeReply | undefined {
  if (error instanceof NodeRefusal) return errorReply(error.code, error.message);
  if (error instanceof PlainRefusal) return textReply(error.status, error.message, error.headers);
  if (error instanceof UnparsableRequest) return textReply(400, `Invalid URL: ${error.message}`);
  return undefined;
}

/** Any origin, any method, any header, no credentials: browsers talk to nodes directly. */
const CORS = { "access-control-allow-origin": "*" } as const;
const PREFLIGHT = {
  ...CORS,
  "access-control-allow-methods": "*",
  "access-control-allow-headers": "*",
  vary: "origin, access-control-request-method, access-control-request-headers",
} as const;

export const preflightReply: NodeReply = {
  status: 200,
  type: undefined,
  body: new Uint8Array(),
  headers: PREFLIGHT,
};

/** All headers of an answer. HEAD keeps the length of the body it leaves out. */
export function replyHeaders({ type, body, headers }: NodeReply): Record<string, string> {
  return {
    ...CORS,
    ...headers,
    "content-length": String(body.length),
    ...(type === undefined ? {} : { "content-type": type }),
  };
}
