/**
 * Memory of an isolate in workerd, over its inspector: JavaScript heap plus the backing stores of array buffers, which
 * is what the platform's limit counts beside WebAssembly memories. Garbage counts until it is collected, and when that
 * is depends on the machine; so where it would decide it is collected first.
 */
import { setTimeout as sleep } from "node:timers/promises";

export interface HeapWatch {
  readonly peakBytes: number;
  readonly lastBytes: number;
  readonly samples: number;
  readonly collections: number;
  stop(): void;
}

const POLL_MS = 5;

/**
 * @param url of the inspector, `EdgeRuntime.inspectorUrl`
 * @param collectAboveBytes of what is found above this, only what a collection leaves counts
 */
export async function watchHeap(url: string, collectAboveBytes: number): Promise<HeapWatch> {
  // Node's own, by the standard interface; the declarations in force are those of Workers.
  const socket = new WebSocket(url) as unknown as EventTarget & {
    readonly readyState: number;
    send(text: string): void;
    close(): void;
  };
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("error", () => reject(new Error(`no inspector at ${url}`)));
  });
  const watch = { peakBytes: 0, lastBytes: 0, samples: 0, collections: 0, isStopped: false };
  const answers = new Map<number, (bytes: number) => void>();
  socket.addEventListener("message", (event) => {
    const { id, result } = JSON.parse(String((event as MessageEvent).data)) as {
      id?: number;
      result?: { usedSize?: number; backingStorageSize?: number };
    };
    if (id === undefined) return;
    answers.get(id)?.((result?.usedSize ?? 0) + (result?.backingStorageSize ?? 0));
    answers.delete(id);
  });
  let id = 0;
  const ask = (method: string): Promise<number> => {
    id++;
    const answer = new Promise<number>((resolve) => answers.set(id, resolve));
    socket.send(JSON.stringify({ id, method }));
    return answer;
  };
  const poll = async (): Promise<void> => {
    while (!watch.isStopped && socket.readyState === WebSocket.OPEN) {
      // A computation holds the answer up; the next question waits for it.
      let bytes = await ask("Runtime.getHeapUsage");
      if (bytes > collectAboveBytes) {
        await ask("HeapProfiler.collectGarbage");
        bytes = await ask("Runtime.getHeapUsage");
        watch.collections++;
      }
      watch.lastBytes = bytes;
      watch.peakBytes = Math.max(watch.peakBytes, watch.lastBytes);
      watch.samples++;
      await sleep(POLL_MS);
    }
    socket.close();
  };
  void poll();
  return {
    get peakBytes() {
      return watch.peakBytes;
    },
    get lastBytes() {
      return watch.lastBytes;
    },
    get samples() {
      return watch.samples;
    },
    get collections() {
      return watch.collections;
    },
    stop: () => {
      watch.isStopped = true;
    },
  };
}
