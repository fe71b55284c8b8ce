/**
 * A lane: an invocation that carries requests for another one, as long as that one's stream lasts.
 *
 * Requests come as frames and go out by this invocation's own carrier; answers return in the order in which they come.
 * When the stream ends, or breaks because the other side is gone, everything under way is ended too.
 */
import { type Carrier, CarrierError } from "../../shared/node/carrier.ts";
import { FrameWriter, type ReadBytes, readFrames } from "./frame-stream.ts";
import { answerFrame, failureFrame, parseToLane, type ToLane } from "./frames.ts";
import { LANE_LIMITS } from "./limits.ts";

/** Serves until the input ends. Never rejects for what the other side does. */
export async function serveLane(
  carrier: Carrier,
  input: ReadBytes,
  output: WritableStream<Uint8Array>,
): Promise<void> {
  const ended = new AbortController();
  const writer = new FrameWriter(output, (error) => ended.abort(error));
  const underWay = new Map<number, AbortController>();
  const exchanges = new Set<Promise<void>>();

  // Answers to uploads gather for a moment; whoever asked a question waits for its answer.
  const gathered: Uint8Array[] = [];
  const flush = (): void => {
    for (const frame of gathered.splice(0)) writer.send(frame);
  };
  const answered = (frame: Uint8Array, isUpload: boolean): void => {
    gathered.push(frame);
    if (!isUpload || gathered.length >= LANE_LIMITS.answersPerWrite || underWay.size === 0) flush();
    else if (gathered.length === 1) carrier.clock.sleep(LANE_LIMITS.answersGatherMs).then(flush, flush);
  };

  const exchange = async ({ id, request }: Extract<ToLane, { kind: "request" }>): Promise<void> => {
    const cancel = new AbortController();
    underWay.set(id, cancel);
    const isUpload = request.method === "PUT";
    try {
      const answer = await carrier.carry(request, { signal: cancel.signal });
      underWay.delete(id);
      answered(answerFrame(id, answer), isUpload);
    } catch (error) {
      underWay.delete(id);
      if (error instanceof CarrierError) answered(failureFrame(id, error), isUpload);
      else if (cancel.signal.aborted) answered(failureFrame(id, undefined), false);
      // A bug: the other side gives the lane up and repeats what was under way without it.
      else ended.abort(error);
    }
  };
  const stopAll = (reason: unknown): void => {
    for (const cancel of underWay.values()) cancel.abort(reason);
  };
  const end = (): void => {
    stopAll(ended.signal.reason);
    // The end of the answers is how the other side learns of it.
    writer.close();
  };
  ended.signal.addEventListener("abort", end, { once: true });
  try {
    await readFrames(input, (bytes) => {
      const frame = parseToLane(bytes);
      if (frame.kind === "cancel") {
        underWay.get(frame.id)?.abort(new Error("cancelled"));
        return;
      }
      const work = exchange(frame);
      exchanges.add(work);
      void work.finally(() => exchanges.delete(work));
    });
  } catch (error) {
    ended.abort(error);
  }
  // No more requests, and no reader for answers either: the invocation closes its lanes when nothing is under way.
  stopAll(new Error("the lane has ended"));
  await Promise.all(exchanges);
  flush();
  writer.close();
}
