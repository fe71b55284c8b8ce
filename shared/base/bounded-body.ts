/** Bodies of unknown length, up to a limit. */

/**
 * Reads a body of at most `maxBytes`; at most one chunk more is taken from the stream, and the rest cancelled.
 *
 * @throws what `tooLong` makes (told the bytes seen), and what the stream itself fails with
 */
export async function readBounded(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
  tooLong: (seenBytes: number) => Error,
): Promise<Uint8Array<ArrayBuffer>> {
  if (body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > maxBytes) {
      // Nobody waits for the rest: a connection that is gone already is as good as a cancelled one.
      reader.cancel().catch(() => {});
      throw tooLong(length);
    }
    chunks.push(value);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
