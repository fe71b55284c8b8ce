// If this fails, a slip on a command line is taken for something else, or answered with a riddle.
import { describe, expect, it } from "vitest";
import { helpOf, usageOf } from "../../../host/help.ts";
import {
  file,
  flag,
  readArguments,
  required,
  section,
  someOf,
  text,
  texts,
  whole,
  wholes,
} from "../../../host/options.ts";
import { UsageError } from "../../../host/usage-error.ts";

const LINE = {
  name: "tool work",
  about: "Works.",
  options: {
    json: flag("as JSON"),
    out: text("DIR", "where to"),
    seed: text("TEXT", "of keys", "floe"),
    nodes: whole("how many", { from: 1, to: 200 }, 13),
    port: whole("which", { from: 0, to: 65_535 }),
    sizes: wholes("bytes", { from: 0, to: 9 }, [1, 2]),
    ops: someOf("what", ["read", "write"]),
    name: texts("TEXT", "of each"),
    ...section("more", { key: file("the key") }),
  },
  operands: [{ name: "FILE", help: "what to read", isFile: true }],
} as const;
const read = (...args: string[]) => readArguments(LINE, args);

describe("options", () => {
  it("have their defaults when they are absent", () => {
    expect(read("a")).toEqual({
      values: {
        json: false,
        out: undefined,
        seed: "floe",
        nodes: 13,
        port: undefined,
        sizes: [1, 2],
        ops: ["read", "write"],
        name: undefined,
        key: undefined,
      },
      operands: ["a"],
      rest: [],
    });
  });

  it("are read before and after operands, with their values beside them or after an equals sign", () => {
    const args = [
      "--json",
      "--nodes=200",
      "a",
      "--sizes",
      "0,9",
      "--ops",
      "write",
      "--name",
      "x",
      "--name",
      "y",
    ];
    expect(read(...args)).toMatchObject({
      values: { json: true, nodes: 200, sizes: [0, 9], ops: ["write"], name: ["x", "y"] },
      operands: ["a"],
    });
  });

  it.each<[string, string[], string]>([
    ["an unknown option", ["a", "--colour"], "tool work takes no --colour; it takes --json, --out"],
    ["an unknown short option", ["a", "-x"], "takes no -x"],
    ["a missing value", ["a", "--nodes"], "--nodes needs a value: --nodes N"],
    ["another option in the value's place", ["a", "--out", "--json"], "--out needs a value: --out DIR"],
    ["a value for a flag", ["a", "--json=yes"], '--json takes no value, not "yes"'],
    ["one below", ["a", "--nodes", "0"], '--nodes takes a whole number from 1 to 200, not "0"'],
    ["one above", ["a", "--nodes", "201"], '--nodes takes a whole number from 1 to 200, not "201"'],
    ["a negative number", ["a", "--nodes", "-5"], 'from 1 to 200, not "-5"'],
    ["half a number", ["a", "--nodes", "1.5"], 'not "1.5"'],
    ["an empty number", ["a", "--nodes="], 'not ""'],
    ["a list with a hole", ["a", "--sizes", "1,,2"], 'from 0 to 9, not ""'],
    ["a word that is not of the list", ["a", "--ops", "read,sing"], 'some of read,write, not "sing"'],
    ["a missing operand", [], "tool work needs FILE"],
    ["an operand too many", ["a", "b", "c"], "takes 1 operands, not 3: there is nothing to do with b c"],
    ["standard input for two", ["-", "--key", "-"], "--key and FILE cannot each have it"],
  ])("are refused for %s in one line with the numbers", (_what, args, message) => {
    expect(() => read(...args)).toThrow(UsageError);
    expect(() => read(...args)).toThrow(message);
    const refused = (): string => {
      try {
        read(...args);
        return "nothing";
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(refused()).not.toContain("\n");
  });

  it("are required where the command cannot do without", () => {
    const line = { name: "tool", about: "", options: { key: required(file("the key")) } };
    expect(() => readArguments(line, [])).toThrow("tool needs --key FILE");
    expect(readArguments(line, ["--key", "-"])).toMatchObject({ values: { key: "-" } });
  });

  it("give way to --help, whatever else is wrong", () => {
    expect(read("--help")).toBe("help");
    expect(read("a", "b", "-h")).toBe("help");
  });
});

describe("the help text", () => {
  it("names every option with its value, its default and its section", () => {
    const help = helpOf(LINE);
    expect(help).toMatch(/^usage: tool work \[OPTION \.\.\.\] FILE\n\nWorks\.\n/);
    for (const [name, { value }] of Object.entries(LINE.options))
      expect(help).toContain(`  --${name}${value === undefined ? "" : ` ${value}`}`);
    expect(help).toMatch(/--nodes N +how many \(default 13\)/);
    expect(help).toMatch(/\nmore\n {2}--key FILE +the key; - is standard input$/);
  });

  it("shows the two dashes that npm needs", () => {
    const options = { long: flag("more") };
    expect(usageOf({ name: "npm test", about: "", options })).toBe("usage: npm test -- [--long]");
    expect(usageOf({ name: "npm run bench -- codec", about: "", options })).toBe(
      "usage: npm run bench -- codec [--long]",
    );
    expect(usageOf({ name: "npm run build", about: "", options: {} })).toBe("usage: npm run build");
  });
});
