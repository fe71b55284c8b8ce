// If this fails, a document sends its reader to a file, a page, a command or a setting that is not there.
import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../../..");
const textOf = (path: string): string => readFileSync(join(root, path), "utf8");

const pages = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].concat(
  readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
);
const parts = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !/^(\.|node_modules$|build$|dist$)/.test(entry.name))
  .map(({ name }) => name);

/** What stands in backticks and begins like a path from the root: `shared/base`, `cli/main.ts`, `wrangler.toml`. */
function namedPaths(text: string): string[] {
  const spans = [...text.matchAll(/`([a-zA-Z0-9_*][a-zA-Z0-9_./*-]*)`/g)].map(([, span = ""]) => span);
  const isPath = (span: string) =>
    parts.some((part) => span.startsWith(`${part}/`)) || /^[a-z.-]+\.(toml|json)$/.test(span);
  // What the documented commands write is not in the repository.
  return spans.filter((span) => isPath(span) && !/^(stored|bundle|network)\.json$/.test(span));
}

/** `[text](target#anchor)` of links within the repository, from the page's folder. */
function links(page: string): { path: string; anchor: string | undefined }[] {
  return [...textOf(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path = "", anchor] = target.split("#");
      return { path: path === "" ? page : join(dirname(page), path), anchor };
    });
}

/** As GitHub makes them: lower case, punctuation gone, spaces to hyphens. */
const anchorsOf = (page: string): string[] =>
  [...textOf(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );

/** The fields of `interface Env` that are settings: upper case, texts or buckets, no objects, no test hooks. */
const settingsOf = (path: string): string[] =>
  [...textOf(path).matchAll(/^ {2}readonly ([A-Z][A-Z0-9_]+)\?: (?:string|R2Bucket);$/gm)].map(
    ([, name = ""]) => name,
  );

describe.each(pages)("%s names", (page) => {
  it("files and folders that exist", () => {
    const missing = namedPaths(textOf(page)).filter((path) =>
      path.includes("*") ? globSync(path, { cwd: root }).length === 0 : !existsSync(join(root, path)),
    );
    expect(missing).toEqual([]);
  });

  it("pages and headings that exist", () => {
    const broken = links(page).filter(
      ({ path, anchor }) =>
        !existsSync(join(root, path)) || (anchor !== undefined && !anchorsOf(path).includes(anchor)),
    );
    expect(broken).toEqual([]);
  });

  it("scripts that package.json has", () => {
    const { scripts } = JSON.parse(textOf("package.json")) as { scripts: Record<string, string> };
    const named = [...textOf(page).matchAll(/`npm run ([a-z:]+)/g)].map(([, name = ""]) => name);
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  });
});

describe("the pages together", () => {
  it("name enough for these tests to mean something", () => {
    expect(namedPaths(textOf("CONTRIBUTING.md")).length).toBeGreaterThan(60);
    expect(namedPaths(textOf("docs/architecture.md")).length).toBeGreaterThan(30);
    expect(pages.flatMap(links).length).toBeGreaterThan(40);
  });

  it("would be caught with a path that is not there", () => {
    expect(namedPaths("`shared/nowhere.ts`, `nowhere.toml`, `POST /v1/x`, `npm test`, `a.b`")).toEqual([
      "shared/nowhere.ts",
      "nowhere.toml",
    ]);
  });

  it.each([
    ["The edge", "functions/base/env.ts"],
    ["The auditor", "auditor/env.ts"],
  ])("list every setting: %s in docs/configuration.md", (heading, source) => {
    const section = textOf("docs/configuration.md")
      .split(/^## /m)
      .find((each) => each.startsWith(heading));
    const rows = [...(section ?? "").matchAll(/^\| (`.*?) \|/gm)].map(([, cell = ""]) => cell).join();
    const listed = [...rows.matchAll(/[A-Z][A-Z0-9_]+/g)].map(([name]) => name);
    expect(listed.toSorted()).toEqual(settingsOf(source).toSorted());
  });
});
