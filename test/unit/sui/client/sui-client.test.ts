// If this fails, one dead or slow Sui endpoint stops publishing although others are up.
import { GrpcTypes } from "@mysten/sui/grpc";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SUI_LIMITS } from "../../../../shared/sui/client/limits.ts";
import { createSuiClient, type Fetch, suiCall } from "../../../../shared/sui/client/sui-client.ts";

const { GetServiceInfoResponse } = GrpcTypes;

/** A grpc-web answer: one data frame, unless there is a status, and the trailer. */
function answer(chainId: string, status = 0): Response {
  const frame = (flag: number, bytes: Uint8Array) => {
    const framed = new Uint8Array(5 + bytes.length);
    new DataView(framed.buffer).setUint32(1, bytes.length);
    framed[0] = flag;
    framed.set(bytes, 5);
    return framed;
  };
  const data = GetServiceInfoResponse.toBinary(GetServiceInfoResponse.create({ chainId }));
  const trailer = new TextEncoder().encode(`grpc-status: ${status}\r\ngrpc-message: said%20so\r\n`);
  const frames = status === 0 ? [frame(0, data), frame(0x80, trailer)] : [frame(0x80, trailer)];
  return new Response(new Blob(frames), {
    headers: { "content-type": "application/grpc-web+proto" },
  });
}

const BAD: Record<string, () => Promise<Response>> = {
  refused: () => Promise.reject(new TypeError("fetch failed")),
  hanging: () => {
    // Time passes when somebody waits in vain, and only then.
    setImmediate(() => vi.advanceTimersByTime(SUI_LIMITS.suiRequestTimeoutMs));
    return new Promise<Response>(() => {});
  },
  "answering 503": async () => new Response("no", { status: 503 }),
  "answering 429": async () => new Response("no", { status: 429 }),
  "saying UNAVAILABLE": async () => answer("", 14),
  "one that has forgotten": async () => answer("", 11),
  "breaking off": async () =>
    new Response(new ReadableStream({ pull: (controller) => controller.error(new Error("reset")) })),
  "cut off": async () => {
    const whole = new Uint8Array(await answer("cut").arrayBuffer());
    return new Response(whole.slice(0, whole.length >> 1), {
      headers: { "content-type": "application/grpc-web+proto" },
    });
  },
  "answering with a web page": async () =>
    new Response("<html>", { headers: { "content-type": "text/html" } }),
  endless: async () =>
    new Response(
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(SUI_LIMITS.suiReplyBytes)),
      }),
    ),
};
const CODES: Record<string, string> = {
  hanging: "SUI_TIMEOUT",
  "answering 429": "SUI_OVERLOADED",
  endless: "SUI_MALFORMED",
  "one that has forgotten": "SUI_FORGOTTEN",
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

function clientOf(first: () => Promise<Response>, second: () => Promise<Response>) {
  const asked: string[] = [];
  const fetch: Fetch = (url) => {
    asked.push(new URL(url).host);
    return url.startsWith("https://first.example/") ? first() : second();
  };
  const url = ["https://first.example", "https://second.example/"];
  return { asked, client: createSuiClient({ url, fetch }) };
}
const chainId = (client: ReturnType<typeof createSuiClient>) =>
  suiCall("asking", async () => (await client.ledgerService.getServiceInfo({})).response.chainId);

describe("a list of endpoints", () => {
  it.each(Object.keys(BAD))(
    "goes on with the second when the first is %s, and stays with it",
    async (kind) => {
      const { asked, client } = clientOf(BAD[kind] ?? fail, async () => answer("right"));
      expect(await chainId(client)).toBe("right");
      expect(await chainId(client)).toBe("right");
      expect(asked).toEqual(["first.example", "second.example", "second.example"]);
    },
  );

  it.each(Object.keys(BAD))("says by code that both are %s", async (kind) => {
    const { client } = clientOf(BAD[kind] ?? fail, BAD[kind] ?? fail);
    await expect(chainId(client)).rejects.toMatchObject({ code: CODES[kind] ?? "SUI_UNREACHABLE" });
  });

  it.each([
    [3, "SUI_REJECTED"],
    [5, "SUI_NOT_FOUND"],
  ])("asks only one when the request itself gets status %i", async (status, code) => {
    const { asked, client } = clientOf(async () => answer("", status), fail);
    await expect(chainId(client)).rejects.toMatchObject({ code, message: "asking: said so" });
    expect(asked).toEqual(["first.example"]);
  });
});

function fail(): never {
  throw new Error("must not be asked");
}
