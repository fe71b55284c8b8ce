// If this fails, a Worker that dies in the middle of a purchase pays twice, or pays for something it forgets.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMiniflare } from "../../dev/edge-runtime.ts";
import { miniflareWorker, type WorkerBundle } from "../../dev/worker-bundle.ts";
import { type SuiServer, serveSui } from "../../localnet/sui/server.ts";
import { createSuiStandIn, type SuiStandIn } from "../../localnet/sui/stand-in.ts";
import { metadataRootHash } from "../../shared/codec/blob-id.ts";
import { createReferenceCodec } from "../../shared/codec/reference-codec.ts";
import { blsPublicKey } from "../../shared/crypto/bls.ts";
import { parseObjectId } from "../../shared/protocol/ids.ts";
import { createSuiClient } from "../../shared/sui/client/sui-client.ts";
import { parseWalrusEvent } from "../../shared/sui/walrus/events.ts";
import { edgeBundle } from "../support/edge/edge-bundle.ts";
import { until } from "../support/until.ts";

const N_SHARDS = 10;
const keypair = Ed25519Keypair.fromSecretKey(new Uint8Array(32).fill(3));
const clock = {
  nowMs: () => Date.now(),
  sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)),
};

/** Lets the test call the Wallet: a registration as JSON in, the outcome as JSON out. */
const DRIVER = `
  export default {
    async fetch(request, env) {
      const body = await request.json();
      const wallet = env.WALLET.getByName("main");
      try {
        const blob = await wallet.register({ ...body, rootHash: new Uint8Array(body.rootHash) });
        return Response.json({ objectId: blob.objectId, txDigest: blob.txDigest });
      } catch (error) {
        return Response.json({ error: error.message, code: error.code ?? null }, { status: 500 });
      }
    },
  };`;

function registration(number: number) {
  const bytes = new Uint8Array(500).fill(number);
  const encoder = createReferenceCodec().openEncoder(N_SHARDS, bytes.length);
  encoder.write(bytes);
  const metadata = encoder.metadata();
  encoder.release();
  return {
    intentId: `register-${number}`,
    principal: "alice",
    blobId: metadata.blobId,
    rootHash: Array.from(metadataRootHash(metadata)),
    unencodedLength: bytes.length,
    nShards: N_SHARDS,
    deletable: false,
    epochs: 2,
    attributes: [],
  };
}

let standIn: SuiStandIn;
let server: SuiServer;
let bundle: WorkerBundle;
let stateDir: string;
beforeAll(async () => {
  const nodes = [3, 3, 2, 2].map((count, index) => ({
    name: `node-${index}`,
    nodeId: parseObjectId(`0x${index + 1}`),
    networkAddress: `127.0.0.1:${9000 + index}`,
    publicKey: blsPublicKey(new Uint8Array(32).fill(index + 1)),
    shards: Array.from({ length: count }, (_, i) => ([0, 3, 6, 8][index] ?? 0) + i),
  }));
  [standIn, bundle] = await Promise.all([
    createSuiStandIn({ seed: "death", clock, nShards: N_SHARDS, nodes }),
    edgeBundle(),
  ]);
  server = await serveSui(standIn, { port: 0, host: "127.0.0.1" });
  standIn.faucet(keypair.toSuiAddress(), { suiMist: 10n ** 11n, walFrost: 10n ** 9n });
  stateDir = mkdtempSync(join(tmpdir(), "floe-wallet-"));
});
afterAll(async () => {
  await server.close();
  standIn.close();
  rmSync(stateDir, { recursive: true, force: true });
});

/** One life of the Worker. `hangAt` is the step at which it stops for ever; `reached` resolves when it does. */
async function startLife(hangAt?: string) {
  const reached = Promise.withResolvers<void>();
  const edge = miniflareWorker(bundle, {
    NETWORK_KIND: "local",
    SUI_RPC_URLS: server.url,
    SYSTEM_OBJECT_ID: standIn.networkIds.systemObjectId,
    STAKING_OBJECT_ID: standIn.networkIds.stakingObjectId,
    WALLET_SECRET_KEY: keypair.getSecretKey(),
    PUBLISHER_ACCESS: "open",
  });
  const driver = {
    name: "driver",
    modules: true,
    script: DRIVER,
    compatibilityDate: edge["compatibilityDate"],
    durableObjects: { WALLET: { className: "Wallet", scriptName: bundle.name, useSQLite: true } },
  };
  const failPoints = {
    name: "fail-points",
    modules: true,
    compatibilityDate: edge["compatibilityDate"],
    script: `export default { fetch: (request, env) => env.NODE.fetch(request) }`,
    serviceBindings: {
      NODE: async (request: { url: string }) => {
        if (new URL(request.url).pathname !== `/${hangAt}`) return new Response("go on");
        reached.resolve();
        return new Promise<Response>(() => {});
      },
    },
  };
  edge["serviceBindings"] = { TEST_FAIL_POINTS: "fail-points" };
  const workers = [driver, edge, failPoints];
  const { url, close } = await startMiniflare(workers, { resourcePersistencePath: stateDir });
  return {
    reached: reached.promise,
    register: async (number: number) => {
      const response = await fetch(url, { method: "POST", body: JSON.stringify(registration(number)) });
      return {
        status: response.status,
        ...((await response.json()) as { objectId?: string; code?: string }),
      };
    },
    kill: close,
  };
}

/** Object IDs of this blob's registrations on chain. */
async function paidFor(number: number): Promise<string[]> {
  const client = createSuiClient({ url: server.url, fetch });
  const eventType = `${standIn.networkIds.originalPackageId}::events::BlobRegistered`;
  const { events } = await client.listEvents({ filter: { eventType }, limit: 50 });
  return events.flatMap((event) => {
    const parsed = parseWalrusEvent(event.eventType, event.bcs);
    return parsed?.kind === "BlobRegistered" && parsed.blob_id === registration(number).blobId
      ? [parsed.object_id]
      : [];
  });
}

describe("a wallet whose process is killed", () => {
  const steps = ["wallet.before-sign", "wallet.after-persist", "wallet.after-send", "wallet.after-effects"];

  it.each(steps.map((step, number) => [step, number] as const))(
    "at %s pays once and answers with what it paid",
    async (step, number) => {
      const first = await startLife(step);
      const unanswered = first.register(number).catch(() => undefined);
      await first.reached;
      await first.kill();
      await unanswered;
      const second = await startLife();
      const answer = await second.register(number);
      expect(answer.status).toBe(200);
      expect(await paidFor(number)).toEqual([answer.objectId]);
      expect((await second.register(number)).objectId).toBe(answer.objectId);
      await second.kill();
    },
  );

  it("finishes by its alarm when nobody asks again", async () => {
    const number = 40;
    const first = await startLife("wallet.after-persist");
    first.register(number).catch(() => undefined);
    await first.reached;
    await first.kill();
    expect(await paidFor(number)).toEqual([]);
    const second = await startLife();
    await until("the registration", async () => (await paidFor(number)).length > 0);
    expect(await paidFor(number)).toHaveLength(1);
    await second.kill();
  });
});
