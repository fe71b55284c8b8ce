/** Claims every strict parser of outside bytes must meet. */
import { expect } from "vitest";
import { ProtocolError } from "../../shared/base/errors.ts";

/** Cutting the bytes anywhere is refused as malformed, and one more byte as trailing; neither crashes. */
export function expectExactLength(valid: Uint8Array, parse: (bytes: Uint8Array) => unknown): void {
  parse(valid);
  for (let length = 0; length < valid.length; length++) {
    expect(() => parse(valid.subarray(0, length)), `cut to ${length} of ${valid.length} bytes`).toThrow(
      ProtocolError,
    );
  }
  expect(() => parse(Uint8Array.of(...valid, 0))).toThrow(
    expect.objectContaining({ code: "TRAILING_BYTES" }),
  );
}

export const protocolError = (code: string, details: Record<string, unknown> = {}) =>
  expect.objectContaining({ name: "ProtocolError", code, details: expect.objectContaining(details) });
