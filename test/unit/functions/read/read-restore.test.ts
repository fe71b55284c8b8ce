// If this fails, silent or lying nodes make reads slow, wrong or hungry for memory.

import { describe, expect, it } from "vitest";
import { IsolateMemory, MemoryError } from "../../../../functions/base/isolate-memory.ts";
import type { EdgePorts } from "../../../../functions/http/ports.ts";
import { ANSWER_LIMITS } from "../../../../functions/nodes/limits.ts";
import { fetchMetadata } from "../../../../functions/read/fetch-metadata.ts";
import { READ_LIMITS } from "../../../../functions/read/limits.ts";
import { readBlob } from "../../../../functions/read/read-blob.ts";
import { INVOCATION_REQUESTS } from "../../../../shared/base/gate.ts";
import { NODE_LIMITS } from "../../../../shared/node/limits.ts";
import { parseBlobId } from "../../../../shared/protocol/ids.ts";
import { shardOfPair } from "../../../../shared/protocol/mapping.ts";
import type { VerifiedMetadata } from "../../../../shared/protocol/metadata.ts";
import {
  parseRecoverySymbols,
  serializeRecoverySymbols,
} from "../../../../shared/protocol/recovery-symbol.ts";
import { hang, refuse, type Script, ScriptedNodes } from "../../../support/nodes/scripted-nodes.ts";

/** n = 100, f = 33: 34 rows (30 with bytes), 67 symbols rebuild one. Ten nodes of ten shards: any seven hold enough symbols. */
const FEW_LARGE_NODES = Array.from({ length: 10 }, () => 10);
const content = new Uint8Array(20_000).map((_, index) => (index * 31 + (index >> 7)) % 256);

interface Attack {
  readonly nodes: ScriptedNodes;
  readonly metadata: VerifiedMetadata;
  readonly services: EdgePorts;
}

function attack(shardsOf = FEW_LARGE_NODES, overrides: Partial<EdgePorts> = {}): Attack {
  const nodes = new ScriptedNodes(shardsOf);
  return { nodes, metadata: nodes.store(content), services: nodes.services(overrides) };
}

async function read({ nodes, metadata, services }: Attack): Promise<Uint8Array> {
  const pieces: number[] = [];
  const range = { start: 0, end: content.length };
  for await (const piece of readBlob(services, nodes.committee, metadata, range)) pieces.push(...piece);
  return Uint8Array.from(pieces);
}

const owner = ({ nodes, metadata }: Attack, row: number): number => {
  const shard = shardOfPair(row as never, metadata.blobId, metadata.nShards);
  return nodes.committee.members.findIndex(({ shards }) => shards.includes(shard));
};
const count = ({ nodes }: Attack, name: string): number =>
  nodes.requests.filter(({ route }) => route.name === name).length;

/** Refuses the sliver of one row, and answers everything else. */
const without =
  (...rows: number[]): Script =>
  (route, request) =>
    route.name === "sliver" && rows.includes(route.pair)
      ? refuse("SLIVER_NOT_FOUND")(route, request)
      : undefined;

describe("a missing row", () => {
  it("is rebuilt from the symbols of a few nodes, without fetching all other rows", async () => {
    const it = attack();
    it.nodes.scripts.set(owner(it, 5), without(5));
    expect(await read(it)).toEqual(content);
    expect(count(it, "sliver")).toBe(30);
    expect(count(it, "recovery-symbols")).toBe(7);
    expect(it.nodes.gate.peak).toBeLessThanOrEqual(INVOCATION_REQUESTS);
    expect(it.services.memory.heldBytes).toBe(0);
  });

  it("is rebuilt although three of ten nodes send wrong symbols, and those are recorded", async () => {
    const it = attack();
    const lying = [0, 4, 7];
    for (const node of lying) {
      it.nodes.scripts.set(node, async (route, request) => {
        if (route.name !== "recovery-symbols") return without(5)(route, request);
        it.nodes.scripts.delete(node);
        const honest = await it.nodes.fetch(request);
        const symbols = parseRecoverySymbols(new Uint8Array(await honest.arrayBuffer()), 100);
        for (const { symbol } of symbols) symbol[0] = (symbol[0] ?? 0) ^ 1;
        return new Response(serializeRecoverySymbols(symbols).slice(), {
          headers: { "content-type": "application/octet-stream" },
        });
      });
    }
    const keeper = owner(it, 5);
    if (!lying.includes(keeper)) it.nodes.scripts.set(keeper, without(5));
    expect(await read(it)).toEqual(content);
    for (const { nodeId, code } of it.services.faults.recorded) {
      if (code === "SYMBOL_MISMATCH") expect(lying).toContain(Number(nodeId) - 1);
    }
    expect(it.services.faults.recorded.some(({ code }) => code === "SYMBOL_MISMATCH")).toBe(true);
  });

  it("is decoded from other rows when many are missing, or when too few symbols can be had", async () => {
    const many = attack();
    for (let node = 0; node < 4; node++) many.nodes.scripts.set(node, refuse("SLIVER_NOT_FOUND"));
    expect(await read(many)).toEqual(content);
    // 66 of 100 shards are gone: 60 primary slivers are more than the 34 needed, 60 symbols fewer than the 67.
    expect(count(many, "sliver")).toBeLessThan(100);
    expect(many.services.memory.heldBytes).toBe(0);
  });

  it("is rebuilt from symbols when the isolate has no room for a decoder", async () => {
    const { nodes, metadata } = attack();
    const rowBytes = 67 * 10;
    const memory = new IsolateMemory({ clock: nodes.clock, maxBytes: 13 * rowBytes + 67 * 560 });
    const it: Attack = { nodes, metadata, services: nodes.services({ memory }) };
    expect(it.services.codec.decoderBytes(100, content.length)).toBeGreaterThan(memory.maxBytes);
    for (const row of [3, 4, 5, 20]) nodes.scripts.set(owner(it, row), without(3, 4, 5, 20));
    expect(await read(it)).toEqual(content);
    expect(memory.heldBytes).toBe(0);
    expect(memory.peakBytes).toBeLessThanOrEqual(memory.maxBytes);
  });
});

