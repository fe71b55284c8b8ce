/**
 * Draws docs/floe.svg, the picture of the README, from docs/picture.txt.
 *
 * The text says what stands where; this file says what it looks like. The picture has a ground of its own and two sets
 * of colours, so that it can be read on a light page and on a dark one.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
const HELP = `usage: node scripts/bootstrap.mjs scripts/draw.ts

Draws docs/floe.svg from docs/picture.txt, which explains its own lines.`;

const KINDS = ["floe", "walrus", "outside"] as const;
type Kind = (typeof KINDS)[number];

interface Box {
  readonly name: string;
  readonly kind: Kind;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  /** The first is the title. */
  readonly texts: readonly string[];
}

interface Arrow {
  readonly from: Box;
  readonly to: Box;
  readonly pointsBack: boolean;
  readonly texts: readonly string[];
}

interface Point {
  readonly x: number;
  readonly y: number;
}

interface Picture {
  readonly width: number;
  readonly height: number;
  readonly boxes: readonly Box[];
  readonly arrows: readonly Arrow[];
  readonly notes: readonly (Point & { readonly text: string })[];
}

const STYLE = `
  .ground { fill: #ffffff; stroke: #d0d7de; }
  text { font: 15px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #1f2328; }
  .title { font-weight: 600; font-size: 17px; }
  .label, .note { font-size: 14px; fill: #57606a; }
  .floe { fill: #ddf4ff; stroke: #0969da; }
  .walrus { fill: #fff1e5; stroke: #bc4c00; }
  .outside { fill: #f6f8fa; stroke: #8c959f; }
  .line { stroke: #57606a; stroke-width: 1.6; fill: none; }
  .head { fill: #57606a; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; stroke: #30363d; }
    text { fill: #e6edf3; }
    .label, .note { fill: #9da7b3; }
    .floe { fill: #0c2d4d; stroke: #58a6ff; }
    .walrus { fill: #3d2110; stroke: #f0883e; }
    .outside { fill: #161b22; stroke: #6e7681; }
    .line { stroke: #9da7b3; }
    .head { fill: #9da7b3; }
  }
`;
const TITLE_HEIGHT = 24;
const LINE_HEIGHT = 20;
/** From the lower edge of a line of text to its baseline. */
const DESCENT = 6;
const HEAD_LENGTH = 9;
const HEAD_HALF_WIDTH = 4.5;
const LABEL_GAP = 8;

/**
 * @param text what docs/picture.txt holds
 * @returns the SVG, the same bytes for the same text
 * @throws Error naming the line that cannot be read, or that joins boxes which do not face each other
 */
