// If this fails, a file or an address mistyped at the command line is answered with a stack trace, or after hours.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { audit } from "../../../cli/audit/audit.ts";
import { InputError } from "../../../host/command.ts";

const scratch = mkdtempSync(join(tmpdir(), "floe-inputs-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const path = (name: string): string => join(scratch, name);
writeFileSync(path("other.json"), '{"totals": 1}');
writeFileSync(path("no.json"), "# text");

const PLACE = ["--network", "testnet"];
const verify = (...args: string[]) => audit.run(["verify", "5", ...PLACE, ...args]);
const run = (...args: string[]) => audit.run(["run", "--once", ...PLACE, ...args]);

// Each is refused before any chain is asked: this test has no testnet.
it.each<[string, () => Promise<number>, string]>([
  ["an export that is another JSON", () => verify("--export", path("other.json")), "is no export of a round"],
  ["an export that is no JSON", () => verify("--export", path("no.json")), "no.json is not JSON"],
  // `fetch` refuses the discard port, so nobody who listens there makes a difference.
  [
    "an auditor that does not answer",
    () => verify("--auditor", "http://127.0.0.1:9/"),
    "5/export does not answer",
  ],
  ["an auditor that is no URL", () => verify("--auditor", "auditor.example"), "--auditor takes a URL"],
  ["a ledger that is another file", () => run("--ledger", path("no.json")), "file is not a database"],
  ["a ledger in no folder", () => run("--ledger", path("nowhere/l")), "unable to open database file"],
])("says in a line what is wrong with %s", async (_what, command, said) => {
  const error = await command().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InputError);
  expect(String(error)).toContain(said);
});

it("does not begin a round whose export it could not write", async () => {
  await expect(run("--out", path("nowhere/out.json"))).rejects.toMatchObject({ code: "ENOENT" });
});

it("does not read an answer without end", async () => {
  const chunk = new Uint8Array(1024 * 1024).fill(32);
  const server = createServer((_request, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on("drain", more);
    more();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    await expect(verify("--auditor", `http://127.0.0.1:${port}`)).rejects.toThrow(
      "answered more than 67108864 bytes",
    );
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
