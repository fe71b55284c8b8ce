// If this fails, faults injected by tests do something else than they say, or a hostile request brings the network down.
import type { GrpcTypes } from "@mysten/sui/grpc";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PROPERTY_TIMEOUT, propertyRuns } from "../../../support/property.ts";
import {
  Calls,
  certifiedBlob,
  clientOf,
  inventedBlob,
  type TestNetwork,
  testNetwork,
  testWallet,
} from "../../../support/sui/network.ts";

const friend = testWallet("friend").toSuiAddress();

async function transferBytes(
  network: TestNetwork,
): Promise<{ transaction: Uint8Array; signatures: string[] }> {
  const { tx } = new Calls(network);
  tx.transferObjects([tx.splitCoins(tx.gas, [5])], friend);
  const transaction = await tx.build({ client: network.client });
  return { transaction, signatures: [(await network.wallet.signTransaction(transaction)).signature] };
}
const received = async (network: TestNetwork) =>
  (await network.client.getBalance({ owner: friend })).balance.balance;

describe("faults", () => {
  it("error answers a method so many times with a status, others not", async () => {
    const { standIn, client } = await testNetwork();
    standIn.setFault({ kind: "error", method: "GetBalance", count: 2 });
    await client.getReferenceGasPrice();
    for (let i = 0; i < 2; i++) {
      await expect(client.getBalance({ owner: friend })).rejects.toMatchObject({ code: "UNAVAILABLE" });
    }
    await client.getBalance({ owner: friend });
    standIn.setFault({ kind: "error" });
    await expect(client.getReferenceGasPrice()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    standIn.setFault({ kind: "none" });
    await client.getReferenceGasPrice();
    expect(() => standIn.setFault({ kind: "error", count: 0 })).toThrow("0 times");
    standIn.close();
  });

  it("lose-reply executes and drops the answer; the same bytes then give the stored result", async () => {
    const network = await testNetwork();
    const send = await transferBytes(network);
    network.standIn.setFault({ kind: "lose-reply", count: 1 });
    await expect(network.client.executeTransaction(send)).rejects.toThrow();
    expect(await received(network)).toBe("5");
    const again = await network.client.executeTransaction(send);
    expect(again.$kind).toBe("Transaction");
    expect(await received(network)).toBe("5");
    network.standIn.close();
  });

  it("lag keeps reads behind until as many checkpoints have followed", async () => {
    const network = await testNetwork();
    network.standIn.setFault({ kind: "lag", checkpoints: 2 });
    const result = await network.client.executeTransaction(await transferBytes(network));
    const digest = result.Transaction?.digest ?? "";
    await expect(network.client.getTransaction({ digest })).rejects.toThrow();
    expect(await received(network)).toBe("0");
    // The stand-in makes the empty checkpoints itself, four a second.
    await network.clock.advance(250);
    expect(await received(network)).toBe("0");
    await network.clock.advance(250);
    expect(await received(network)).toBe("5");
    expect((await network.client.getTransaction({ digest })).$kind).toBe("Transaction");
    network.standIn.close();
  });

  it("congestion cancels use of shared objects with its own error, and only that", async () => {
    const network = await testNetwork();
    network.standIn.setFault({ kind: "congestion", count: 1 });
    expect((await network.client.executeTransaction(await transferBytes(network))).$kind).toBe("Transaction");
    const reserve = async () => {
      const calls = new Calls(network);
      const coin = calls.wal(11_000n);
      calls.give([calls.reserve(1000, 1, coin), coin]);
      return calls.execute();
    };
    const canceled = await reserve();
    expect(canceled?.status.error?.$kind).toBe("CongestedObjects");
    expect((await reserve())?.status.success).toBe(true);
    network.standIn.close();
  });
});

describe("hostile requests", () => {
  const PATH = "http://sui.local/sui.rpc.v2.LedgerService/GetObject";
  const frame = (bytes: Uint8Array, length = bytes.length): Uint8Array => {
    const framed = new Uint8Array(5 + bytes.length);
    new DataView(framed.buffer).setUint32(1, length);
    framed.set(bytes, 5);
    return framed;
  };

  it("get a typed status each, and the network goes on", async () => {
    const errors: unknown[] = [];
    const { standIn, client } = await testNetwork({ onError: (_method, error) => errors.push(error) });
    const status = async (body: Uint8Array | string, url = PATH, type = "application/grpc-web+proto") => {
      const response = await standIn.fetch(
        new Request(url, { method: "POST", body: body as BodyInit, headers: { "content-type": type } }),
      );
      return response.status === 200
        ? Number(/grpc-status: (\d+)/.exec(await response.text())?.[1])
        : response.status;
    };
    expect(await status(new Uint8Array())).toBe(3);
    expect(await status(frame(Uint8Array.of(255, 255, 255)))).toBe(3);
    expect(await status(frame(Uint8Array.of(10, 3), 0xffff_ffff))).toBe(3);
    expect(await status(Uint8Array.of(1, 0, 0, 0, 0))).toBe(3);
    expect(await status(frame(new Uint8Array(2 << 20)))).toBe(8);
    expect(
      await status(frame(new Uint8Array()), "http://sui.local/sui.rpc.v2.LedgerService/constructor"),
    ).toBe(12);
    expect(await status(frame(new Uint8Array()), "http://sui.local/")).toBe(12);
    expect(await status(frame(new Uint8Array()), PATH, "application/json")).toBe(415);
    const text = await standIn.fetch(
      new Request(PATH, {
        method: "POST",
        body: "§§",
        headers: { "content-type": "application/grpc-web-text" },
      }),
    );
    expect(atob(await text.text())).toContain("grpc-status: 3");
    expect((await standIn.fetch(new Request(PATH))).status).toBe(405);
    expect((await standIn.fetch(new Request(PATH, { method: "OPTIONS" }))).status).toBe(204);
    const raw = (id: string, paths: string[]) =>
      client.ledgerService.getObject({ objectId: id, readMask: { paths } }).response;
    await expect(raw("0xzz", ["*"])).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(raw("0x6", ["owner.nobody"])).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(raw(`0x${"9".repeat(64)}`, ["*"])).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(errors).toEqual([]);
    standIn.close();
  });

  it("transactions of garbage are refused, whatever the bytes", async () => {
    const errors: unknown[] = [];
    const { standIn, client } = await testNetwork({ onError: (_method, error) => errors.push(error) });
    const garbage = [
      new Uint8Array(),
      new Uint8Array(1000).fill(0xff),
      new Uint8Array(1000),
      new Uint8Array(200 * 1024).fill(6),
      // A deeply nested vector type.
      new Uint8Array(100_000).fill(6),
    ];
    for (const transaction of garbage) {
      await expect(client.executeTransaction({ transaction, signatures: ["AA=="] })).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
      });
    }
    const simulate = (transaction: GrpcTypes.Transaction) =>
      client.transactionExecutionService.simulateTransaction({ transaction }).response;
    await expect(simulate({})).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    const commands: GrpcTypes.Command[] = [
      { command: { oneofKind: undefined } },
      {
        command: {
          oneofKind: "moveCall",
          moveCall: {
            package: "0x2",
            module: "coin",
            function: "zero",
            typeArguments: ["<<"],
            arguments: [],
          },
        },
      },
      { command: { oneofKind: "transferObjects", transferObjects: { objects: [{}] } } },
    ];
    for (const command of commands) {
      const kind: GrpcTypes.TransactionKind = {
        data: {
          oneofKind: "programmableTransaction",
          programmableTransaction: { inputs: [], commands: [command] },
        },
      };
      await expect(simulate({ sender: friend, kind })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    }
    expect(errors).toEqual([]);
    standIn.close();
  });

  it("real requests with damaged bytes never become an internal error", PROPERTY_TIMEOUT, async () => {
    const errors: unknown[] = [];
    const recorded: Request[] = [];
    const network = await testNetwork({ onError: (method, error) => errors.push([method, error]) });
    const { standIn } = network;
    const client = clientOf({
      fetch: (request) => {
        recorded.push(request.clone());
        return standIn.fetch(request);
      },
    });
    const recording: TestNetwork = { ...network, client };
    await certifiedBlob(recording, inventedBlob(1000));
    await client.listEvents({ limit: 2 });
    const requests = await Promise.all(
      recorded.map(async (request) => ({
        url: request.url,
        body: new Uint8Array(await request.arrayBuffer()),
      })),
    );
    const damage = fc.record({ at: fc.nat(), value: fc.nat(255) });
    const property = fc.asyncProperty(
      fc.constantFrom(...requests),
      fc.array(damage, { minLength: 1, maxLength: 3 }),
      async ({ url, body }, damages) => {
        const damaged = Uint8Array.from(body);
        for (const { at, value } of damages) {
          if (damaged.length > 5) damaged[5 + (at % (damaged.length - 5))] = value;
        }
        const headers = { "content-type": "application/grpc-web+proto" };
        await (
          await standIn.fetch(new Request(url, { method: "POST", body: damaged, headers }))
        ).arrayBuffer();
        expect(errors).toEqual([]);
      },
    );
    await fc.assert(property, propertyRuns(200));
    standIn.close();
  });

  it("a closed network answers that it is unavailable and ends its streams", async () => {
    const { standIn, client } = await testNetwork();
    const stream = client.subscriptionService.subscribeCheckpoints({});
    const reading = (async () => {
      for await (const _ of stream.responses);
    })();
    await new Promise((resolve) => setTimeout(resolve, 20));
    standIn.close();
    await reading;
    await expect(clientOf(standIn, "text").getReferenceGasPrice()).rejects.toMatchObject({
      code: "UNAVAILABLE",
    });
  });
});
