// If this fails, the Move tests prove something about other bytes than our codec makes.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createReferenceCodec } from "../../../shared/codec/reference-codec.ts";
import { readVectors } from "../../support/vectors.ts";
import { type DrawVector, largeVectors, smallVectors } from "./vectors-module.ts";

const TESTS = join(import.meta.dirname, "../../../move/floe_audit/tests");
const IS_WRITING = process.env["FLOE_WRITE_VECTORS"] === "1";
const IS_LONG = process.env["FLOE_LONG"] === "1";

/** With FLOE_WRITE_VECTORS=1 the file is written instead of compared. */
function check(file: string, text: string): void {
  if (IS_WRITING) writeFileSync(join(TESTS, file), text);
  // Not `toEqual` on the text: a difference would print it whole.
  expect(readFileSync(join(TESTS, file), "utf8") === text, `${file} is out of date`).toBe(true);
}

describe("vectors of the Move tests", () => {
  it("are those our codec and selection make at ten shards", () => {
    const { cases } = readVectors<{ cases: DrawVector[] }>("audit-select.json");
    check("vectors.move", smallVectors(createReferenceCodec(), cases));
  });

  it.skipIf(!IS_LONG && !IS_WRITING)("are those our codec makes at a thousand shards", () => {
    check("vectors_1000.move", largeVectors(createReferenceCodec()));
  });
});
