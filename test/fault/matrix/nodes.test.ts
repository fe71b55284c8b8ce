// If this fails, storage nodes that are down, slow or lying decide whether blobs are stored, and what readers get.

import { afterAll, describe, expect, it } from "vitest";
import { INVOCATION_REQUESTS } from "../../../shared/base/gate.ts";
import { parseBlsPublicKey, parseBlsSignature, verifyAggregate } from "../../../shared/crypto/bls.ts";
import { NODE_LIMITS } from "../../../shared/node/limits.ts";
import { isQuorum } from "../../../shared/protocol/bft.ts";
import { confirmationMessage } from "../../../shared/protocol/messages.ts";
import { ScriptedEdge } from "../../support/edge/scripted-edge.ts";
import { hang, ScriptedNodes } from "../../support/nodes/scripted-nodes.ts";
import {
  CONFIRMATION_LIES,
  lieInConfirmation,
  lieWithBytes,
  METADATA_LIES,
  RUDENESS,
  SLIVER_LIES,
} from "./lies.ts";

const LONG = process.env["FLOE_LONG"] === "1";
const content = new Uint8Array(90).map((_, at) => (at * 31 + 7) % 251);

const ones = (count: number): number[] => new Array<number>(count).fill(1);
/** Shards s on node s mod 13, as in the embedded network. */
const FORTY = Array.from({ length: 13 }, (_, node) => (node === 0 ? 4 : 3));

/** All sets of nodes that weigh at most f shards, without the empty one. */
function faultySets(shardsOf: readonly number[]): number[][] {
  const f = Math.floor((shardsOf.reduce((sum, each) => sum + each, 0) - 1) / 3);
  const sets: number[][] = [];
  for (let mask = 1; mask < 1 << shardsOf.length; mask++) {
    const set = [...shardsOf.keys()].filter((node) => (mask >> node) & 1);
    if (set.reduce((sum, node) => sum + (shardsOf[node] ?? 0), 0) <= f) sets.push(set);
  }
  return sets;
}
const FOUR = faultySets(ones(4));
const SEVEN = faultySets(ones(7));
/** Every single node of 7, and every pair: 28 sets; by default the pairs with node 0. */
const SEVEN_FEW = SEVEN.filter((set) => set.length === 2 && set[0] === 0);
const THIRTEEN = [
  [0, 1, 2, 3],
  [9, 10, 11, 12],
];
const COMMITTEES = [
  { name: "4 shards on 4 nodes", shardsOf: ones(4), sets: FOUR },
  { name: "7 shards on 7 nodes", shardsOf: ones(7), sets: LONG ? SEVEN : SEVEN_FEW },
  { name: "40 shards on 13 nodes", shardsOf: FORTY, sets: LONG ? THIRTEEN : THIRTEEN.slice(0, 1) },
];
let cases = 0;
afterAll(() => console.log(`${cases} combinations of committee, faulty nodes and fault`));

async function readAll(edge: ScriptedEdge, blobId: string): Promise<Uint8Array> {
  const response = await edge.fetch(`/v1/blobs/${blobId}`);
  expect(response.status).toBe(200);
  return new Uint8Array(await response.arrayBuffer());
}

async function expectPublished(nodes: ScriptedNodes): Promise<{ edge: ScriptedEdge; blobId: string }> {
  const edge = new ScriptedEdge(nodes);
  const response = await edge.fetch("/v1/blobs?permanent=true", { method: "PUT", body: content });
  const text = await response.text();
  expect([response.status, text]).toEqual([200, expect.stringContaining("newlyCreated")]);
  expect([edge.registered.length, edge.certified.length]).toEqual([1, 1]);
  const blobId = edge.registered[0]?.blobId;
  const certificate = edge.certified[0]?.certificate;
  if (blobId === undefined || certificate === undefined) throw new Error("nothing was certified");
  const { committee } = nodes;
  const members = certificate.signers.map((signer) => committee.members[signer]);
  const weight = members.reduce((sum, member) => sum + (member?.shards.length ?? 0), 0);
  const message = confirmationMessage({ epoch: committee.epoch, blobId, persistence: { kind: "permanent" } });
  expect(new Set(certificate.signers).size).toBe(certificate.signers.length);
  expect(isQuorum(weight, committee.nShards)).toBe(true);
  expect(certificate.message).toEqual(message);
  const keys = members.map((member) => parseBlsPublicKey(member?.publicKey ?? new Uint8Array()));
  expect(verifyAggregate(message, parseBlsSignature(certificate.signature), keys)).toBe(true);
  return { edge, blobId };
}

