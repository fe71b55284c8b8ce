/** Staged copies in an R2 bucket: one object per copy, written with its length, so that a broken write leaves nothing. */
import type { Gate } from "../../shared/base/gate.ts";
import type { StagedObjects } from "./staged-objects.ts";

/** Each call holds a connection, so each goes through the invocation's gate. */
export function stagedObjects(bucket: R2Bucket, gate: Pick<Gate, "run">): StagedObjects {
  return {
    put: (key, bytes, pieces) =>
      gate.run(async () => {
        if (bytes === 0) {
          await bucket.put(key, new Uint8Array(0));
          return;
        }
        const { readable, writable } = new FixedLengthStream(bytes);
        const written = write(writable, pieces);
        // When the bucket fails first, the writer's end follows from it.
        written.catch(() => {});
        await bucket.put(key, readable);
        await written;
      }),
    get: (key) => gate.run(async () => (await bucket.get(key))?.body),
    delete: (keys) => gate.run(() => bucket.delete([...keys])),
  };
}

async function write(writable: WritableStream<Uint8Array>, pieces: Iterable<Uint8Array>): Promise<void> {
  const writer = writable.getWriter();
  for (const piece of pieces) await writer.write(piece);
  await writer.close();
}
