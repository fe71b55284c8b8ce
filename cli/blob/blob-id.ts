/** `floe blob-id`: the name that Walrus gives a file. */
import { command } from "../../host/command.ts";
import { withEncoder } from "./encoding.ts";
import { SHARDS_OPTION } from "./shards.ts";

export const blobId = command(
  {
    name: "floe blob-id",
    about: 'Prints the blob ID of a file, or of standard input with "-". Nothing is sent anywhere.',
    options: SHARDS_OPTION,
    operands: [{ name: "FILE|-", help: "what to name; - is standard input", isFile: true }],
  },
  async ({ values: { shards }, operands: [path] }) => {
    console.log(await withEncoder(path, shards, false, (encoder) => encoder.metadata().blobId));
    return 0;
  },
);
