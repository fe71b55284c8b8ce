/** HTTP written by hand over a socket: requests that no client library would send. */
import { connect } from "node:net";

export interface RawAnswer {
  /** 0 when the connection was closed without an answer. */
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export interface RawOptions {
  /** Ends our side of the connection after sending; by default it stays open until the answer has come. */
  readonly hangUp?: boolean;
  readonly timeoutMs?: number;
}

const WAIT_MS = 60_000;

/**
 * Sends `bytes` as they are and reads one answer.
 *
 * @throws Error when nothing comes for `timeoutMs` although the connection is open
 */
export function sendRaw(url: string, bytes: Buffer, options: RawOptions = {}): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    const hasNoBody = bytes.toString("latin1", 0, 5) === "HEAD ";
    let received = Buffer.alloc(0);
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no answer; so far: ${received.toString("latin1").slice(0, 200)}`));
    }, options.timeoutMs ?? WAIT_MS);
    const finish = (answer: RawAnswer): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    socket.on("connect", () => {
      if (options.hangUp === true) socket.end(bytes);
      else socket.write(bytes);
    });
    socket.on("data", (data) => {
      received = Buffer.concat([received, data]);
      const answer = parseAnswer(received, hasNoBody);
      if (answer !== undefined) finish(answer);
    });
    socket.on("close", () => finish(parseAnswer(received, true) ?? CLOSED));
    socket.on("error", () => {}); // A reset connection closes next; what came before it counts.
  });
}

const CLOSED: RawAnswer = { status: 0, headers: new Map(), body: "" };

/** @param isComplete nothing more will come that belongs to this answer */
function parseAnswer(bytes: Buffer, isComplete: boolean): RawAnswer | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [statusLine = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const status = Number(statusLine.split(" ")[1]);
  // An interim answer precedes the real one.
  if (status === 100) return parseAnswer(bytes.subarray(end + 4), isComplete);
  const headers = new Map(
    lines.map((line): [string, string] => {
      const at = line.indexOf(":");
      return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()];
    }),
  );
  const body = bytes.subarray(end + 4);
  const length = headers.get("content-length");
  const isWhole =
    isComplete ||
    (length !== undefined && body.length >= Number(length)) ||
    (headers.get("transfer-encoding") === "chunked" && body.includes("0\r\n\r\n")) ||
    status === 204 ||
    status === 304;
  return isWhole ? { status, headers, body: body.toString("utf8") } : undefined;
}
