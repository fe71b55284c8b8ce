// If this fails, a file that is no escalation bundle reaches the code that signs votes.
import { expect, it } from "vitest";
import {
  BUNDLE_FORMAT,
  bundleText,
  type EscalationBundle,
} from "../../../../shared/sui/audit/escalation-bundle.ts";
import { parseBundle } from "../../../../shared/sui/audit/parse-bundle.ts";
import { objectIdOf } from "../../audit/fixtures.ts";

const id = objectIdOf(1);
const bundle: EscalationBundle = {
  format: BUNDLE_FORMAT,
  network: {
    systemObjectId: id,
    stakingObjectId: id,
    slashingManagerId: id,
    auditPackageId: id,
    auditRegistryId: id,
    gatePackageId: id,
    chainId: "chain",
    walrusPackageId: id,
    nShards: 13,
  },
  auditor: id,
  claim: id,
  candidate: id,
  epoch: 2,
  claims: [
    {
      id,
      round: 1,
      mode: 0,
      shard: 3,
      t: 0,
      entry: { blobId: "blob", unencodedLength: 10, endEpoch: 9 },
      pair: 1,
      axis: "primary",
      symbol: 2,
      node: id,
      epoch: 2,
      accuser: id,
      attestors: [id],
      quorum: 2,
      filedMs: 5,
      deadlineMs: 6,
      state: "confirmed",
      isBound: true,
      populationSize: 4,
      populationRoot: "00",
      confirmation: null,
      seed: "00",
    },
  ],
  evidence: [{ claim: id, index: 0, size: 1, leaf: "{}", path: [null, "00"], root: "00", reportTx: null }],
  vote: { voter: null, transactionKind: "AA==" },
};

type Json = Record<string, unknown> | unknown[];

/** Every place of a value in a JSON tree, as the object that holds it and its key. */
function places(value: Json, path: readonly string[] = []): { path: readonly string[]; key: string }[] {
  return Object.entries(value).flatMap(([key, inner]) => [
    { path, key },
    ...(typeof inner === "object" && inner !== null ? places(inner as Json, [...path, key]) : []),
  ]);
}

function changed(path: readonly string[], change: (holder: Record<string, unknown>) => void): string {
  const copy = JSON.parse(bundleText(bundle)) as Record<string, unknown>;
  let holder = copy;
  for (const key of path) holder = holder[key] as Record<string, unknown>;
  change(holder);
  return JSON.stringify(copy);
}

it("reads what it writes", () => {
  expect(parseBundle(bundleText(bundle))).toEqual(bundle);
});

it("refuses every field that is missing, of another kind, or added, and names it", () => {
  const all = places(JSON.parse(bundleText(bundle)) as Json);
  expect(all.length).toBeGreaterThan(50);
  for (const { path, key } of all) {
    const isInList = /^\d+$/.test(key);
    const wrong = changed(path, (holder) => {
      holder[key] = { other: 1 };
    });
    expect(() => parseBundle(wrong), `${path.join(".")}.${key} changed`).toThrow(
      isInList ? path.at(-1) : key,
    );
    if (isInList) continue;
    const missing = changed(path, (holder) => {
      delete holder[key];
    });
    expect(() => parseBundle(missing), `${path.join(".")}.${key} missing`).toThrow(key);
  }
  const added = changed(["vote"], (holder) => {
    holder["signature"] = "AA==";
  });
  expect(() => parseBundle(added)).toThrow("vote.signature");
});

it.each([
  ["nothing", ""],
  ["a list", "[]"],
  ["another format", JSON.stringify({ ...bundle, format: "floe-audit-bundle/2" })],
  ["an ID in short form", JSON.stringify({ ...bundle, candidate: "0x1" })],
  ["more claims than fit a vote", JSON.stringify({ ...bundle, claims: Array(17).fill(bundle.claims[0]) })],
  ["more bytes than a bundle has", " ".repeat((1 << 20) + 1)],
])("refuses %s", (_what, text) => {
  expect(() => parseBundle(text)).toThrow(expect.objectContaining({ code: "MALFORMED_BUNDLE" }));
});
