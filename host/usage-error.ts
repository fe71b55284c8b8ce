/** The command was called wrongly: one line of what is wrong, the usage line, exit code 2. */
export class UsageError extends Error {
  /** The usage line of the command that was called, once it is known. */
  usage: string | undefined;
}
