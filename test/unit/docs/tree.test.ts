// If this fails, docs/architecture.md shows newcomers a tree that is not the one they have in front of them.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../../..");

/** Below these only the first level is rooms; what is deeper mirrors other folders, or is a Move package. */
const SHALLOW = ["test", "move"];

/** Every folder with a file in it, outside of what git ignores and of hidden folders: `functions`, `functions/read`, ... */
function roomsThere(): string[] {
  const ignored = readFileSync(join(root, ".gitignore"), "utf8")
    .split("\n")
    .filter((line) => line.endsWith("/"))
    .map((line) => line.slice(0, -1));
  const rooms: string[] = [];
  const visit = (folder: string): boolean => {
    const entries = readdirSync(join(root, folder), { withFileTypes: true });
    let hasFile = entries.some((entry) => entry.isFile());
    for (const entry of entries) {
      if (!entry.isDirectory() || entry.name.startsWith(".") || ignored.includes(entry.name)) continue;
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (!visit(path)) continue;
      hasFile = true;
      const [top = "", ...below] = path.split("/");
      if (!SHALLOW.includes(top) || below.length <= 1) rooms.push(path);
    }
    return hasFile;
  };
  visit("");
  return rooms.sort();
}

/** The folders that the tree names: two spaces more are one level deeper. */
function roomsNamed(page: string): string[] {
  const [, tree = ""] = /^## The tree\n[\s\S]*?^```\n([\s\S]*?)^```$/m.exec(page) ?? [];
  const above: string[] = [];
  return tree
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [, indent = "", name] = /^((?: {2})*)([a-z0-9_-]+)\/ +\S/.exec(line) ?? [];
      if (name === undefined) throw new Error(`no folder with its meaning: ${line}`);
      above.splice(indent.length / 2);
      above.push(name);
      return above.join("/");
    });
}

describe("the tree in docs/architecture.md", () => {
  const page = readFileSync(join(root, "docs/architecture.md"), "utf8");

  it("names every room that there is, and none that there is not", () => {
    expect(roomsThere().length).toBeGreaterThan(50);
    expect([...roomsNamed(page)].sort()).toEqual(roomsThere());
  });

  it("is read by its indentation", () => {
    const tree = "## The tree\n\n```\na/   x\n  b/   x\n    c/ x\n  d/   x\ne/   x\n```\n";
    expect(roomsNamed(tree)).toEqual(["a", "a/b", "a/b/c", "a/d", "e"]);
    expect(() => roomsNamed("## The tree\n```\na/   x\n   b/   x\n```\n")).toThrow("no folder");
  });
});
