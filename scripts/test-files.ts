/** Which test files a pattern of `npm test -- PATTERN` means. */
import { readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { UsageError } from "../host/usage-error.ts";

/** Every test file under `root`/test, as paths from `root` with forward slashes. */
export function testFiles(root: string): string[] {
  return readdirSync(join(root, "test"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".test.ts"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .sort();
}

/**
 * The files whose path contains one of the patterns.
 *
 * @throws UsageError for a pattern that none matches: it is a slip of the keyboard, and a run without it would look fine
 */
export function matchingFiles(files: readonly string[], patterns: readonly string[]): string[] {
  for (const pattern of patterns) {
    if (files.some((file) => file.includes(pattern))) continue;
    throw new UsageError(`0 files match "${pattern}" of ${files.length} test files`);
  }
  return files.filter((file) => patterns.some((pattern) => file.includes(pattern)));
}
