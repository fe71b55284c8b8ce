/** `floe COMMAND`: finds the command, runs it, and turns what it throws into a message and an exit code. */
import { FloeError } from "../shared/base/errors.ts";
import { type Command, InputError, UsageError } from "./command.ts";

const COMMANDS: Record<string, { readonly about: string; readonly load: () => Promise<Command> }> = {
  "blob-id": {
    about: "the blob ID of a file",
    load: async () => (await import("./blob/blob-id.ts")).blobId,
  },
  encode: {
    about: "a file's metadata and slivers",
    load: async () => (await import("./blob/encode.ts")).encode,
  },
  decode: {
    about: "a file from the slivers in a folder",
    load: async () => (await import("./blob/decode.ts")).decode,
  },
  audit: {
    about: "storage challenges: hold a round, recompute one, vote on claims, deploy contracts, run a panel",
    load: async () => (await import("./audit/audit.ts")).audit,
  },
};

const usage = (): string => {
  const lines = Object.entries(COMMANDS).map(([name, { about }]) => `  ${name.padEnd(10)} ${about}`);
  return `usage: floe COMMAND [OPTION ...]\n\n${lines.join("\n")}\n\nfloe COMMAND --help explains a command.`;
};

async function main([name, ...args]: string[]): Promise<number> {
  if (name === undefined || name === "--help") {
    console.log(usage());
    return name === undefined ? 2 : 0;
  }
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry === undefined) {
    console.error(`floe has no command "${name}"\n\n${usage()}`);
    return 2;
  }
  const command = await entry.load();
  if (args.includes("--help")) {
    console.log(command.help);
    return 0;
  }
  try {
    return await command.run(args);
  } catch (error) {
    if (error instanceof UsageError) {
      // A help of several screens would push the message out of sight.
      const [usageLines] = command.help.split("\n\n");
      console.error(`${error.message}\n\n${usageLines}\n\nfloe ${name} --help explains it.`);
      return 2;
    }
    const isExpected = error instanceof FloeError || error instanceof InputError || isFileError(error);
    if (!isExpected) throw error;
    console.error(`floe ${name}: ${error.message}${error instanceof FloeError ? ` [${error.code}]` : ""}`);
    return 1;
  }
}

const isFileError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && "code" in error && "syscall" in error;

process.exitCode = await main(process.argv.slice(2));