export function draw(text: string): string {
  const { width, height, boxes, arrows, notes } = parsePicture(text);
  const titles = boxes.map(({ texts }) => texts[0] ?? "").join(", ");
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escapeXml(titles)}</title>`,
    `<style>${STYLE}</style>`,
    `<rect class="ground" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="10"/>`,
    ...arrows.flatMap(drawArrow),
    ...boxes.flatMap(drawBox),
    ...notes.map(({ x, y, text: note }) => drawText(note, "note", { x, y }, "start")),
    "</svg>",
    "",
  ].join("\n");
}

function parsePicture(text: string): Picture {
  let size: Point | undefined;
  const boxes = new Map<string, Box>();
  const arrows: Arrow[] = [];
  const notes: (Point & { text: string })[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const where = `picture.txt, line ${index + 1}`;
    const box = /^box +(\w+) +(\w+) +(\d+),(\d+) +(\d+)x(\d+): +(.+)$/.exec(line);
    const arrow = /^arrow +(\w+) +(->|<->) +(\w+): +(.+)$/.exec(line);
    const note = /^note +(\d+),(\d+): +(.+)$/.exec(line);
    const wholeSize = /^size +(\d+) +(\d+)$/.exec(line);
    if (box !== null) {
      const [, name = "", kindText = "", left, top, width, height, texts = ""] = box;
      const kind = KINDS.find((each) => each === kindText);
      if (kind === undefined) throw new Error(`${where}: no kind of box is called ${kindText}`);
      if (boxes.has(name)) throw new Error(`${where}: there is a box ${name} already`);
      boxes.set(name, {
        ...{ name, kind, left: Number(left), top: Number(top) },
        ...{ width: Number(width), height: Number(height), texts: partsOf(texts) },
      });
    } else if (arrow !== null) {
      const [, from = "", way, to = "", texts = ""] = arrow;
      const [start, end] = [boxes.get(from), boxes.get(to)];
      if (start === undefined || end === undefined)
        throw new Error(`${where}: no box above it is called ${start === undefined ? from : to}`);
      if (linesUp(start, end) === undefined)
        throw new Error(`${where}: ${from} and ${to} do not face each other`);
      arrows.push({ from: start, to: end, pointsBack: way === "<->", texts: partsOf(texts) });
    } else if (note !== null) {
      notes.push({ x: Number(note[1]), y: Number(note[2]), text: note[3] ?? "" });
    } else if (wholeSize !== null) {
      size = { x: Number(wholeSize[1]), y: Number(wholeSize[2]) };
    } else {
      throw new Error(`${where} is no size, box, arrow or note: ${line}`);
    }
  }
  if (size === undefined) throw new Error("picture.txt has no size");
  return { width: size.x, height: size.y, boxes: [...boxes.values()], arrows, notes };
}

const partsOf = (texts: string): string[] => texts.split("|").map((each) => each.trim());

function drawBox({ kind, left, top, width, height, texts }: Box): string[] {
  const [title = "", ...lines] = texts;
  const x = left + width / 2;
  const first = top + (height - TITLE_HEIGHT - LINE_HEIGHT * lines.length) / 2 + TITLE_HEIGHT - DESCENT;
  return [
    `<rect class="${kind}" x="${left}" y="${top}" width="${width}" height="${height}" rx="8"/>`,
    drawText(title, "title", { x, y: first }),
    ...lines
      .map((line, at) => ({ line, y: first + LINE_HEIGHT * (at + 1) }))
      .filter(({ line }) => line !== "")
      .map(({ line, y }) => drawText(line, "body", { x, y })),
  ];
}

function drawArrow({ from, to, pointsBack, texts }: Arrow): string[] {
  const ends = linesUp(from, to);
  if (ends === undefined) throw new Error(`${from.name} and ${to.name} do not face each other`);
  const { start, end } = ends;
  const middle = { x: (start.x + end.x) / 2, y: (start.y + end.y) / 2 };
  const [one = "", other = ""] = texts;
  const labels =
    start.y === end.y
      ? [
          drawText(one, "label", { x: middle.x, y: middle.y - LABEL_GAP }),
          drawText(other, "label", { x: middle.x, y: middle.y + LABEL_GAP + LINE_HEIGHT - DESCENT }),
        ]
      : [
          drawText(one, "label", { x: middle.x + LABEL_GAP, y: middle.y + DESCENT - 1 }, "start"),
          drawText(other, "label", { x: middle.x - LABEL_GAP, y: middle.y + DESCENT - 1 }, "end"),
        ];
  return [
    `<path class="line" d="M${start.x} ${start.y}L${end.x} ${end.y}"/>`,
    drawHead(start, end),
    ...(pointsBack ? [drawHead(end, start)] : []),
    ...labels.filter((label) => label !== ""),
  ];
}

/** The straight line between the sides on which two boxes face each other, in the middle of what they share. */
function linesUp(from: Box, to: Box): { start: Point; end: Point } | undefined {
  const y = middleOfShared(from.top, from.height, to.top, to.height);
  const x = middleOfShared(from.left, from.width, to.left, to.width);
  if (x === undefined && y === undefined) return undefined;
  if (y !== undefined) {
    const isRightwards = from.left < to.left;
    const start = { x: isRightwards ? from.left + from.width : from.left, y };
    return { start, end: { x: isRightwards ? to.left : to.left + to.width, y } };
  }
  if (x === undefined) return undefined;
  const isDownwards = from.top < to.top;
  const start = { x, y: isDownwards ? from.top + from.height : from.top };
  return { start, end: { x, y: isDownwards ? to.top : to.top + to.height } };
}

function middleOfShared(a: number, aLength: number, b: number, bLength: number): number | undefined {
  const [low, high] = [Math.max(a, b), Math.min(a + aLength, b + bLength)];
  return low < high ? (low + high) / 2 : undefined;
}

function drawHead(from: Point, tip: Point): string {
  const length = Math.hypot(tip.x - from.x, tip.y - from.y);
  const [dx, dy] = [(tip.x - from.x) / length, (tip.y - from.y) / length];
  const back = { x: tip.x - dx * HEAD_LENGTH, y: tip.y - dy * HEAD_LENGTH };
  const [sideX, sideY] = [-dy * HEAD_HALF_WIDTH, dx * HEAD_HALF_WIDTH];
  const corners = [tip, { x: back.x + sideX, y: back.y + sideY }, { x: back.x - sideX, y: back.y - sideY }];
  return `<path class="head" d="M${corners.map(({ x, y }) => `${x} ${y}`).join("L")}Z"/>`;
}

function drawText(
  text: string,
  style: string,
  at: Point,
  anchor: "start" | "middle" | "end" = "middle",
): string {
  if (text === "") return "";
  return `<text class="${style}" x="${at.x}" y="${at.y}" text-anchor="${anchor}">${escapeXml(text)}</text>`;
}

const escapeXml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

if (process.argv[1] === import.meta.filename) {
  if (process.argv.includes("--help")) {
    console.log(HELP);
  } else {
    writeFileSync(
      join(ROOT, "docs", "floe.svg"),
      draw(readFileSync(join(ROOT, "docs", "picture.txt"), "utf8")),
    );
    console.log("docs/floe.svg");
  }
}
