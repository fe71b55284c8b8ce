// If this fails, a newcomer's first command does not work.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parseNetworkFile } from "../../shared/network/network-file.ts";
import { type Finished, runScript } from "../support/run-script.ts";

const scratch = mkdtempSync(join(tmpdir(), "floe-start-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const start = (
  args: readonly string[],
  onLine?: (line: string, stop: () => void) => void,
): Promise<Finished> => runScript("scripts/start.ts", args, onLine);

describe("npm start", () => {
  it("--once publishes a file, reads it back, says what happened and exits 0", async () => {
    const file = join(scratch, "hello.txt");
    writeFileSync(file, "hello from the edge\n".repeat(500));
    const networkFile = join(scratch, "network.json");
    const { code, output } = await start(["--once", "--file", file, "--network-file", networkFile]);
    expect(output).toContain("the bytes are equal");
    expect(output).toMatch(/certificate\s+epoch 1, signed by \d+ of 13 nodes with \d+ of 40 shards/);
    expect(output).toMatch(/curl -T/);
    expect(output).toMatch(/round \d+ done: (\d+) of \1 challenges passed/);
    expect(output).toContain("13 healthy");
    expect(code).toBe(0);
    const network = parseNetworkFile(readFileSync(networkFile, "utf8"));
    expect(network.nodes).toHaveLength(13);
    expect(network.edge?.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  });

  it("stays up until Ctrl-C and then stops cleanly", async () => {
    const { code, output } = await start(["--port", "0", "--no-audit"], (line, stop) => {
      if (line.includes("staying up")) stop();
    });
    expect(output).toContain("staying up");
    expect(code).toBe(0);
  });

  it("explains itself and refuses options it does not know", async () => {
    const help = await start(["--help"]);
    expect(help.code).toBe(0);
    expect(help.output).toContain("usage: npm start");
    const wrong = await start(["--nodes", "50", "--shards", "40"]);
    expect(wrong.code).toBe(2);
    expect(wrong.output).toContain("50 nodes cannot share 40 shards");
    const unknown = await start(["--colour"]);
    expect(unknown.code).toBe(2);
  });
});
