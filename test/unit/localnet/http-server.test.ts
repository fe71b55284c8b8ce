// If this fails, storage nodes and the Sui stand-in lose bytes, hang connections or survive being "down".
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import type { HttpServer } from "../../../localnet/http-listener.ts";
import { type FetchHandler, serveFetch } from "../../../localnet/http-server.ts";

let server: HttpServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function serve(handler: FetchHandler): Promise<HttpServer> {
  server = await serveFetch(handler, { port: 0, host: "127.0.0.1" });
  return server;
}

/** Sends raw bytes and returns all that comes back until the server closes the connection. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
    });
    socket.on("error", () => resolve(answer));
    socket.on("close", () => resolve(answer));
  });
}

test("passes method, path, query, headers and a body of several chunks through unchanged", async () => {
  const { url } = await serve(async (request) => {
    const bytes = new Uint8Array(await request.arrayBuffer());
    const { pathname, search } = new URL(request.url);
    const seen = [request.method, pathname, search, request.headers.get("x-one"), bytes.length];
    return Response.json(seen, { status: 201, headers: { "x-two": "2" } });
  });
  const body = new Uint8Array(3_000_000).fill(7);
  const response = await fetch(`${url}/a/b?c=1&c=2`, { method: "PUT", body, headers: { "x-one": "1" } });
  expect([response.status, response.headers.get("x-two")]).toEqual([201, "2"]);
  expect(await response.json()).toEqual(["PUT", "/a/b", "?c=1&c=2", "1", 3_000_000]);
});

test("streams an answer chunk by chunk and tells the handler when the client goes away", async () => {
  let cancelled = false;
  let aborted = false;
  const { url } = await serve((request) => {
    request.signal.addEventListener("abort", () => {
      aborted = true;
    });
    return new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode("first")),
        cancel() {
          cancelled = true;
        },
      }),
    );
  });
  const abort = new AbortController();
  const response = await fetch(url, { signal: abort.signal });
  const reader = response.body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("first");
  abort.abort();
  await expect.poll(() => [cancelled, aborted]).toEqual([true, true]);
});

test("keeps connections alive between requests", async () => {
  const { port } = await serve(() => new Response("x", { headers: { "content-length": "1" } }));
  const get = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
  const last = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
  const answer = await raw(port, get + get + last);
  expect(answer.match(/HTTP\/1\.1 200/g)).toHaveLength(3);
});

test("goes on with the next request after a body that nobody read", async () => {
  const { port } = await serve(() => new Response("x", { headers: { "content-length": "1" } }));
  const body = "y".repeat(60_000);
  const put = `PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  const answer = await raw(port, `${put}GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
  expect(answer.match(/HTTP\/1\.1 200/g)?.length ?? 0).toBeGreaterThanOrEqual(1);
  const small = "PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nyy";
  const both = await raw(port, `${small}GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
  expect(both.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
});

test("delivers an answer given before the body was read, then ends the connection", async () => {
  const { url } = await serve(() => new Response("too long", { status: 413 }));
  const response = await fetch(url, { method: "PUT", body: new Uint8Array(4_000_000) });
  expect([response.status, await response.text()]).toEqual([413, "too long"]);
});

test("refuses headers above 32 KiB with 431 and a thrown handler costs a 500", async () => {
  const { url } = await serve(() => {
    throw new Error("boom");
  });
  expect((await fetch(url, { headers: { big: "x".repeat(33_000) } })).status).toBe(431);
  const response = await fetch(url);
  expect([response.status, await response.text()]).toEqual([500, "internal error\n"]);
});

test("looks dead while it does not accept, and lives on the same port afterwards", async () => {
  const { url, setAccepting } = await serve(() => new Response("alive"));
  expect(await (await fetch(url)).text()).toBe("alive");
  setAccepting(false);
  await expect(fetch(url)).rejects.toThrow("fetch failed");
  setAccepting(true);
  // The client's pool may still hold a connection whose reset it has not read yet.
  const text = () => fetch(url).then((response) => response.text());
  await expect.poll(() => text().catch(() => "dead")).toBe("alive");
});

test("close ends busy and idle connections at once", async () => {
  const { url, close } = await serve(() => new Promise<Response>(() => {}));
  const hanging = fetch(url).catch((error: unknown) => error);
  await sleep(20);
  await close();
  expect(await hanging).toBeInstanceOf(TypeError);
});
