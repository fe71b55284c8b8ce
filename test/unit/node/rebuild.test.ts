// If this fails, lying storage nodes keep a sliver from being rebuilt, are not known for it, or put a wrong sliver
// into a blob that is read, healed or argued about.
import { describe, expect, test } from "vitest";
import { Gate } from "../../../shared/base/gate.ts";
import { CodecError } from "../../../shared/codec/codec.ts";
import { createReferenceCodec } from "../../../shared/codec/reference-codec.ts";
import { askInTurn } from "../../../shared/node/ask-in-turn.ts";
import { DirectCarrier } from "../../../shared/node/direct-carrier.ts";
import { collectSymbols, rebuildBytes, SliverRebuild } from "../../../shared/node/rebuild.ts";
import { StorageNodeClient } from "../../../shared/node/storage-node-client.ts";
import { AXES, type Axis, otherAxis, type SliverIndex } from "../../../shared/protocol/ids.ts";
import { HASH_BYTES, type VerifiedMetadata } from "../../../shared/protocol/metadata.ts";
import { type RecoverySymbol, serializeRecoverySymbols } from "../../../shared/protocol/recovery-symbol.ts";
import { blobLayout } from "../../../shared/protocol/sizes.ts";
import { encodeBlob, someBlob } from "../../support/codec/encoded-blob.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

/** n = 10, f = 3: a primary sliver has 7 source symbols, a secondary one 4. */
const N = 10;
const codec = createReferenceCodec();
const blob = encodeBlob(N, someBlob(500));
const { metadata } = blob;
const layout = blobLayout(N, 500);

const targetOf = (axis: Axis) => ({ axis, index: 2 as SliverIndex });
const row = targetOf("primary");
const row2 = blob.sliver("primary", 2);
/** The symbol of `target` on the sliver `source` that crosses it. */
const symbolOf = (target: { axis: Axis; index: SliverIndex }, source: number): RecoverySymbol =>
  codec.symbolWithProof(metadata, blob.sliver(otherAxis(target.axis), source), target.index);
const symbols = (count: number, from = 0): RecoverySymbol[] =>
  Array.from({ length: count }, (_, i) => symbolOf(row, from + i));
const damaged = (symbol: RecoverySymbol): RecoverySymbol => ({
  ...symbol,
  symbol: symbol.symbol.map((byte, i) => (i === 0 ? byte ^ 1 : byte)),
});
const codes = (errors: readonly CodecError[]): string[] => errors.map(({ code }) => code);

