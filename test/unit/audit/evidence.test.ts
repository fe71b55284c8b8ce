// If this fails, an auditor can change what it saw after publishing the root, or a true record cannot be shown.
import { describe, expect, it } from "vitest";
import { AuditError } from "../../../shared/audit/audit-error.ts";
import { canonicalJson } from "../../../shared/audit/canonical-json.ts";
import { claimObstacle, mayEscalate } from "../../../shared/audit/claim.ts";
import {
  type EvidenceRecord,
  EvidenceTree,
  evidenceBytes,
  evidenceLeafHash,
  verifyEvidence,
} from "../../../shared/audit/evidence.ts";
import { AUDIT_PROFILES } from "../../../shared/audit/parameters.ts";
import { argumentChunks, MAX_ARGUMENT_BYTES } from "../../../shared/audit/refutation.ts";
import {
  countOutcome,
  MAX_ROWS,
  NO_OUTCOMES,
  parseRow,
  type ReportRow,
  ROW_BYTES,
  reportTotals,
  serializeRow,
  serializeRows,
  totalsVector,
} from "../../../shared/audit/report-rows.ts";
import { concatBytes, toHex } from "../../../shared/base/bytes.ts";
import { merkleRoot } from "../../../shared/codec/merkle.ts";
import { blake2b256 } from "../../../shared/crypto/blake2b.ts";
import { blobIdOf, challengeWith, drawKey, objectIdOf } from "./fixtures.ts";

const record = (mode: 0 | 1 | 2 | 3, shard: number, t: number): EvidenceRecord => ({
  ...drawKey(mode, shard, t),
  round: 12,
  node: objectIdOf(shard),
  blobId: blobIdOf(shard),
  pair: 3,
  axis: "primary",
  symbol: 4,
  outcome: "passed",
  excuse: null,
  attempts: [{ kind: "symbol", startedMs: 1000, ms: 20, httpStatus: 200, bodyHash: "ab" }],
});

describe("canonical JSON", () => {
  it("sorts keys and has one spelling", () => {
    expect(canonicalJson({ b: [1, null, true], a: { z: '\u20ac"', y: -5 } })).toBe(
      '{"a":{"y":-5,"z":"€\\""},"b":[1,null,true]}',
    );
    expect(canonicalJson({ a: 1, B: 2 })).toBe('{"B":2,"a":1}');
  });

  it.each([0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, -0])("refuses %d", (value) => {
    expect(() => canonicalJson({ value })).toThrow(AuditError);
  });

  it("refuses undefined members", () => {
    expect(() => canonicalJson({ a: undefined } as never)).toThrow(AuditError);
  });
});

describe("evidence", () => {
  const records = [record(1, 0, 0), record(0, 2, 1), record(0, 2, 0), record(0, 1, 5), record(2, 0, 0)];
  const tree = new EvidenceTree(records);

  it("is spelled in one way, and hashed as a leaf", () => {
    const bytes = evidenceBytes(record(0, 1, 2));
    expect(new TextDecoder().decode(bytes)).toBe(
      `{"attempts":[{"body_hash":"ab","kind":"symbol","ms":20,"started_ms":1000,"status":200}],"axis":"primary","blob":"${blobIdOf(1)}","excuse":null,"mode":0,"node":"${objectIdOf(1)}","outcome":"passed","pair":3,"round":12,"shard":1,"symbol":4,"t":2}`,
    );
    expect(evidenceLeafHash(bytes)).toEqual(blake2b256(new Uint8Array(1), bytes));
  });

  it("has one root whatever order records come in, and shows each of them", () => {
    expect(toHex(new EvidenceTree([...records].reverse()).root())).toBe(toHex(tree.root()));
    for (const each of records) {
      const proof = tree.proof(each);
      expect(proof && verifyEvidence(tree.root(), proof)).toBe(true);
    }
    expect(tree.proof(drawKey(3, 0, 0))).toBeUndefined();
    expect(tree.proof(drawKey(0, 2, 0))?.index).toBe(1);
  });

  it("changes its root with every field of every record", () => {
    const [first, ...rest] = records;
    if (first === undefined) throw new Error("no records");
    const [attempt] = first.attempts;
    if (attempt === undefined) throw new Error("no attempt");
    const changes: Partial<EvidenceRecord>[] = [
      { round: 13 },
      { mode: 3 },
      { shard: drawKey(0, 9, 0).shard },
      { t: 77 },
      { node: objectIdOf(5) },
      { blobId: blobIdOf(5) },
      { pair: 4 },
      { axis: "secondary" },
      { symbol: 5 },
      { outcome: "missing" },
      { excuse: "denied" },
      { attempts: [] },
      { attempts: [attempt, attempt] },
      { attempts: [{ ...attempt, ms: 21 }] },
      { attempts: [{ ...attempt, httpStatus: 404 }] },
      { attempts: [{ ...attempt, bodyHash: null }] },
      { attempts: [{ ...attempt, startedMs: 1001 }] },
      { attempts: [{ ...attempt, kind: "sliver" }] },
    ];
    const roots = changes.map((change) => toHex(new EvidenceTree([{ ...first, ...change }, ...rest]).root()));
    expect(new Set([...roots, toHex(tree.root())]).size).toBe(changes.length + 1);
    expect(toHex(new EvidenceTree(rest).root())).not.toBe(toHex(tree.root()));
  });

  it("refuses two records of one draw", () => {
    expect(() => new EvidenceTree([record(0, 1, 1), record(0, 1, 1)])).toThrow(AuditError);
  });

  it("does not verify under another root, index or leaf", () => {
    const proof = tree.proof(drawKey(0, 2, 0));
    if (proof === undefined) throw new Error("no proof");
    expect(verifyEvidence(new Uint8Array(32), proof)).toBe(false);
    expect(verifyEvidence(tree.root(), { ...proof, index: 2 })).toBe(false);
    expect(verifyEvidence(tree.root(), { ...proof, size: 4 })).toBe(false);
    expect(verifyEvidence(tree.root(), { ...proof, leaf: proof.leaf.slice(1) })).toBe(false);
  });

  it("of a round without draws is 32 zero bytes", () => {
    expect(new EvidenceTree([]).root()).toEqual(new Uint8Array(32));
  });
});

