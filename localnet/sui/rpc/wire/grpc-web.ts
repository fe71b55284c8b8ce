/**
 * gRPC-Web over a fetch handler: text (base64) and binary, unary and server streaming.
 *
 *   request   POST /<package>.<Service>/<Method>, one frame
 *   frame     flag u8 (00 data, 80 trailers) | length u32 BE | bytes
 *   answer    HTTP 200, data frames, then one trailer frame: "grpc-status: N\r\ngrpc-message: <percent-encoded>\r\n"
 *
 * In text mode the request body is base64 as a whole and each frame of the answer is encoded on its own. Every error
 * after the content type was accepted is a gRPC status in the trailer, as clients expect.
 */
import { fromBase64, toBase64 } from "../../../../shared/base/bytes.ts";
import { GRPC_CODES, type GrpcCode, GrpcError, invalidArgument } from "../../base/grpc-error.ts";

/** Generated message types, as far as the transport uses them. */
export interface MessageCodec<T> {
  fromBinary(bytes: Uint8Array): T;
  toBinary(message: T): Uint8Array;
}

export interface Method {
  /** Encoded answers: exactly one for a unary method. */
  call(request: Uint8Array, signal: AbortSignal): AsyncIterable<Uint8Array>;
  readonly isStreaming: boolean;
}

/** Methods by `<package>.<Service>/<Method>`. */
export type Methods = Readonly<Record<string, Method>>;

export function unary<I, O>(
  input: MessageCodec<I>,
  output: MessageCodec<O>,
  handle: (request: I, signal: AbortSignal) => O | Promise<O>,
): Method {
  return {
    isStreaming: false,
    async *call(bytes, signal) {
      yield output.toBinary(await handle(decode(input, bytes), signal));
    },
  };
}

export function streaming<I, O>(
  input: MessageCodec<I>,
  output: MessageCodec<O>,
  handle: (request: I, signal: AbortSignal) => Iterable<O> | AsyncIterable<O>,
): Method {
  return {
    isStreaming: true,
    async *call(bytes, signal) {
      for await (const message of handle(decode(input, bytes), signal)) yield output.toBinary(message);
    },
  };
}

function decode<I>(codec: MessageCodec<I>, bytes: Uint8Array): I {
  try {
    return codec.fromBinary(bytes);
  } catch (cause) {
    throw invalidArgument("the request does not parse", cause);
  }
}

export interface GrpcWebHooks {
  /** Called with the method's name before it runs; what it throws is the answer. */
  before?(method: string): void;
  /** True drops the answer after the method has run, as if the connection broke. */
  losesReply?(method: string): boolean;
  /** Told of errors that are no GrpcError: faults of the server itself. */
  onError?(method: string, error: unknown): void;
}

/** The largest transaction has 128 KiB; a batch of 50 object IDs far less. */
const MAX_REQUEST_BYTES = 1024 * 1024;
const FRAME_HEADER_BYTES = 5;
const DATA_FLAG = 0x00;
const TRAILER_FLAG = 0x80;

const CORS = {
  "access-control-allow-origin": "*",
  "access-control-allow-methods": "POST, OPTIONS",
  "access-control-allow-headers": "*",
  "access-control-expose-headers": "*",
} as const;

/** A fetch handler for these methods. */
export function grpcWebHandler(
  methods: Methods,
  hooks: GrpcWebHooks = {},
): (request: Request) => Promise<Response> {
  return async (request) => {
    if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: CORS });
    if (request.method !== "POST") return new Response("use POST\n", { status: 405, headers: CORS });
    const contentType = request.headers.get("content-type") ?? "";
    if (!/^application\/grpc-web(-text)?(\+proto)?(;|$)/.test(contentType)) {
      return new Response("content type is not application/grpc-web\n", { status: 415, headers: CORS });
    }
    const isText = contentType.startsWith("application/grpc-web-text");
    const headers = { ...CORS, "content-type": `application/grpc-web${isText ? "-text" : ""}+proto` };
    const name = new URL(request.url).pathname.slice(1);
    const abort = new AbortController();
    request.signal?.addEventListener("abort", () => abort.abort());
    const frames = answer(methods, hooks, name, request, isText, abort.signal);
    return new Response(bodyOf(frames, isText, abort), { headers });
  };
}

/** Thrown into the body to break the connection after the method has run. */
class LostReply extends Error {}

async function* answer(
  methods: Methods,
  hooks: GrpcWebHooks,
  name: string,
  request: Request,
  isText: boolean,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
    if (method === undefined) throw new GrpcError("UNIMPLEMENTED", `no method ${name.slice(0, 200)}`);
    hooks.before?.(name);
    const message = unframe(await readBody(request, isText));
    const loses = hooks.losesReply?.(name) ?? false;
    for await (const encoded of method.call(message, signal)) {
      if (!loses) yield frame(DATA_FLAG, encoded);
    }
    if (loses) throw new LostReply("the reply was lost");
    yield trailer("OK", "");
  } catch (error) {
    if (error instanceof LostReply) throw error;
    if (error instanceof GrpcError) {
      yield trailer(error.code, error.message);
      return;
    }
    hooks.onError?.(name, error);
    yield trailer("INTERNAL", "internal error");
  }
}

function bodyOf(
  frames: AsyncGenerator<Uint8Array>,
  isText: boolean,
  abort: AbortController,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const next = await frames.next();
      if (next.done === true) controller.close();
      else controller.enqueue(isText ? encoder.encode(toBase64(next.value)) : next.value);
    },
    async cancel() {
      abort.abort();
      await frames.return(undefined);
    },
  });
}

async function readBody(request: Request, isText: boolean): Promise<Uint8Array> {
  const limit = isText ? Math.ceil((MAX_REQUEST_BYTES * 4) / 3) : MAX_REQUEST_BYTES;
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of request.body ?? []) {
    length += part.length;
    if (length > limit) {
      throw new GrpcError("RESOURCE_EXHAUSTED", `request above ${MAX_REQUEST_BYTES} bytes`);
    }
    parts.push(part);
  }
  const body = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    body.set(part, offset);
    offset += part.length;
  }
  if (!isText) return body;
  try {
    return fromBase64(new TextDecoder().decode(body));
  } catch (cause) {
    throw invalidArgument("the request body is not base64", cause);
  }
}

function unframe(body: Uint8Array): Uint8Array {
  if (body.length < FRAME_HEADER_BYTES) throw invalidArgument(`a frame in ${body.length} bytes`);
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  if (body[0] !== DATA_FLAG) throw invalidArgument(`frame flag ${body[0]}; compression is not supported`);
  const length = view.getUint32(1);
  if (length !== body.length - FRAME_HEADER_BYTES) {
    throw invalidArgument(`frame of ${length} bytes in a body of ${body.length}`);
  }
  return body.subarray(FRAME_HEADER_BYTES);
}

function frame(flag: number, bytes: Uint8Array): Uint8Array {
  const framed = new Uint8Array(FRAME_HEADER_BYTES + bytes.length);
  framed[0] = flag;
  new DataView(framed.buffer).setUint32(1, bytes.length);
  framed.set(bytes, FRAME_HEADER_BYTES);
  return framed;
}

function trailer(code: GrpcCode, message: string): Uint8Array {
  const text = `grpc-status: ${GRPC_CODES[code]}\r\ngrpc-message: ${encodeURIComponent(message)}\r\n`;
  return frame(TRAILER_FLAG, new TextEncoder().encode(text));
}
