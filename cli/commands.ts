/** The commands of `floe`; each is loaded when it is called. */
import { commandTree } from "../host/command.ts";

export const floe = commandTree(
  "floe",
  "Encodes and decodes blobs as Walrus does, and audits its storage nodes.",
  {
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
  },
);
