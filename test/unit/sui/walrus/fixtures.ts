/** A small chain snapshot and requests for tests of the wallet. */
import {
  blobIdFromBytes,
  type ObjectId,
  parseObjectId,
  shardIndex,
} from "../../../../shared/protocol/ids.ts";
import type { CertifyRequest, RegisterRequest } from "../../../../shared/sui/wallet/submissions.ts";
import type { ChainSnapshot } from "../../../../shared/sui/walrus/chain-snapshot.ts";

export const WALLET = parseObjectId("0xaa");
export const ORIGINAL = parseObjectId("0x1111");
export const CURRENT = parseObjectId("0x2222");
export const WAL_TYPE = `${parseObjectId("0x3333")}::wal::WAL`;

export function snapshotOf(change: Partial<ChainSnapshot>): ChainSnapshot {
  return {
    epoch: 3,
    nShards: 10,
    epochState: { kind: "EpochChangeDone", atMs: 0 },
    epochDurationMs: 0,
    committee: {
      epoch: 3,
      nShards: 10,
      members: [0, 1, 2, 3].map((member) => ({
        nodeId: parseObjectId(`0x${member + 1}`),
        name: `node-${member}`,
        networkAddress: "127.0.0.1:1",
        publicKey: new Uint8Array(48),
        shards: Array.from(
          { length: member < 2 ? 3 : 2 },
          (_, i) => shardIndex([0, 3, 6, 8][member] ?? 0, 10) + i,
        ) as ReturnType<typeof shardIndex>[],
      })),
    },
    previousCommittee: null,
    storagePricePerUnit: 11_000n,
    writePricePerUnit: 20_000n,
    maxEpochsAhead: 53,
    version: 3n,
    packageId: CURRENT,
    originalPackageId: ORIGINAL,
    walType: WAL_TYPE,
    systemObjectId: parseObjectId("0x51"),
    systemInitialSharedVersion: 1n,
    stakingObjectId: parseObjectId("0x52"),
    readAtMs: 0,
    ...change,
  };
}

export function registerRequest(number: number, change: Partial<RegisterRequest> = {}): RegisterRequest {
  return {
    intentId: `register-${number}`,
    principal: "alice",
    blobId: blobIdFromBytes(new Uint8Array(32).fill(number)),
    rootHash: new Uint8Array(32).fill(number + 1),
    unencodedLength: 1000,
    nShards: 10,
    deletable: false,
    epochs: 2,
    attributes: [],
    ...change,
  };
}

export function certifyRequest(
  intentId: string,
  objectId: ObjectId,
  change: Partial<CertifyRequest> = {},
): CertifyRequest {
  return {
    intentId,
    objectId,
    certificate: { signers: [0, 2, 3], message: new Uint8Array(40), signature: new Uint8Array(96) },
    ...change,
  };
}
