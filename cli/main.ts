/** `floe COMMAND`: the command line of this project. */
import { runToExitCode } from "../host/command.ts";
import { floe } from "./commands.ts";

const args = process.argv.slice(2);
const [first] = args;
process.exitCode = await runToExitCode(floe, args, {
  prefix: first === undefined ? "floe" : `floe ${first}`,
});
