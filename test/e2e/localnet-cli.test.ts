// If this fails, developers cannot run the network alone, or lose what they stored in it when they stop it.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type NetworkFile, parseNetworkFile } from "../../shared/network/network-file.ts";
import { type Finished, runScript } from "../support/run-script.ts";

const scratch = mkdtempSync(join(tmpdir(), "floe-localnet-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const networkFile = join(scratch, "network.json");

/** Starts the network, runs `during` once it is up, then presses Ctrl-C. */
async function session(
  args: readonly string[],
  during: (file: NetworkFile) => Promise<void> = async () => {},
): Promise<Finished & { file: NetworkFile }> {
  let file: NetworkFile | undefined;
  let failure: unknown;
  const finished = await runScript(
    "localnet/cli.ts",
    [...args, "--network-file", networkFile],
    async (line, stop) => {
      if (!line.includes("Ctrl-C stops")) return;
      try {
        file = parseNetworkFile(readFileSync(networkFile, "utf8"));
        await during(file);
      } catch (error) {
        failure = error;
      }
      stop();
    },
  );
  if (failure !== undefined) throw failure;
  if (file === undefined) throw new Error(`never came up:\n${finished.output}`);
  return { ...finished, file };
}

describe("npm run localnet", () => {
  it("starts, names every node and stops cleanly on Ctrl-C", async () => {
    const { code, output, file } = await session(["--nodes", "4", "--shards", "10"], async (each) => {
      const health = await fetch(`${each.nodes?.[0]?.url}/v1/health`);
      expect(health.status).toBe(200);
      const control = await fetch(`${each.control?.url}/v1/network`);
      expect(await control.json()).toMatchObject({ nShards: 10 });
    });
    expect(code).toBe(0);
    expect(output).toContain("node-3");
    expect(file.nodes?.map((node) => node.shards)).toEqual([
      [0, 4, 8],
      [1, 5, 9],
      [2, 6],
      [3, 7],
    ]);
  });

  it("comes back with the same keys, objects and addresses from its data directory", async () => {
    const args = ["--nodes", "4", "--shards", "10", "--data-dir", join(scratch, "data")];
    const first = await session(args);
    const second = await session(args);
    const { wallet, walrus, audit, epoch } = first.file;
    expect(second.file).toMatchObject({ wallet, walrus, audit, epoch });
    // Addresses are the same too, unless another process took a port meanwhile; then the command says so.
    if (!second.output.includes("of the last run is taken")) expect(second.file).toEqual(first.file);
  });

  it("explains itself and refuses what it cannot do, with the numbers", async () => {
    const help = await runScript("localnet/cli.ts", ["--help"]);
    expect(help).toMatchObject({ code: 0, output: expect.stringContaining("usage: npm run localnet") });
    const crowded = await runScript("localnet/cli.ts", ["--nodes", "50", "--shards", "40"]);
    expect(crowded).toMatchObject({
      code: 2,
      output: expect.stringContaining("50 nodes cannot share 40 shards"),
    });
  });
});
