// If this fails, the README shows a picture that is not the one its text describes.
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { draw } from "../../../scripts/draw.ts";

const docs = join(resolve(import.meta.dirname, "../../.."), "docs");
const TWO_BOXES = `size 300 200
box a floe 10,10 100x50: A
box b walrus 180,10 100x50: B | x < y & z`;

describe("docs/floe.svg", () => {
  it("is what docs/picture.txt draws", () => {
    const drawn = draw(readFileSync(join(docs, "picture.txt"), "utf8"));
    expect(readFileSync(join(docs, "floe.svg"), "utf8"), "run scripts/draw.ts").toBe(drawn);
  });

  it("shows every text, with the signs that SVG reserves written out", () => {
    const drawn = draw(`${TWO_BOXES}\narrow a <-> b: there | back\nnote 10,190: below`);
    for (const text of [">A<", ">B<", "x &lt; y &amp; z", ">there<", ">back<", ">below<"])
      expect(drawn).toContain(text);
    expect(drawn.match(/class="head"/g)).toHaveLength(2);
  });
});

describe("a line that cannot be drawn", () => {
  it.each([
    ["line 4 is no size", "circle 10,10"],
    ["line 4: no kind of box is called blue", "box c blue 1,1 2x2: C"],
    ["line 4: there is a box a already", "box a floe 1,1 2x2: A"],
    ["line 4: no box above it is called c", "arrow a -> c: x"],
    ["line 5: a and c do not face each other", "box c floe 200,100 50x50: C\narrow a -> c: x"],
  ])("is named: %s", (message, line) => {
    expect(() => draw(`${TWO_BOXES}\n${line}`)).toThrow(message);
  });

  it("needs a size before it can be drawn at all", () => {
    expect(() => draw("box a floe 10,10 100x50: A")).toThrow("has no size");
  });
});
