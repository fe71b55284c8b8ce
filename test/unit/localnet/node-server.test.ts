// If this fails, storage nodes lose bytes of slivers, stall connections, or hold more of a body than they may.
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import type { HttpServer } from "../../../localnet/http-listener.ts";
import { type NodeHandler, serveNode } from "../../../localnet/node-server.ts";
import { bytesReply, jsonReply, textReply } from "../../../localnet/storage-node/reply.ts";
import { until } from "../../support/until.ts";

let server: HttpServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function serve(handler: NodeHandler): Promise<HttpServer> {
  server = await serveNode(handler, { port: 0, host: "127.0.0.1" });
  return server;
}

test("passes method, path, query, headers and a body of several chunks through unchanged", async () => {
  const { url, traffic } = await serve(async (request) => {
    const bytes = await request.body(3_000_000);
    const isWhole = bytes?.every((byte, i) => byte === i % 251);
    const { method, pathname, query, declaredBytes } = request;
    const seen = [method, pathname, query.getAll("c"), request.header("x-one"), declaredBytes, isWhole];
    return jsonReply(seen, 201);
  });
  const body = Uint8Array.from({ length: 3_000_000 }, (_, i) => i % 251);
  const response = await fetch(`${url}/a/../b?c=1&c=2`, { method: "PUT", body, headers: { "x-one": "1" } });
  expect(response.status).toBe(201);
  expect(await response.json()).toMatchObject({
    success: { data: ["PUT", "/b", ["1", "2"], "1", 3_000_000, true] },
  });
  expect(traffic).toMatchObject({ bytesIn: 3_000_000, peakInFlight: 1 });
});

test("answers HEAD with the length of the body it leaves out", async () => {
  const { url, traffic } = await serve(async () => bytesReply(new Uint8Array(77)));
  const response = await fetch(`${url}/x`, { method: "HEAD" });
  expect(response.headers.get("content-length")).toBe("77");
  expect((await response.arrayBuffer()).byteLength).toBe(0);
  expect(traffic.bytesOut).toBe(0);
});

test("a body longer than the handler takes is refused, declared or not, and the refusal arrives", async () => {
  const { url } = await serve(async (request) => {
    const bytes = await request.body(1_000_000);
    return bytes === undefined ? textReply(413, "too long") : textReply(200, String(bytes.length));
  });
  const put = async (byteLength: number, isDeclared: boolean): Promise<[number, string]> => {
    const bytes = new Uint8Array(byteLength);
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue(bytes);
        controller.close();
      },
    });
    const init = { method: "PUT", body: isDeclared ? bytes : stream, duplex: "half" };
    const response = await fetch(url, init as RequestInit);
    return [response.status, await response.text()];
  };
  for (const isDeclared of [true, false]) {
    expect(await put(1_000_000, isDeclared)).toEqual([200, "1000000"]);
    expect(await put(1_000_001, isDeclared)).toEqual([413, "too long"]);
  }
});

test("takes in no more than the first packets of a body that the handler does not ask for", async () => {
  let finish = (): void => {};
  const { port, traffic } = await serve(async () => {
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    return textReply(200, "done");
  });
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write("PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 40000000\r\n\r\n");
  socket.write(new Uint8Array(40_000_000));
  await until("the first bytes", () => traffic.bytesIn > 256 * 1024);
  await sleep(50);
  expect(traffic.bytesIn).toBeLessThan(512 * 1024);
  finish();
  socket.destroy();
});

test("reads a body ahead of the handler when it is told to", async () => {
  const { url, traffic } = await serve(async (request) => {
    request.readAhead();
    await until("the body", () => traffic.bytesIn === 5_000_000);
    return textReply(200, String((await request.body(5_000_000))?.length));
  });
  const response = await fetch(url, { method: "PUT", body: new Uint8Array(5_000_000) });
  expect(await response.text()).toBe("5000000");
});

test("a client that breaks off ends the wait for its body and aborts the signal", async () => {
  const ends: string[] = [];
  const { port } = await serve(async (request) => {
    request.signal.addEventListener("abort", () => ends.push("signal"));
    await request.body(100).catch((error: Error) => ends.push(error.message));
    await until("the client to go", () => request.isGone);
    return textReply(400, "");
  });
  const socket = connect(port, "127.0.0.1");
  socket.write("PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc", () => {
    setTimeout(() => socket.destroy(), 20);
  });
  await until("both ends", () => ends.length === 2);
  expect(ends.sort()).toEqual(["signal", "the request body broke off"]);
});

test("a handler that throws costs the client a 500, and the connection goes on", async () => {
  let calls = 0;
  const { url } = await serve(async () => {
    calls++;
    if (calls === 1) throw new Error("a bug");
    return textReply(200, "fine");
  });
  expect((await fetch(url)).status).toBe(500);
  expect(await (await fetch(url)).text()).toBe("fine");
});
