/** Lanes in memory: `serveLane` behind a pair of streams, on scripted nodes; each can be killed at any frame. */

import type { ReadBytes } from "../../../functions/lanes/frame-stream.ts";
import { FrameCutter } from "../../../functions/lanes/frames.ts";
import type { LaneChannel } from "../../../functions/lanes/open-lane.ts";
import { serveLane } from "../../../functions/lanes/serve-lane.ts";
import { Gate, INVOCATION_REQUESTS } from "../../../shared/base/gate.ts";
import type { Carrier } from "../../../shared/node/carrier.ts";
import { DirectCarrier } from "../../../shared/node/direct-carrier.ts";
import type { ScriptedNodes } from "./scripted-nodes.ts";

/** When a lane dies: after so many frames of one direction, or in the middle of the next one. */
export interface Death {
  readonly direction: "to-lane" | "from-lane";
  readonly frames: number;
  readonly midFrame: boolean;
}

/** One lane. What it sent is by method and URL, in order. */
export interface MemoryLane {
  readonly sent: readonly string[];
  readonly gate: Gate;
  isKilled: boolean;
  /** `serveLane` has returned. */
  isOver: boolean;
}

export class MemoryLanes {
  readonly lanes: MemoryLane[] = [];
  readonly #nodes: ScriptedNodes;
  readonly #death: (lane: number) => Death | undefined;

  /** @param death of the lane with this number, from 0 */
  constructor(nodes: ScriptedNodes, death: (lane: number) => Death | undefined = () => undefined) {
    this.#nodes = nodes;
    this.#death = death;
  }

  /** As `LaneCarrierOptions` takes it. */
  readonly open = (): LaneChannel => {
    const sent: string[] = [];
    const gate = new Gate(INVOCATION_REQUESTS);
    const lane: MemoryLane = { sent, gate, isKilled: false, isOver: false };
    const { clock, randomBytes } = this.#nodes.services().transport;
    const fetch = (request: Request): Promise<Response> => {
      sent.push(`${request.method} ${request.url}`);
      return this.#nodes.fetch(request);
    };
    const death = this.#death(this.lanes.length);
    this.lanes.push(lane);
    const pair = channelPair(death, () => {
      lane.isKilled = true;
    });
    const carrier = new DirectCarrier({ fetch, clock, randomBytes, gate });
    void serveLane(carrier, pair.input, pair.output).then(() => {
      lane.isOver = true;
    });
    return pair.channel;
  };
}

/** A lane of any carrier. @returns the opener's end, and when `serveLane` returns */
export function laneOn(carrier: Carrier): { channel: LaneChannel; over: Promise<void> } {
  const { channel, input, output } = channelPair();
  return { channel, over: serveLane(carrier, input, output) };
}

interface Pair {
  readonly channel: LaneChannel;
  readonly input: ReadBytes;
  readonly output: WritableStream<Uint8Array>;
}

/** Both directions of a lane. When the death comes, both break at both ends, as they do when an invocation dies. */
export function channelPair(death?: Death, onDeath: () => void = () => {}): Pair {
  const toLane = pipe();
  const fromLane = pipe();
  const kill = (): void => {
    onDeath();
    for (const each of [toLane, fromLane]) each.break(new Error("the lane died"));
  };
  const dying = (direction: Death["direction"], read: ReadBytes): ReadBytes =>
    death?.direction === direction ? readUntil(death, read, kill) : read;
  return {
    channel: { input: toLane.writable, output: dying("from-lane", fromLane.read) },
    input: dying("to-lane", toLane.read),
    output: fromLane.writable,
  };
}

function pipe() {
  let controller: TransformStreamDefaultController<Uint8Array> | undefined;
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>({
    start: (own) => {
      controller = own;
    },
    // The writer may use its buffer again once the write is done.
    transform: (piece, own) => own.enqueue(piece.slice()),
  });
  return { writable, read: reader(readable), break: (error: Error) => controller?.error(error) };
}

export function reader(stream: ReadableStream<Uint8Array>): ReadBytes {
  const own = stream.getReader();
  return async () => (await own.read()).value;
}

/** Frame by frame, until the stream breaks at the chosen place. */
function readUntil({ frames, midFrame }: Death, read: ReadBytes, kill: () => void): ReadBytes {
  const cutter = new FrameCutter();
  const ready: Uint8Array[] = [];
  let passed = 0;
  let isHalf = false;
  const die = (): never => {
    kill();
    throw new Error("the lane died");
  };
  return async () => {
    if (isHalf || (passed === frames && !midFrame)) die();
    while (ready.length === 0) {
      const chunk = await read();
      if (chunk === undefined) return undefined;
      for (const frame of cutter.add(chunk)) ready.push(frame.slice());
    }
    const next = ready.shift();
    if (passed++ < frames || next === undefined) return next;
    isHalf = true;
    return next.subarray(0, next.length >> 1);
  };
}
