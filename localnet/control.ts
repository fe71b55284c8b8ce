/**
 * The control API of the local network: injects faults, restarts nodes, moves the epoch, hands out coins.
 *
 * It can do anything, so it answers only this machine's own tools: it listens on loopback, the `Host` header must be
 * exactly its own authority (which stops DNS rebinding), and a request with an `Origin` other than its own is refused
 * (which stops web pages). JSON in and out; every error is `{"error": "..."}`.
 */
import { FloeError, ProtocolError } from "../shared/base/errors.ts";
import type { NetworkFile, NodeDistance } from "../shared/network/network-file.ts";
import { type ObjectId, parseObjectId } from "../shared/protocol/ids.ts";
import { type Distance, DistanceError, parseDistance } from "./distance.ts";
import { FaultError, type NodeFault, parseNodeFault } from "./faults.ts";
import type { HttpServer } from "./http-listener.ts";
import { serveFetch } from "./http-server.ts";
import { type SuiFault, SuiFaultError } from "./sui/faults.ts";

const MAX_BODY_BYTES = 16 * 1024;
const LOOPBACK = "127.0.0.1";

/** In FROST per MiB of encoded bytes: each epoch of storage, and each write. */
export interface Prices {
  readonly storagePricePerUnit: bigint;
  readonly writePricePerUnit: bigint;
}

/** What the control API drives. */
export interface Controlled {
  readonly file: NetworkFile;
  hasNode(name: string): boolean;
  setNodeFault(name: string, fault: NodeFault): void;
  setDistance(distance: Distance): void;
  setNodeDistance(name: string, distance: NodeDistance): void;
  restartNode(name: string): Promise<void>;
  setSuiFault(fault: SuiFault): void;
  setPrices(prices: Prices): void;
  advanceEpoch(): Promise<number>;
  faucet(
    address: ObjectId,
    amounts: { readonly suiMist?: bigint; readonly walFrost?: bigint },
  ): Promise<string>;
}

class ControlError extends FloeError<"CONTROL_REFUSED"> {
  readonly status: number;
  constructor(status: number, message: string) {
    super("CONTROL_REFUSED", message, { details: { status } });
    this.status = status;
  }
}

/** @throws the listen error */
export async function serveControl(
  network: Controlled,
  options: { readonly port: number; readonly onError: (error: unknown) => void },
): Promise<HttpServer> {
  const server: HttpServer = await serveFetch(
    async (request) => {
      try {
        checkCaller(request, new URL(server.url).host);
        return json(200, await dispatch(network, request));
      } catch (error) {
        return refusal(error, options.onError);
      }
    },
    { port: options.port, host: LOOPBACK, onError: options.onError },
  );
  return server;
}

function checkCaller(request: Request, authority: string): void {
  if (request.headers.get("host") !== authority) {
    throw new ControlError(403, `the Host header must be ${authority}`);
  }
  const origin = request.headers.get("origin");
  if (origin !== null && origin !== `http://${authority}`) {
    throw new ControlError(403, "requests from other origins are refused");
  }
}

function refusal(error: unknown, onError: (error: unknown) => void): Response {
  if (error instanceof ControlError) return json(error.status, { error: error.message });
  const isRefused =
    error instanceof FaultError ||
    error instanceof DistanceError ||
    error instanceof SuiFaultError ||
    error instanceof ProtocolError;
  if (isRefused) {
    return json(400, { error: error.message });
  }
  onError(error);
  return json(500, { error: error instanceof FloeError ? error.message : "internal error" });
}

const json = (status: number, value: unknown): Response =>
  new Response(JSON.stringify(value), {
    status,
    headers: { "content-type": "application/json", "cache-control": "no-store" },
  });

async function dispatch(network: Controlled, request: Request): Promise<unknown> {
  const { pathname } = new URL(request.url);
  const [, version, area, second, third, ...more] = pathname.split("/");
  if (version !== "v1" || more.length > 0) throw notFound(pathname);
  const call = area === "nodes" ? `nodes/*/${third}` : [area, second, third].filter(Boolean).join("/");
  switch (call) {
    case "network":
      allow(request, "GET");
      return network.file;
    case "nodes/*/fault": {
      const body = await posted(request);
      const node = knownNode(network, second);
      const { kind, ...rest } = body;
      if (kind === "distance") {
        network.setNodeDistance(node, parseDistance(rest, ["latencyMs", "bandwidth"]));
        return { node, kind };
      }
      const fault = parseNodeFault(body);
      network.setNodeFault(node, fault);
      return { node, kind: fault.kind };
    }
    case "distance": {
      const distance = parseDistance(await posted(request));
      network.setDistance(distance);
      return distance;
    }
    case "nodes/*/restart": {
      onlyFields(await posted(request), []);
      const node = knownNode(network, second);
      await network.restartNode(node);
      return { node };
    }
    case "sui/fault": {
      const fault = parseSuiFault(await posted(request));
      network.setSuiFault(fault);
      return { kind: fault.kind };
    }
    case "sui/price": {
      const body = await posted(request);
      onlyFields(body, ["storage", "write"]);
      const [storage, write] = [price(body, "storage"), price(body, "write")];
      network.setPrices({ storagePricePerUnit: storage, writePricePerUnit: write });
      return { storage: String(storage), write: String(write) };
    }
    case "epoch/advance":
      onlyFields(await posted(request), []);
      return { epoch: await network.advanceEpoch() };
    case "faucet": {
      const body = await posted(request);
      onlyFields(body, ["address", "suiMist", "walFrost"]);
      const address = parseObjectId(typeof body["address"] === "string" ? body["address"] : "");
      const amounts = { ...amount(body, "suiMist"), ...amount(body, "walFrost") };
      return { digest: await network.faucet(address, amounts) };
    }
    default:
      throw notFound(pathname);
  }
}

