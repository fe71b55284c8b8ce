// If this fails, the command `floe` gives files another name or other slivers than Walrus does, or loses bytes.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ROOT } from "../../host/project-root.ts";
import { type Finished, runScript } from "../support/run-script.ts";
import { prng, sameBytes } from "../support/system.ts";
import { readVectors } from "../support/vectors.ts";

interface Case {
  readonly nShards: number;
  readonly size: number;
  readonly content: { readonly kind: "prng" | "fill"; readonly seed?: number; readonly byte?: number };
  readonly blobId: string;
  readonly rootHash: string;
  readonly encodedLength: number;
  readonly symbolSize: number;
  readonly metadataHash: string;
}

const scratch = mkdtempSync(join(tmpdir(), "floe-cli-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const floe = (...args: string[]) => runScript("cli/main.ts", args);
const path = (name: string): string => join(scratch, name);

function vector(nShards: number, size: number): Case & { readonly bytes: Uint8Array } {
  const { cases } = readVectors("redstuff.json") as { cases: Case[] };
  const found = cases.find(
    (each) => each.nShards === nShards && each.size === size && each.content.kind === "prng",
  );
  if (found === undefined) throw new Error(`no vector of ${size} bytes at ${nShards} shards`);
  return { ...found, bytes: prng(found.content.seed ?? 0, size) };
}

describe("floe blob-id", () => {
  it("prints the official blob ID, for 1000 shards unless told otherwise", async () => {
    const { bytes, blobId } = vector(1000, 200_000);
    writeFileSync(path("a.bin"), bytes);
    expect(await floe("blob-id", path("a.bin"))).toEqual({ code: 0, output: `${blobId}\n` });
  });

  it("refuses what it cannot use, saying how to", async () => {
    expect(await floe("blob-id")).toMatchObject({
      code: 2,
      output: expect.stringContaining("usage: floe blob-id"),
    });
    const few = await floe("blob-id", "--shards", "3", path("a.bin"));
    expect(few).toMatchObject({ code: 2, output: expect.stringContaining('from 4 to 4096, not "3"') });
    const missing = await floe("blob-id", path("nothing.bin"));
    expect(missing).toMatchObject({ code: 1, output: expect.stringContaining("ENOENT") });
    expect(missing.output).not.toContain("at ");
    writeFileSync(path("big.bin"), new Uint8Array(2 * 3 * 65534 + 1));
    const big = await floe("blob-id", "--shards", "4", path("big.bin"));
    expect(big).toMatchObject({ code: 1, output: expect.stringContaining("393205 bytes") });
    expect(big.output).toContain("393204");
    expect(await floe("colour")).toMatchObject({ code: 2 });
    expect(await floe("blob-id", "--colour", path("a.bin"))).toMatchObject({
      code: 2,
      output: expect.stringContaining("floe blob-id takes no --colour; it takes --shards\n"),
    });
    expect(await floe("blob-id", scratch)).toMatchObject({ code: 2 });
    expect(await floe("--help")).toMatchObject({ code: 0, output: expect.stringContaining("usage: floe") });
  });
});

describe("standard input in the place of a file", () => {
  const bytes = prng(7, 100_000);
  const throughShell = (script: string): Finished => {
    const { status, stdout, stderr } = spawnSync("bash", ["-euo", "pipefail", "-c", script], {
      cwd: ROOT,
      encoding: "utf8",
      env: { ...process.env, NODE: process.execPath, INPUT: path("input.bin") },
    });
    return { code: status, output: `${stdout}${stderr}` };
  };

  it("gives the same blob ID through a pipe, a redirection and a named pipe", async () => {
    writeFileSync(path("input.bin"), bytes);
    const plain = await floe("blob-id", path("input.bin"));
    expect(plain.code).toBe(0);
    for (const script of [
      'cat "$INPUT" | "$NODE" cli/main.ts blob-id -',
      'cat "$INPUT" | "$NODE" cli/main.ts blob-id /dev/stdin',
      '"$NODE" cli/main.ts blob-id - < "$INPUT"',
      '"$NODE" cli/main.ts blob-id /dev/stdin < "$INPUT"',
      '"$NODE" cli/main.ts blob-id <(cat "$INPUT")',
    ])
      expect(throughShell(script), script).toEqual(plain);
  });

  it("is encoded and read as JSON, too", async () => {
    writeFileSync(path("input.bin"), bytes);
    const encoded = await floe("encode", "--json", "--shards", "13", path("input.bin"));
    expect(throughShell('cat "$INPUT" | "$NODE" cli/main.ts encode --json --shards 13 -')).toEqual(encoded);
    const verify = "audit verify 5 --network testnet --export -";
    expect(throughShell(`echo '{"totals": 1}' | "$NODE" cli/main.ts ${verify}`)).toMatchObject({
      code: 1,
      output: expect.stringContaining("- is no export of a round"),
    });
    const vote = "audit vote --network testnet --bundle -";
    expect(throughShell(`echo '{"error": 1}' | "$NODE" cli/main.ts ${vote} --node 0x1`)).toMatchObject({
      code: 1,
      output: expect.stringContaining("[MALFORMED_BUNDLE]"),
    });
  });

  it("cannot be read by two options of one command", async () => {
    expect(await floe("audit", "verify", "5", "--export", "-", "--previous", "-")).toMatchObject({
      code: 2,
      output: expect.stringContaining("standard input is read once"),
    });
  });
});

describe("floe encode", () => {
  it("--json prints the sizes and hashes of the official encoding", async () => {
    const { bytes, ...expected } = vector(13, 200_000);
    writeFileSync(path("b.bin"), bytes);
    const { code, output } = await floe("encode", "--json", "--shards", "13", path("b.bin"));
    expect(code).toBe(0);
    const report = JSON.parse(output) as Record<string, unknown> & { primary: string[]; secondary: string[] };
    expect(report).toMatchObject({
      blobId: expected.blobId,
      rootHash: expected.rootHash,
      unencodedLength: expected.size,
      encodedLength: expected.encodedLength,
      symbolBytes: expected.symbolSize,
      metadataHash: expected.metadataHash,
    });
    expect(report.primary).toHaveLength(13);
    expect(new Set([...report.primary, ...report.secondary]).size).toBe(26);
    expect(output.trim().split("\n")).toHaveLength(1);
  });
});

describe("floe decode", () => {
  const bytes = prng(5, 12_345);
  const encodeTo = async (dir: string): Promise<void> => {
    writeFileSync(path("c.bin"), bytes);
    const { code } = await floe("encode", "--shards", "10", "--out", path(dir), path("c.bin"));
    expect(code).toBe(0);
  };
  const keep = (dir: string, wanted: (name: string) => boolean): void => {
    for (const name of readdirSync(path(dir))) if (!wanted(name)) rmSync(path(join(dir, name)));
  };
  const decodeFrom = (dir: string, out: string) =>
    floe("decode", "--shards", "10", "--length", "12345", "--out", path(out), path(dir));

  it("rebuilds the file from the last four primary slivers without metadata", async () => {
    await encodeTo("primary");
    keep("primary", (name) => /^primary-[6789]\./.test(name));
    expect(await decodeFrom("primary", "1.bin")).toMatchObject({ code: 0 });
    expect(sameBytes(readFileSync(path("1.bin")), bytes)).toBe(true);
  });

  it("rebuilds the file from seven secondary slivers, leaving out one that metadata shows to be wrong", async () => {
    await encodeTo("secondary");
    keep("secondary", (name) => name === "metadata.bin" || /^secondary-[2-9]\./.test(name));
    const wrong = path("secondary/secondary-3.sliver");
    const sliver = readFileSync(wrong);
    sliver[10] = (sliver[10] ?? 0) ^ 1;
    writeFileSync(wrong, sliver);
    const { code, output } = await decodeFrom("secondary", "2.bin");
    expect(output).toContain("left out secondary-3.sliver");
    expect(code).toBe(0);
    expect(sameBytes(readFileSync(path("2.bin")), bytes)).toBe(true);
  });

  it("names the numbers when slivers are too few, and refuses slivers that contradict each other", async () => {
    await encodeTo("few");
    keep("few", (name) => /^(primary-[012]|secondary-0)\./.test(name));
    const few = await decodeFrom("few", "3.bin");
    expect(few).toMatchObject({
      code: 1,
      output: expect.stringContaining("have 3 primary and 1 secondary slivers; 4"),
    });

    await encodeTo("mixed");
    keep("mixed", (name) => /^primary-[6789]\./.test(name));
    const forged = readFileSync(path("mixed/primary-9.sliver"));
    forged[20] = (forged[20] ?? 0) ^ 0xff;
    writeFileSync(path("mixed/primary-9.sliver"), forged);
    writeFileSync(path("mixed/secondary-0.sliver"), readFileSync(path("few/secondary-0.sliver")));
    const mixed = await decodeFrom("mixed", "4.bin");
    expect(mixed).toMatchObject({ code: 1, output: expect.stringContaining("CONTRADICTORY_SLIVERS") });
  });
});