describe("the symbols of one sliver", () => {
  test.each(AXES.map((axis) => [axis, { primary: 7, secondary: 4 }[axis]] as const))(
    "any %s sliver comes back byte for byte from its last %i symbols",
    (axis, need) => {
      const target = targetOf(axis);
      const rebuild = new SliverRebuild(codec, metadata, target);
      expect(rebuild.filter).toEqual({ kind: "target", ...target, proofAxis: otherAxis(axis) });
      expect(rebuild.missing).toBe(need);
      for (let source = N - need; source < N; source++) {
        expect(() => rebuild.sliver()).toThrow(CodecError);
        expect(rebuild.add([symbolOf(target, source)])).toEqual([]);
      }
      expect(rebuild.missing).toBe(0);
      expect(rebuild.sliver()).toEqual(blob.sliver(axis, 2));
    },
  );

  test("wrong symbols are reported one by one, and the good ones beside them count", () => {
    const rebuild = new SliverRebuild(codec, metadata, row);
    const [first, second, third] = symbols(3) as [RecoverySymbol, RecoverySymbol, RecoverySymbol];
    expect(codes(rebuild.add([damaged(first), second, damaged(third)]))).toEqual([
      "SYMBOL_MISMATCH",
      "SYMBOL_MISMATCH",
    ]);
    expect(rebuild.have).toBe(1);
    // A liar does not block the place for an honest node.
    expect(rebuild.add([first, third])).toEqual([]);
    expect(rebuild.have).toBe(3);
  });

  test("symbols of a sliver that was not asked for are wrong, however well they are proven", () => {
    const rebuild = new SliverRebuild(codec, metadata, row);
    const unasked = codec.symbolWithProof(metadata, blob.sliver("secondary", 0), 3 as SliverIndex);
    expect(codes(rebuild.add([unasked]))).toEqual(["SYMBOL_MISMATCH"]);
    expect(rebuild.have).toBe(0);
  });

  test("symbols proven over the sliver itself are dropped", () => {
    const rebuild = new SliverRebuild(codec, metadata, row);
    const own = Array.from({ length: N }, (_, at) =>
      codec.symbolWithProof(metadata, row2, at as SliverIndex),
    );
    for (const symbol of own) codec.verifySymbol(metadata, symbol, row);
    expect(rebuild.add(own)).toEqual([]);
    expect(rebuild.have).toBe(0);
  });

  test("a symbol that is there already counts once and is not checked again", () => {
    let checks = 0;
    const counting = {
      recoverSliver: codec.recoverSliver,
      verifySymbol: (...args: Parameters<typeof codec.verifySymbol>) => {
        checks++;
        codec.verifySymbol(...args);
      },
    };
    const rebuild = new SliverRebuild(counting, metadata, row);
    const [symbol] = symbols(1) as [RecoverySymbol];
    expect(rebuild.add([symbol, symbol, damaged(symbol)])).toEqual([]);
    expect(rebuild.add([symbol])).toEqual([]);
    expect([rebuild.have, checks]).toEqual([1, 1]);
  });

  test("proven symbols that do not decode to the root committed to are told from too few", () => {
    // Whoever encoded the blob committed to another root for this row.
    const hashes = Uint8Array.from(metadata.hashes);
    const at = 2 * HASH_BYTES * row.index;
    hashes[at] = (hashes[at] ?? 0) ^ 1;
    const altered = { ...metadata, hashes } as VerifiedMetadata;
    const rebuild = new SliverRebuild(codec, altered, row);
    expect(() => rebuild.sliver()).toThrow(expect.objectContaining({ code: "TOO_FEW_SYMBOLS" }));
    expect(rebuild.add(symbols(7))).toEqual([]);
    expect(() => rebuild.sliver()).toThrow(expect.objectContaining({ code: "INCONSISTENT_ENCODING" }));
  });

  test("the memory that is asked for holds the symbols of both axes", () => {
    for (const axis of AXES) {
      const { need } = new SliverRebuild(codec, metadata, targetOf(axis));
      const held = Array.from({ length: need }, (_, source) => symbolOf(targetOf(axis), source));
      expect(serializeRecoverySymbols(held).length).toBeLessThanOrEqual(rebuildBytes(layout, axis));
    }
  });
});

