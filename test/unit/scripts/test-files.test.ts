// If this fails, `npm test -- PATTERN` runs other files than those named, or passes without having run any.
import { expect, it } from "vitest";
import { ROOT } from "../../../host/project-root.ts";
import { UsageError } from "../../../host/usage-error.ts";
import { matchingFiles, testFiles } from "../../../scripts/test-files.ts";

const FILES = ["test/unit/codec/a.test.ts", "test/unit/node/b.test.ts", "test/e2e/codec.test.ts"];

it("finds the files whose path contains a pattern, each once", () => {
  expect(matchingFiles(FILES, ["codec"])).toEqual([FILES[0], FILES[2]]);
  expect(matchingFiles(FILES, ["codec", "e2e", "b.test"])).toEqual(FILES);
});

it("refuses a pattern that no file matches, though another one does", () => {
  expect(() => matchingFiles(FILES, ["codec", "kodec"])).toThrow(UsageError);
  expect(() => matchingFiles(FILES, ["codec", "kodec"])).toThrow('0 files match "kodec" of 3 test files');
});

it("knows the test files of this project, itself among them", () => {
  expect(testFiles(ROOT)).toContain("test/unit/scripts/test-files.test.ts");
});
