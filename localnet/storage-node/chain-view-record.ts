/** The committee as a node stores it: JSON with public keys in base64. Written and read by the same program. */
import { fromBase64, toBase64 } from "../../shared/base/bytes.ts";
import { type Committee, checkCommittee } from "../../shared/protocol/committee.ts";
import type { ChainView } from "./chain-source.ts";

interface StoredCommittee extends Omit<Committee, "members"> {
  readonly members: readonly (Omit<Committee["members"][number], "publicKey"> & { publicKey: string })[];
}

export function serializeChainView(view: ChainView): Uint8Array {
  const record = {
    epoch: view.epoch,
    committee: toStored(view.committee),
    previousCommittee: view.previousCommittee && toStored(view.previousCommittee),
  };
  return new TextEncoder().encode(JSON.stringify(record));
}

export function parseChainView(bytes: Uint8Array): ChainView {
  // The bytes are this module's own, read back from the node's store.
  const record = JSON.parse(new TextDecoder().decode(bytes)) as {
    epoch: number;
    committee: StoredCommittee;
    previousCommittee: StoredCommittee | null;
  };
  return {
    epoch: record.epoch,
    committee: checkCommittee(fromStored(record.committee)),
    previousCommittee: record.previousCommittee && fromStored(record.previousCommittee),
  };
}

const toStored = ({ epoch, nShards, members }: Committee): StoredCommittee => ({
  epoch,
  nShards,
  members: members.map((member) => ({ ...member, publicKey: toBase64(member.publicKey) })),
});

const fromStored = (stored: StoredCommittee): Committee => ({
  ...stored,
  members: stored.members.map((member) => ({ ...member, publicKey: fromBase64(member.publicKey) })),
});
