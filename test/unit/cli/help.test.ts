// If this fails, a command of `floe` cannot be learned from the command itself, or lost an option that scripts rely on.
import { describe, expect, it, vi } from "vitest";
import { floe } from "../../../cli/commands.ts";
import { UsageError } from "../../../host/usage-error.ts";

const NETWORK = ["network", "sui", "system", "staking", "slashing-manager", "package", "registry", "gate"];
const SENDING = ["key-file", "sender", "dry-run", "unsigned"];

/** Every command and all its options. */
const COMMANDS: readonly (readonly [command: string, operands: string[], options: string[]])[] = [
  ["blob-id", ["x"], ["shards"]],
  ["encode", ["x"], ["shards", "json", "out"]],
  ["decode", ["x"], ["shards", "length", "out"]],
  ["audit run", [], ["once", "ledger", "out", ...NETWORK]],
  ["audit verify", ["5"], ["auditor", "export", "previous", "root", ...NETWORK]],
  ["audit vote", [], ["bundle", "node", "key-file", "sender", "dry-run", ...NETWORK]],
  [
    "audit deploy",
    [],
    [
      "key-file",
      "framework",
      "walrus",
      "quorum",
      "window-hours",
      "resume",
      "auditor",
      "name",
      "url",
      ...NETWORK,
    ],
  ],
  ["audit panel show", [], ["json", ...NETWORK]],
  ["audit panel add", [], ["auditor", "name", "url", "since-epoch", ...SENDING, ...NETWORK]],
  ["audit panel deactivate", [], ["auditor", ...SENDING, ...NETWORK]],
  ["audit panel pause", [], [...SENDING, ...NETWORK]],
  ["audit panel resume", [], [...SENDING, ...NETWORK]],
  ["audit panel set-params", ["quorum=1"], [...SENDING, ...NETWORK]],
];
const TREES = ["", "audit", "audit panel"];

const words = (command: string): string[] => command.split(" ").filter((word) => word !== "");

async function output(args: readonly string[]): Promise<{ code: number; text: string }> {
  const lines: string[] = [];
  const spy = vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
  try {
    const code = await floe.run(args);
    return { code, text: lines.join("\n") };
  } finally {
    spy.mockRestore();
  }
}

describe.each(COMMANDS)("floe %s", (command, operands, options) => {
  it("--help exits 0 and names every option, and no other", async () => {
    const { code, text } = await output([...words(command), "--help"]);
    expect(code).toBe(0);
    expect(text).toContain(`usage: floe ${command} `);
    const listed = [...text.matchAll(/^ {2}--([a-z-]+)/gm)].map(([, name]) => name);
    expect(listed.sort()).toEqual([...options, "help"].sort());
  });

  it("refuses an option that it does not know, naming those that it does", async () => {
    const error: unknown = await floe
      .run([...words(command), ...operands, "--colour"])
      .catch((thrown) => thrown);
    expect(error).toBeInstanceOf(UsageError);
    expect(String(error)).toContain(`floe ${command} takes no --colour; it takes --`);
    expect((error as UsageError).usage).toContain(`usage: floe ${command} `);
  });
});

describe.each(TREES)("floe %s", (tree) => {
  const name = ["floe", ...words(tree)].join(" ");

  it("--help exits 0 and names every command below it", async () => {
    const { code, text } = await output([...words(tree), "--help"]);
    expect(code).toBe(0);
    const below = COMMANDS.map(([command]) => words(command))
      .filter((path) => path.join(" ").startsWith(tree))
      .map((path) => path[words(tree).length]);
    const listed = [...text.matchAll(/^ {2}([a-z-]+)/gm)].map(([, each]) => each);
    expect(new Set(listed)).toEqual(new Set(below));
  });

  it.each<[string, string[], string]>([
    ["no command", [], "a command is needed first: NAME "],
    ["an unknown command", ["colour"], "NAME has the commands "],
    ["an option before the command", ["--network", "x"], "a command is needed first: NAME "],
  ])("refuses %s, naming those that there are", async (_what, args, message) => {
    await expect(floe.run([...words(tree), ...args])).rejects.toThrow(message.replace("NAME", name));
  });
});
