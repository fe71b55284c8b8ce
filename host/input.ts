/** Files that commands read, and standard input in the place of a file. */
import { closeSync, createReadStream, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { UsageError } from "./usage-error.ts";

/** Names of standard input: opening one may fail where reading descriptor 0 works, as with a socket. */
const STANDARD_INPUT = new Set(["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"]);
const STANDARD_INPUT_FD = 0;
const READ_BYTES = 64 * 1024;
/** Between two looks at an input that has nothing to give yet. */
const RETRY_MS = 10;

export const isStandardInput = (path: string): boolean => STANDARD_INPUT.has(path);

/**
 * All of a file, or of standard input for `-`. Waits for the end of the input.
 *
 * @throws the system's error when it cannot be read
 */
export function readInput(path: string): Buffer {
  if (!isStandardInput(path)) return readFileSync(path);
  const parts: Buffer[] = [];
  for (;;) {
    const part = Buffer.alloc(READ_BYTES);
    const length = readSome(part);
    if (length === 0) return Buffer.concat(parts);
    parts.push(part.subarray(0, length));
  }
}

/** @returns bytes read; 0 at the end of the input */
function readSome(into: Buffer): number {
  for (;;) {
    try {
      return readSync(STANDARD_INPUT_FD, into);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Windows ends a pipe with an error.
      if (code === "EOF") return 0;
      // Another process may have set the shared end of a terminal or pipe to non-blocking.
      if (code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}

export interface Input {
  /** Bytes. */
  readonly length: number;
  chunks(): AsyncIterable<Uint8Array>;
}

/**
 * A file, read as it is needed. Standard input and pipes are held whole, because their length is not known before.
 *
 * @throws UsageError for a folder, the system's error when it cannot be read
 */
export async function openInput(path: string): Promise<Input> {
  if (isStandardInput(path)) return held(process.stdin);
  const fd = openSync(path, "r");
  const stats = fstatSync(fd);
  const stream = () => createReadStream(path, { fd, highWaterMark: 1 << 20 });
  if (stats.isDirectory()) {
    closeSync(fd);
    throw new UsageError(`${path} is a folder`);
  }
  return stats.isFile() ? { length: stats.size, chunks: stream } : held(stream());
}

async function held(stream: AsyncIterable<Buffer | string>): Promise<Input> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(Buffer.from(part));
  return {
    length: parts.reduce((sum, part) => sum + part.length, 0),
    async *chunks() {
      yield* parts;
    },
  };
}
