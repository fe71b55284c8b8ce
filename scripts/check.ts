/** `npm run check`: type check, format and lint. */
import { command, runToExitCode } from "../host/command.ts";
import { runChecks } from "./checks.ts";

const check = command(
  {
    name: "npm run check",
    about:
      "Checks types, formatting and lint rules; exits 1 when one of them does not hold. Nothing is changed: npm run format does that.",
    options: {},
  },
  async () => ((await runChecks()) ? 0 : 1),
);

process.exitCode = await runToExitCode(check, process.argv.slice(2));