describe("a report's rows", () => {
  const row = (node: number, change: Partial<ReportRow> = {}): ReportRow => ({
    ...NO_OUTCOMES,
    node: objectIdOf(node),
    passed: 9,
    logLikelihoodRatio: -0.046281,
    state: "healthy",
    availability: 0.99,
    ...change,
  });

  it("survive their 52 bytes", () => {
    const rows = [
      row(1),
      row(2, { logLikelihoodRatio: 13.815511, state: "suspect", availability: undefined }),
      row(3, {
        missing: 65_535,
        invalid: 1,
        timeouts: 2,
        refused: 3,
        excused: 4,
        vacuous: 5,
        availability: 0,
      }),
    ];
    for (const each of rows) {
      const bytes = serializeRow(each);
      expect(bytes).toHaveLength(ROW_BYTES);
      expect(parseRow(bytes)).toEqual(each);
    }
    expect(parseRow(serializeRow(row(1, { logLikelihoodRatio: -1e9 }))).logLikelihoodRatio).toBe(
      -2147.483648,
    );
  });

  it("ascend by node under one root", () => {
    const { bytes, root } = serializeRows([row(3), row(1), row(2)]);
    expect(bytes).toEqual(serializeRows([row(1), row(2), row(3)]).bytes);
    expect(root).toEqual(merkleRoot(bytes, ROW_BYTES));
  });

  it("are bounded, distinct and small enough for their fields", () => {
    const many = Array.from({ length: MAX_ROWS + 1 }, (_, i) => row(i));
    expect(() => serializeRows(many)).toThrow(AuditError);
    expect(() => serializeRows([row(1), row(1)])).toThrow(AuditError);
    expect(() => serializeRow(row(1, { passed: 65_536 }))).toThrow(AuditError);
    expect(() => parseRow(serializeRow(row(1)).fill(9, 50, 51))).toThrow();
    expect(() => parseRow(serializeRow(row(1)).fill(101, 51, 52))).toThrow();
  });

  it("add up to totals in the contract's order", () => {
    let counts = NO_OUTCOMES;
    for (const outcome of [
      "passed",
      "missing",
      "vacuous",
      "timeout",
      "excused",
      "refused",
      "invalid",
    ] as const) {
      counts = countOutcome(counts, outcome);
    }
    const totals = reportTotals([counts, countOutcome(counts, "passed")]);
    expect(totalsVector(totals)).toEqual([13, 3, 2, 2, 2, 2, 2, 2]);
  });
});

describe("a claim", () => {
  it("is made only against a suspect node, for a confirmed failure that anybody can answer", () => {
    const failure = {
      challenge: challengeWith(),
      verdict: { outcome: "missing", excuse: null },
      nodeState: "suspect",
      openClaimsOfNode: 0,
      epoch: 7,
    } as const;
    const P = AUDIT_PROFILES.public;
    expect(claimObstacle(failure, P)).toBeUndefined();
    expect(claimObstacle({ ...failure, nodeState: "watch" }, P)).toBe("not-suspect");
    expect(claimObstacle({ ...failure, challenge: challengeWith({ isVacuous: true }) }, P)).toBe("vacuous");
    expect(claimObstacle({ ...failure, challenge: challengeWith({ mode: 2 }) }, P)).toBe("mode");
    expect(claimObstacle({ ...failure, challenge: challengeWith({ endEpoch: 8 }) }, P)).toBe("expiring");
    expect(claimObstacle({ ...failure, openClaimsOfNode: 3 }, P)).toBe("too-many-open");
    const timeout = { outcome: "timeout", excuse: null } as const;
    expect(claimObstacle({ ...failure, verdict: timeout }, P)).toBe("not-a-failure");
  });

  it("leads to a vote only as one of three bound, distinct draws from two rounds", () => {
    const P = AUDIT_PROFILES.public;
    const confirmed = (round: number, t: number, isBound = true, epoch = 7) => ({
      ...drawKey(0, 1, t),
      round,
      epoch,
      isBound,
    });
    const three = [confirmed(1, 0), confirmed(1, 1), confirmed(2, 0)];
    expect(mayEscalate(three, 7, P)).toBe(true);
    expect(mayEscalate(three, 8, P)).toBe(false);
    expect(mayEscalate([confirmed(1, 0), confirmed(1, 1), confirmed(1, 2)], 7, P)).toBe(false);
    expect(mayEscalate([confirmed(1, 0), confirmed(1, 0), confirmed(2, 0)], 7, P)).toBe(false);
    expect(mayEscalate([confirmed(1, 0), confirmed(1, 1), confirmed(2, 0, false)], 7, P)).toBe(false);
  });
});

describe("a symbol for a transaction", () => {
  it("comes in arguments of at most 16,381 bytes", () => {
    const symbol = new Uint8Array(65_535).map((_, i) => i);
    const chunks = argumentChunks(symbol);
    expect(chunks.map((chunk) => chunk.length)).toEqual([16_381, 16_381, 16_381, 16_381, 11]);
    expect(concatBytes(...chunks)).toEqual(symbol);
    expect(argumentChunks(symbol.subarray(0, MAX_ARGUMENT_BYTES))).toHaveLength(1);
  });
});
