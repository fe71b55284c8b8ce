// If this fails, npm start reports failure although the file came back, because an audit round took long or broke.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, it } from "vitest";
import { auditRound } from "../../../scripts/audit-round.ts";

let server: Server | undefined;
afterEach(() => server?.close());

/** What a person is told when the auditor answers like this. */
async function told(status: number, body: string): Promise<string> {
  server = createServer((_, response) => response.writeHead(status).end(body));
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
  const lines: string[] = [];
  // A listening TCP server's address is never a path.
  const { port } = server.address() as AddressInfo;
  await auditRound(`http://127.0.0.1:${port}`, (line) => lines.push(line));
  return lines.join("\n");
}

it("says that a round is still under way", async () => {
  expect(await told(202, JSON.stringify({ state: "under way" }))).toMatch(/still under way; see http/);
});

it("says with which status a round failed", async () => {
  expect(await told(503, "no")).toContain("FAILED with 503: no");
});

it("says so when the answer cannot be read, and throws nothing", async () => {
  expect(await told(200, "<html>")).toContain("could not be followed");
});