describe.each(COMMITTEES)("with nodes of up to f of $name", ({ shardsOf, sets }) => {
  it.each(Object.entries(SLIVER_LIES))(
    "N3: serving slivers with %s, readers get the exact bytes",
    async (_, lie) => {
      for (const set of sets) {
        const nodes = new ScriptedNodes(shardsOf);
        const { blobId } = nodes.store(content);
        for (const node of set) lieWithBytes(nodes, node, "sliver", lie);
        expect(await readAll(new ScriptedEdge(nodes), blobId)).toEqual(content);
        cases++;
      }
    },
  );

  it.each(Object.entries(RUDENESS))(
    "N1 N2 N9: when each %s, publishing and reading succeed in time",
    async (_, script) => {
      for (const set of LONG ? sets : sets.slice(0, 2)) {
        const nodes = new ScriptedNodes(shardsOf);
        for (const node of set) nodes.scripts.set(node, script);
        const startMs = nodes.clock.nowMs();
        const { edge, blobId } = await expectPublished(nodes);
        expect(nodes.clock.nowMs() - startMs).toBeLessThanOrEqual(NODE_LIMITS.nodeRequestTimeoutMs);
        const readMs = nodes.clock.nowMs();
        expect(await readAll(edge, blobId)).toEqual(content);
        expect(nodes.clock.nowMs() - readMs).toBeLessThanOrEqual(NODE_LIMITS.nodeRequestTimeoutMs);
        cases++;
      }
    },
  );
});

it("N2: when six of 22 nodes hang at once, publishing and reading end within one request deadline", async () => {
  const nodes = new ScriptedNodes(ones(22));
  for (const node of [0, 3, 7, 11, 15, 20]) nodes.scripts.set(node, hang);
  const startMs = nodes.clock.nowMs();
  const { edge, blobId } = await expectPublished(nodes);
  expect(nodes.clock.nowMs() - startMs).toBeLessThanOrEqual(NODE_LIMITS.nodeRequestTimeoutMs);
  const readMs = nodes.clock.nowMs();
  expect(await readAll(edge, blobId)).toEqual(content);
  expect(nodes.clock.nowMs() - readMs).toBeLessThanOrEqual(NODE_LIMITS.nodeRequestTimeoutMs);
  expect(nodes.gate.peak).toBeLessThanOrEqual(INVOCATION_REQUESTS);
});

describe("N4: metadata", () => {
  it.each(Object.entries(METADATA_LIES))(
    "with %s from all nodes but one: the honest one is enough",
    async (_, lie) => {
      for (const shardsOf of [ones(4), ones(7)]) {
        for (const honest of shardsOf.keys()) {
          const nodes = new ScriptedNodes(shardsOf);
          const { blobId } = nodes.store(content);
          for (const node of shardsOf.keys()) if (node !== honest) lieWithBytes(nodes, node, "metadata", lie);
          expect(await readAll(new ScriptedEdge(nodes), blobId)).toEqual(content);
          cases++;
        }
      }
    },
  );

  // The blob ID in front of metadata is a courtesy: what counts is what the metadata hashes to.
  const refuted = Object.entries(METADATA_LIES).filter(([lie]) => lie !== "another blob ID in front");
  it.each(refuted)("with %s from all nodes: a typed error and no byte", async (_, lie) => {
    const nodes = new ScriptedNodes(ones(4));
    const { blobId } = nodes.store(content);
    for (let node = 0; node < 4; node++) lieWithBytes(nodes, node, "metadata", lie);
    const response = await new ScriptedEdge(nodes).fetch(`/v1/blobs/${blobId}`);
    expect([response.status, await response.text()]).toEqual([
      503,
      expect.stringContaining("BLOB_UNAVAILABLE"),
    ]);
  });
});

