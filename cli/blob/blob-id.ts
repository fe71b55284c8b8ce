/** `floe blob-id`: what Walrus calls this file. */
import { type Command, parse, shardCount } from "../command.ts";
import { withEncoder } from "./encoding.ts";

export const blobId: Command = {
  help: `usage: floe blob-id [--shards N] FILE|-

Prints the blob ID of a file, or of standard input with "-". Nothing is sent anywhere.

  --shards N  shards of the network (default 1000, as on mainnet and testnet)`,

  async run(args) {
    const { values, positionals } = parse(args, { shards: { type: "string" } }, ["FILE"]);
    const [path = "-"] = positionals;
    const id = await withEncoder(path, shardCount(values), false, (encoder) => encoder.metadata().blobId);
    console.log(id);
    return 0;
  },
};
