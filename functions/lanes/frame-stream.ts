/** Frames over a pair of byte streams: what is ready at one time travels in one write. */
import { FrameCutter, joined } from "./frames.ts";
import { LANE_LIMITS } from "./limits.ts";

/** Bytes one after the other; undefined: the end. Rejects when the stream breaks. */
export type ReadBytes = () => Promise<Uint8Array | undefined>;

/** Hands every frame to `take`, in order, until the stream ends. @throws FrameError, what the stream breaks with */
export async function readFrames(read: ReadBytes, take: (frame: Uint8Array) => void): Promise<void> {
  const cutter = new FrameCutter();
  for (let chunk = await read(); chunk !== undefined; chunk = await read()) {
    for (const frame of cutter.add(chunk)) take(frame);
  }
}

/** The writing end. Frames wait here while the stream is full; what bounds them is the number of requests in a lane. */
export class FrameWriter {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #onBroken: (error: unknown) => void;
  #waiting: Uint8Array[] = [];
  #isWriting = false;
  #isClosing = false;

  /** @param onBroken called once when the stream cannot be written any more */
  constructor(stream: WritableStream<Uint8Array>, onBroken: (error: unknown) => void) {
    this.#writer = stream.getWriter();
    this.#onBroken = onBroken;
    this.#writer.closed.catch(() => {}); // Told by the write that fails, or not needed any more.
  }

  send(frame: Uint8Array): void {
    if (this.#isClosing) return;
    this.#waiting.push(frame);
    if (!this.#isWriting) void this.#write();
  }

  /** Ends the stream after the frames that wait. */
  close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    if (!this.#isWriting) void this.#write();
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    try {
      // A turn's frames are gathered first.
      await Promise.resolve();
      while (this.#waiting.length > 0) await this.#writer.write(this.#next());
      if (this.#isClosing) await this.#writer.close();
    } catch (error) {
      this.#isClosing = true;
      this.#waiting = [];
      this.#onBroken(error);
    } finally {
      this.#isWriting = false;
    }
  }

  #next(): Uint8Array {
    let bytes = 0;
    let count = 0;
    for (const frame of this.#waiting) {
      if (count > 0 && bytes + frame.length > LANE_LIMITS.writeBytes) break;
      bytes += frame.length;
      count++;
    }
    const frames = this.#waiting.splice(0, count);
    return frames.length === 1 ? (frames[0] ?? new Uint8Array()) : joined(frames);
  }
}