describe("N6: a confirmation", () => {
  it.each(Object.entries(CONFIRMATION_LIES))(
    "%s does not count, and does not stop the others",
    async (_, lie) => {
      for (const node of LONG ? [1, 2, 3] : [2]) {
        const nodes = new ScriptedNodes(ones(4));
        lieInConfirmation(nodes, node, lie);
        const { edge, blobId } = await expectPublished(nodes);
        expect(edge.certified[0]?.certificate.signers).not.toContain(node);
        expect(await readAll(edge, blobId)).toEqual(content);
        cases++;
      }
    },
  );

  it("that lies, of every kind at once beside 27 good shards, leaves a valid certificate", async () => {
    const nodes = new ScriptedNodes(FORTY);
    for (const [at, lie] of Object.values(CONFIRMATION_LIES).entries()) {
      if (at % 3 === 0) lieInConfirmation(nodes, 1 + at / 3, lie);
    }
    await expectPublished(nodes);
  });

  it.each(["by another key", "of the epoch before", "copied from node 0"])(
    "%s from more than f shards: refused with the numbers, paid once, reused by the next request",
    async (kind) => {
      const nodes = new ScriptedNodes(ones(4));
      for (const node of [1, 2])
        lieInConfirmation(nodes, node, CONFIRMATION_LIES[kind] ?? ((honest) => honest));
      const edge = new ScriptedEdge(nodes);
      const put = () => edge.fetch("/v1/blobs?permanent=true", { method: "PUT", body: content });
      const refused = await put();
      expect([refused.status, await refused.text()]).toEqual([
        504,
        expect.stringMatching(/INSUFFICIENT_CONFIRMATIONS|have 2 of 3 shards/),
      ]);
      expect([edge.registered.length, edge.certified.length]).toEqual([1, 0]);
      nodes.scripts.clear();
      const stored = nodes.requests.length;
      expect((await put()).status).toBe(200);
      expect([edge.registered.length, edge.certified.length]).toEqual([1, 1]);
      const resent = nodes.requests
        .slice(stored)
        .filter(({ method, route }) => method === "PUT" && route.name === "sliver");
      expect(resent).toEqual([]);
    },
  );
});

describe("N7 N8: nodes that change their mind", () => {
  it("confirm and lose everything, up to f shards: the blob still reads", async () => {
    for (const set of [...FOUR, ...SEVEN_FEW]) {
      const nodes = new ScriptedNodes(ones(set.length === 1 ? 4 : 7));
      const { edge, blobId } = await expectPublished(nodes);
      for (const node of set) nodes.stored[node]?.clear();
      expect(await readAll(edge, blobId)).toEqual(content);
      cases++;
    }
  });

  it("answer each request in another wrong way, up to f of 40 shards: publishing and reading succeed", async () => {
    const ways = Object.values(RUDENESS);
    for (const seed of LONG ? [1, 2, 3, 4, 5, 6, 7, 8] : [1, 2]) {
      const nodes = new ScriptedNodes(FORTY);
      let turn = seed;
      for (const node of [0, 4, 8, 12]) {
        nodes.scripts.set(node, (route, request) => {
          turn = (turn * 73 + 29) % 997;
          const way = ways[turn % (ways.length + 1)];
          return way === undefined ? undefined : way(route, request);
        });
      }
      const { edge, blobId } = await expectPublished(nodes);
      expect(await readAll(edge, blobId), `seed ${seed}`).toEqual(content);
      cases++;
    }
  });

  it("serve wrong slivers beyond n-p shards: a reader gets an error or right bytes, never wrong ones", async () => {
    for (const lie of Object.values(SLIVER_LIES)) {
      const nodes = new ScriptedNodes(ones(7));
      const { blobId } = nodes.store(content);
      for (const node of [1, 2, 3, 4, 5]) lieWithBytes(nodes, node, "sliver", lie);
      const response = await new ScriptedEdge(nodes).fetch(`/v1/blobs/${blobId}`);
      const bytes = await response.arrayBuffer().catch(() => undefined);
      if (response.status === 200 && bytes !== undefined) expect(new Uint8Array(bytes)).toEqual(content);
      else if (response.status !== 200) expect(response.status).toBe(503);
      cases++;
    }
  });
});
