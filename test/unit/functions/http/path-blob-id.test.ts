// If this fails, a bug of ours is answered as the client's mistake, and nobody learns of it.
import { describe, expect, it } from "vitest";
import { parsePathBlobId } from "../../../../functions/http/path-blob-id.ts";

const CANONICAL = `${"A".repeat(42)}A`;

describe("a blob ID in a path", () => {
  it("is taken in its canonical spelling alone", () => {
    expect(parsePathBlobId(CANONICAL)).toBe(CANONICAL);
    for (const other of ["", `${CANONICAL}=`, CANONICAL.slice(1), `${"A".repeat(42)}B`, "../status"]) {
      expect(() => parsePathBlobId(other)).toThrow(
        expect.objectContaining({ name: "EdgeError", code: "INVALID_PATH" }),
      );
    }
  });

  it("is not blamed for a failure that is not about its spelling", () => {
    // Only a bug hands over something that is no text.
    expect(() => parsePathBlobId(null as unknown as string)).toThrow(TypeError);
  });
});
