/** Fills an encoder from a file or standard input. */
import { nodeCodec } from "../../host/codec.ts";
import { type Input, openInput } from "../../host/input.ts";
import type { BlobEncoder } from "../../shared/codec/codec.ts";
import { Progress } from "../progress.ts";

/** Runs `work` on an encoder that holds the whole input. Peak memory: 1.5 times the input, more for standard input. */
export async function withEncoder<Result>(
  path: string,
  nShards: number,
  isQuiet: boolean,
  work: (encoder: BlobEncoder) => Result | Promise<Result>,
): Promise<Result> {
  const codec = await nodeCodec();
  const input = await openInput(path);
  const encoder = codec.openEncoder(nShards, input.length);
  try {
    await fill(encoder, input, isQuiet);
    return await work(encoder);
  } finally {
    encoder.release();
  }
}

async function fill(encoder: BlobEncoder, input: Input, isQuiet: boolean): Promise<void> {
  const progress = new Progress("reading", isQuiet);
  let written = 0;
  for await (const chunk of input.chunks()) {
    encoder.write(chunk);
    written += chunk.length;
    progress.update(written, input.length);
  }
}