describe("collecting from several nodes", () => {
  const nodes = ["a", "b", "c", "d", "e"] as const;
  type Node = (typeof nodes)[number];
  /** Two symbols each. */
  const honest = (node: Node): RecoverySymbol[] => symbols(2, 2 * nodes.indexOf(node));

  async function collect(answers: Partial<Record<Node, RecoverySymbol[] | undefined>>, width = 1) {
    const rebuild = new SliverRebuild(codec, metadata, row);
    const asked: Node[] = [];
    const wrong: [Node, string][] = [];
    let atOnce = 0;
    let peak = 0;
    await collectSymbols(rebuild, {
      nodes,
      width,
      ask: async (node) => {
        asked.push(node);
        peak = Math.max(peak, ++atOnce);
        await Promise.resolve();
        atOnce--;
        return node in answers ? answers[node] : honest(node);
      },
      wrong: (node, { code }) => wrong.push([node, code]),
    });
    return { rebuild, asked, wrong, peak };
  }

  test("asks in the order given, and no more once it is enough", async () => {
    const { rebuild, asked, wrong } = await collect({});
    expect(asked).toEqual(["a", "b", "c", "d"]);
    expect(wrong).toEqual([]);
    expect(rebuild.sliver()).toEqual(row2);
  });

  test("asks as many at once as it may", async () => {
    const { rebuild, peak } = await collect({}, 3);
    expect(peak).toBe(3);
    expect(rebuild.sliver()).toEqual(row2);
  });

  test("goes on past a node that lies and names it once for all that is wrong", async () => {
    const { rebuild, asked, wrong } = await collect({ b: honest("b").map(damaged) });
    expect(asked).toEqual([...nodes]);
    expect(wrong).toEqual([["b", "SYMBOL_MISMATCH"]]);
    expect(rebuild.sliver()).toEqual(row2);
  });

  test("a node that repeats the others' symbols is no help", async () => {
    const { rebuild, asked } = await collect({ b: honest("a"), c: undefined });
    expect(asked).toEqual([...nodes]);
    expect(rebuild.have).toBe(6);
    expect(rebuild.missing).toBe(1);
  });

  test("what is there before costs no request", async () => {
    const rebuild = new SliverRebuild(codec, metadata, row);
    rebuild.add(symbols(7));
    await collectSymbols(rebuild, { nodes, width: 4, ask: () => Promise.reject(new Error("asked")) });
    expect(rebuild.sliver()).toEqual(row2);
  });

  test("a failure of our own ends it", async () => {
    const rebuild = new SliverRebuild(codec, metadata, row);
    const ask = () => Promise.reject(new TypeError("a bug"));
    await expect(collectSymbols(rebuild, { nodes, width: 2, ask })).rejects.toThrow("a bug");
  });
});

describe("one node", () => {
  function client(answer: RecoverySymbol[], urls: string[] = []): StorageNodeClient {
    const body = serializeRecoverySymbols(answer).slice();
    const fetch = async (request: Request): Promise<Response> => {
      urls.push(request.url);
      return new Response(body, { headers: { "content-type": "application/octet-stream" } });
    };
    const randomBytes = (count: number) => new Uint8Array(count);
    const transport = { fetch, clock: new VirtualClock(), randomBytes, gate: new Gate(1) };
    return new StorageNodeClient("http://node", "node", new DirectCarrier(transport));
  }

  test("is asked for the symbols that prove something, and may send one per shard", async () => {
    const rebuild = new SliverRebuild(codec, metadata, row);
    const urls: string[] = [];
    expect(await rebuild.request(client(symbols(2), urls), 2, {})).toEqual(symbols(2));
    expect(urls).toEqual([
      `http://node/v1/blobs/${metadata.blobId}/recoverySymbols?targetSliver=2&targetType=primary&proofAxis=secondary`,
    ]);
    await expect(rebuild.request(client(symbols(3)), 2, { attempts: 1 })).rejects.toThrow(
      expect.objectContaining({ code: "MALFORMED_ANSWER" }),
    );
  });
});

describe("asking in turn", () => {
  test("hands the place of one that has answered to the next, and waits for those under way", async () => {
    const started: number[] = [];
    const ends = new Map<number, () => void>();
    let enough = false;
    let isDone = false;
    const done = askInTurn({
      candidates: [0, 1, 2, 3, 4],
      width: 2,
      isEnough: () => enough,
      ask: (candidate) => {
        started.push(candidate);
        return new Promise((resolve) => ends.set(candidate, resolve));
      },
    }).then(() => {
      isDone = true;
    });
    const end = async (candidate: number): Promise<void> => {
      ends.get(candidate)?.();
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    };
    expect(started).toEqual([0, 1]);
    await end(1);
    expect(started).toEqual([0, 1, 2]);
    enough = true;
    await end(2);
    expect(started).toEqual([0, 1, 2]);
    expect(isDone).toBe(false);
    await end(0);
    await done;
    expect(isDone).toBe(true);
  });
});
