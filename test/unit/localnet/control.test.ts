// If this fails, a web page can break or drain a developer's local network, or tools cannot drive it.
import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Controlled, serveControl } from "../../../localnet/control.ts";
import type { HttpServer } from "../../../localnet/http-listener.ts";
import type { NetworkFile } from "../../../shared/network/network-file.ts";

const calls: unknown[][] = [];
const file = { nShards: 40, epoch: 1 } as NetworkFile;
const network: Controlled = {
  file,
  hasNode: (name) => name === "node-0",
  setNodeFault: (...args) => void calls.push(["fault", ...args]),
  setDistance: (...args) => void calls.push(["distance", ...args]),
  setNodeDistance: (...args) => void calls.push(["node distance", ...args]),
  restartNode: async (...args) => void calls.push(["restart", ...args]),
  setSuiFault: (...args) => void calls.push(["sui", ...args]),
  setPrices: (...args) => void calls.push(["prices", ...args]),
  advanceEpoch: async () => 7,
  async faucet(...args) {
    calls.push(["faucet", ...args]);
    return "digest";
  },
};

let server: HttpServer;
const errors: unknown[] = [];
beforeAll(async () => {
  server = await serveControl(network, { port: 0, onError: (error) => errors.push(error) });
});
afterAll(() => server.close());

/** Through node:http, because fetch does not let a caller choose Host and Origin. */
function ask(
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; json: unknown }> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port: server.port, method, path, headers };
    const request = httpRequest(options, (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, json: JSON.parse(text) }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

const ADDRESS = `0x${"ab".repeat(32)}`;

describe("does what it is asked:", () => {
  test.each([
    ["GET", "/v1/network", undefined, file, undefined],
    [
      "POST",
      "/v1/nodes/node-0/fault",
      { kind: "slow", ms: 250 },
      { node: "node-0", kind: "slow" },
      ["fault", "node-0", { kind: "slow", ms: 250 }],
    ],
    [
      "POST",
      "/v1/nodes/node-0/fault",
      { kind: "drop-slivers" },
      { node: "node-0", kind: "drop-slivers" },
      ["fault", "node-0", { kind: "drop-slivers", fraction: 1, heal: false }],
    ],
    [
      "POST",
      "/v1/nodes/node-0/fault",
      { kind: "distance", latencyMs: 200, bandwidth: 5e6 },
      { node: "node-0", kind: "distance" },
      ["node distance", "node-0", { latencyMs: 200, bandwidth: 5e6 }],
    ],
    [
      "POST",
      "/v1/distance",
      { latencyMs: 80, spread: 1.6 },
      { latencyMs: 80, spread: 1.6 },
      ["distance", { latencyMs: 80, spread: 1.6 }],
    ],
    ["POST", "/v1/nodes/node-0/restart", {}, { node: "node-0" }, ["restart", "node-0"]],
    [
      "POST",
      "/v1/sui/fault",
      { kind: "lag", checkpoints: 3 },
      { kind: "lag" },
      ["sui", { kind: "lag", checkpoints: 3 }],
    ],
    [
      "POST",
      "/v1/sui/fault",
      { kind: "lose-reply", method: "ExecuteTransaction", count: 1 },
      { kind: "lose-reply" },
      ["sui", { kind: "lose-reply", method: "ExecuteTransaction", count: 1 }],
    ],
    [
      "POST",
      "/v1/sui/price",
      { storage: 12_000, write: "10000000000000" },
      { storage: "12000", write: "10000000000000" },
      ["prices", { storagePricePerUnit: 12_000n, writePricePerUnit: 10_000_000_000_000n }],
    ],
    ["POST", "/v1/epoch/advance", {}, { epoch: 7 }, undefined],
    [
      "POST",
      "/v1/faucet",
      { address: ADDRESS, suiMist: 5, walFrost: "18446744073709551615" },
      { digest: "digest" },
      ["faucet", ADDRESS, { suiMist: 5n, walFrost: 2n ** 64n - 1n }],
    ],
  ])("%s %s %j", async (method, path, body, answer, call) => {
    calls.length = 0;
    const got = await ask(method, path, body && JSON.stringify(body));
    expect(got).toEqual({ status: 200, json: answer });
    expect(calls).toEqual(call === undefined ? [] : [call]);
  });
});

describe("refuses, and does nothing:", () => {
  test.each([
    ["a rebound host name", 403, "GET", "/v1/network", undefined, { host: "evil.example" }],
    ["its port under another name", 403, "GET", "/v1/network", undefined, { host: "localhost:PORT" }],
    ["a page of another origin", 403, "POST", "/v1/epoch/advance", "{}", { origin: "http://evil.example" }],
    ["a sandboxed page", 403, "POST", "/v1/epoch/advance", "{}", { origin: "null" }],
    [
      "another port of this machine",
      403,
      "POST",
      "/v1/epoch/advance",
      "{}",
      { origin: "http://127.0.0.1:1" },
    ],
    ["an unknown path", 404, "GET", "/v1/secrets", undefined, {}],
    ["an unknown node", 404, "POST", "/v1/nodes/node-9/restart", "{}", {}],
    ["a preflight", 405, "OPTIONS", "/v1/network", undefined, {}],
    ["GET of an action", 405, "GET", "/v1/epoch/advance", undefined, {}],
    ["a body that is no JSON", 400, "POST", "/v1/nodes/node-0/fault", "kind=down", {}],
    ["an unknown kind", 400, "POST", "/v1/nodes/node-0/fault", '{"kind":"explode"}', {}],
    ["a field the kind does not take", 400, "POST", "/v1/nodes/node-0/fault", '{"kind":"down","ms":1}', {}],
    ["a fraction above 1", 400, "POST", "/v1/nodes/node-0/fault", '{"kind":"drop-slivers","fraction":2}', {}],
    ["a negative delay", 400, "POST", "/v1/nodes/node-0/fault", '{"kind":"slow","ms":-1}', {}],
    [
      "an amount above u64",
      400,
      "POST",
      "/v1/faucet",
      `{"address":"${ADDRESS}","suiMist":"18446744073709551616"}`,
      {},
    ],
    ["a price without the other", 400, "POST", "/v1/sui/price", '{"storage":1}', {}],
    ["a price below 0", 400, "POST", "/v1/sui/price", '{"storage":-1,"write":1}', {}],
    ["a price above 10,000 WAL", 400, "POST", "/v1/sui/price", '{"storage":"10000000000001","write":1}', {}],
    ["a latency above 10 s", 400, "POST", "/v1/distance", '{"latencyMs":10001}', {}],
    [
      "a spread for one node",
      400,
      "POST",
      "/v1/nodes/node-0/fault",
      '{"kind":"distance","latencyMs":1,"spread":2}',
      {},
    ],
    ["a malformed address", 400, "POST", "/v1/faucet", '{"address":"0xzz"}', {}],
    ["an endless body", 413, "POST", "/v1/faucet", "x".repeat(20_000), {}],
  ] as const)("%s with %i", async (_claim, status, method, path, body, headers) => {
    calls.length = 0;
    const real = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, value.replace("PORT", String(server.port))]),
    );
    const got = await ask(method, path, body, real);
    expect(got).toEqual({ status, json: { error: expect.any(String) } });
    expect(calls).toEqual([]);
    expect(errors).toEqual([]);
  });
});