describe("silent nodes", () => {
  it.each<[string, (nodes: ScriptedNodes) => Script]>([
    ["hang", () => hang],
    [
      "take half a minute",
      ({ clock }) =>
        async () => {
          await clock.sleep(30_000);
          return undefined;
        },
    ],
  ])("cost a read less than one deadline when six at once %s", async (_, script) => {
    const it = attack(Array.from({ length: 19 }, () => 1));
    // The holders of the first six rows: they take all six connections before anybody else is asked.
    for (let row = 0; row < 6; row++) it.nodes.scripts.set(owner(it, row), script(it.nodes));
    const startMs = it.nodes.clock.nowMs();
    expect(await read(it)).toEqual(content);
    expect(it.nodes.clock.nowMs() - startMs).toBeLessThanOrEqual(2 * ANSWER_LIMITS.hedgeLeastMs);
    expect(it.nodes.gate.peak).toBeLessThanOrEqual(INVOCATION_REQUESTS);
    // The next read knows them and waits for nobody.
    const againMs = it.nodes.clock.nowMs();
    expect(await read(it)).toEqual(content);
    expect(it.nodes.clock.nowMs() - againMs).toBeLessThanOrEqual(10);
  });

  it("are waited for when nobody else can help", async () => {
    const it = attack(Array.from({ length: 13 }, () => 1));
    for (let node = 0; node < 13; node++) {
      it.nodes.scripts.set(node, async (route) => {
        if (route.name === "sliver") await it.nodes.clock.sleep(4_000);
        return undefined;
      });
    }
    const startMs = it.nodes.clock.nowMs();
    expect(await read(it)).toEqual(content);
    expect(it.nodes.clock.nowMs() - startMs).toBeLessThan(2 * NODE_LIMITS.nodeRequestTimeoutMs);
  });
});

describe("memory of a read", () => {
  it("is refused before a node is asked, and given back when the reader leaves in the middle", async () => {
    const full = attack();
    const all = await full.services.memory.hold(full.services.memory.maxBytes);
    await expect(read(full)).rejects.toThrow(MemoryError);
    expect(full.nodes.requests).toEqual([]);
    all.release();
    const pieces = readBlob(full.services, full.nodes.committee, full.metadata, { start: 0, end: 9_000 });
    await pieces.next();
    expect(full.services.memory.heldBytes).toBeGreaterThan(0);
    await pieces.return(undefined);
    expect(full.services.memory.heldBytes).toBe(0);
  });

  it("is given back when the client leaves before the first byte", async () => {
    const it = attack(Array.from({ length: 13 }, () => 1));
    for (let node = 0; node < 13; node++) it.nodes.scripts.set(node, hang);
    const client = new AbortController();
    const range = { start: 0, end: 9_000 };
    const pieces = readBlob(it.services, it.nodes.committee, it.metadata, range, client.signal);
    const first = pieces.next();
    await it.nodes.clock.sleep(50);
    client.abort(new Error("client left"));
    await expect(first).rejects.toThrow();
    expect(it.services.memory.heldBytes).toBe(0);
  });
});

describe("identical searches", () => {
  it("for metadata are one, and nobody is asked again at once for what nobody has", async () => {
    const it = attack();
    const { blobId } = it.metadata;
    const both = [1, 2].map(() => fetchMetadata(it.services, it.nodes.committee, blobId));
    await Promise.all(both);
    expect(count(it, "metadata")).toBe(1);

    const unknown = parseBlobId("M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk");
    const miss = () =>
      fetchMetadata(it.services, it.nodes.committee, unknown).catch((error: Error) => error.message);
    expect(await miss()).toContain("shards not found");
    const asked = it.nodes.requests.length;
    expect(await miss()).toContain("nobody had it");
    expect(it.nodes.requests).toHaveLength(asked);
    await it.nodes.clock.sleep(READ_LIMITS.absenceMs);
    expect(await miss()).toContain("shards not found");
    it.services.reads.absences.forget(unknown);
    expect(await miss()).toContain("shards not found");
  });

  it("do not depend on the one who began: his death costs the others a moment", async () => {
    const it = attack();
    const { blobId } = it.metadata;
    it.services.reads.metadata.lead(`${it.nodes.committee.epoch} ${blobId}`, new Promise(() => {}));
    const startMs = it.nodes.clock.nowMs();
    await fetchMetadata(it.services, it.nodes.committee, blobId);
    expect(it.nodes.clock.nowMs() - startMs).toBe(READ_LIMITS.metadataHedgeMs);
  });
});