function knownNode(network: Controlled, name = ""): string {
  if (!network.hasNode(name)) throw new ControlError(404, `there is no node ${name.slice(0, 40)}`);
  return name;
}

const notFound = (pathname: string): ControlError =>
  new ControlError(404, `there is no ${pathname.slice(0, 80)}`);

function allow(request: Request, method: string): void {
  if (request.method !== method) throw new ControlError(405, `this call takes ${method}`);
}

type JsonObject = Readonly<Record<string, unknown>>;

/** The JSON object of a POST; a missing body reads as `{}`. */
async function posted(request: Request): Promise<JsonObject> {
  allow(request, "POST");
  const declared = Number(request.headers.get("content-length") ?? "0");
  if (declared > MAX_BODY_BYTES) throw new ControlError(413, `a body has at most ${MAX_BODY_BYTES} bytes`);
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of request.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_BODY_BYTES)
      throw new ControlError(413, `a body has at most ${MAX_BODY_BYTES} bytes`);
  }
  if (text === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new ControlError(400, "the body is no JSON object");
}

function onlyFields(body: JsonObject, allowed: readonly string[]): void {
  const unknown = Object.keys(body).find((field) => !allowed.includes(field));
  if (unknown !== undefined) throw new ControlError(400, `there is no field ${unknown.slice(0, 40)}`);
}

/** The API has fewer fields than the stand-in's own faults; what it has is passed on. */
function parseSuiFault(body: JsonObject): SuiFault {
  const count = (field: string) =>
    body[field] === undefined ? {} : { [field]: wholeNumber(body, field, 1_000_000) };
  switch (body["kind"]) {
    case "none":
      onlyFields(body, ["kind"]);
      return { kind: "none" };
    case "lag":
      onlyFields(body, ["kind", "checkpoints"]);
      return { kind: "lag", ...count("checkpoints") };
    case "congestion":
      onlyFields(body, ["kind", "count"]);
      return { kind: "congestion", ...count("count") };
    case "prune":
      onlyFields(body, ["kind", "before"]);
      return { kind: "prune", before: wholeNumber(body, "before", Number.MAX_SAFE_INTEGER) };
    case "error":
    case "lose-reply": {
      onlyFields(body, ["kind", "method", "count"]);
      const { kind, method } = body;
      if (method !== undefined && typeof method !== "string") {
        throw new ControlError(400, "method is the name of an RPC");
      }
      return { kind, ...(method === undefined ? {} : { method }), ...count("count") };
    }
    default:
      throw new ControlError(400, "kind is one of none, error, lose-reply, lag, congestion, prune");
  }
}

function wholeNumber(body: JsonObject, field: string, most: number): number {
  const value = body[field];
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > most) {
    throw new ControlError(400, `${field} is a whole number from 0 to ${most}`);
  }
  return value;
}

/**
 * No more than 10,000 WAL: the contract multiplies prices by a blob's units and epochs as u64, and a network whose
 * every purchase overflows is of no use.
 */
const MAX_PRICE = 10n ** 13n;

function price(body: JsonObject, field: "storage" | "write"): bigint {
  const value = body[field];
  const text = typeof value === "number" && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text !== "string" || !/^[0-9]{1,14}$/.test(text) || BigInt(text) > MAX_PRICE) {
    throw new ControlError(400, `${field} is a whole number of FROST up to ${MAX_PRICE}, as number or text`);
  }
  return BigInt(text);
}

/** Amounts are u64: a safe number, or decimal text. */
function amount<Field extends "suiMist" | "walFrost">(
  body: JsonObject,
  field: Field,
): { [F in Field]?: bigint } {
  const value = body[field];
  if (value === undefined) return {};
  const text = typeof value === "number" && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text !== "string" || !/^[0-9]{1,20}$/.test(text) || BigInt(text) >> 64n !== 0n) {
    throw new ControlError(400, `${field} is a whole number below 2^64, as number or text`);
  }
  // The computed key is exactly `field`.
  return { [field]: BigInt(text) } as { [F in Field]?: bigint };
}
