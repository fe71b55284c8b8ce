// If this fails, the deployed auditor does not audit, loses rounds when its process dies, or shows its key.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startAuditor } from "../../dev/auditor-runtime.ts";
import type { EdgeOptions, EdgeRuntime } from "../../dev/edge-runtime.ts";
import { auditorBundle } from "../support/edge/edge-bundle.ts";
import { runScript } from "../support/run-script.ts";
import { prng, type System, startSystem } from "../support/system.ts";

interface RoundJson {
  readonly no: number;
  readonly state: string;
  readonly seedSource: string;
  readonly tx: string | null;
  readonly totals: { readonly passed: number; readonly challenged: number };
}

let system: System;
let auditor: EdgeRuntime;
let folder: string;
const log: string[] = [];
/** Attempts of the first life after which it stands still, in the middle of a round, until it is killed. */
let attemptsLeft = Number.POSITIVE_INFINITY;
const stoodStill = Promise.withResolvers<void>();
const failPoint = async (name: string): Promise<void> => {
  if (name !== "audit.after-attempt" || --attemptsLeft > 0) return;
  stoodStill.resolve();
  await new Promise(() => {});
};

const start = async (options: Partial<EdgeOptions> = {}): Promise<EdgeRuntime> =>
  startAuditor({
    bundle: await auditorBundle(),
    network: system.network.file,
    stateDir: join(folder, "state"),
    bindings: { AUDITOR_SECRET_KEY: system.network.file.auditors?.[0]?.secretKey ?? "" },
    onLog: (line) => log.push(line),
    ...options,
  });
const withFailPoint = (worker: Record<string, unknown>): Record<string, unknown> => ({
  ...worker,
  serviceBindings: {
    ...(worker["serviceBindings"] as object | undefined),
    TEST_FAIL_POINTS: async ({ url }: { url: string }) => {
      await failPoint(new URL(url).pathname.slice(1));
      return new Response("go on");
    },
  },
});
const get = (path: string, init?: RequestInit): Promise<Response> => fetch(auditor.url + path, init);
const run = async (): Promise<RoundJson> =>
  (await (await get("/v1/audit/run", { method: "POST" })).json()) as RoundJson;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "floe-auditor-"));
  system = await startSystem({ seed: "auditor-worker" });
  await system.publishBlob(prng(5, 50_000), "epochs=5");
  auditor = await start({ adapt: withFailPoint });
});
afterAll(async () => {
  await auditor.close();
  await system[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe("the auditor in workerd", () => {
  it("holds a round on demand and shows it on every face, without its key", async () => {
    expect(await (await get("/v1/audit/nodes")).json()).toMatchObject({ nodes: [] });
    const round = await run();
    expect(round.state).toBe("done");
    expect(round.totals.passed).toBe(round.totals.challenged);
    expect(round.totals.passed).toBeGreaterThan(0);
    const paths = [
      "/v1/audit/nodes",
      "/v1/audit/nodes/node-3",
      "/v1/audit/nodes/node-3/history?days=1",
      "/v1/audit/rounds",
      `/v1/audit/rounds/${round.no}`,
      `/v1/audit/rounds/${round.no}/draws`,
      `/v1/audit/rounds/${round.no}/proof/3/0/0`,
      `/v1/audit/rounds/${round.no}/export`,
      "/v1/audit/population/1",
      "/v1/audit/claims",
      "/metrics",
      "/audit",
    ];
    for (const path of paths) {
      const response = await get(path);
      expect(response.status, path).toBe(200);
      expect(await response.text(), path).not.toContain("suiprivkey");
    }
    expect(log.join("\n")).not.toContain("suiprivkey");
    const page = await get("/audit");
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(await page.text()).not.toMatch(/<script|javascript:|\son[a-z]+=/i);
  });

  it("answers unknown paths, nodes and methods with typed errors", async () => {
    for (const path of ["/v1", "/v1/audit/nodes/nobody", "/v1/audit/rounds/7", "/v1/audit/rounds/x/export"]) {
      const response = await get(path);
      expect(response.status, path).toBe(404);
      expect(await response.json()).toMatchObject({ error: { code: "NOT_FOUND" } });
    }
    expect((await get("/v1/audit/nodes", { method: "POST" })).status).toBe(405);
    expect((await get("/v1/audit/run")).status).toBe(405);
  });

  it("goes on with a round after its process died, by itself", async () => {
    const before = ((await (await get("/v1/audit/rounds")).json()) as { rounds: RoundJson[] }).rounds;
    attemptsLeft = 10;
    const running = run().catch(() => undefined);
    const known = (): Promise<RoundJson[]> =>
      get("/v1/audit/rounds")
        .then((response) => response.json())
        .then((json) => (json as { rounds: RoundJson[] }).rounds);
    await stoodStill.promise;
    expect((await known())[0]?.state).toBe("challenging");
    await auditor.close();
    await running;
    auditor = await start();
    // Nobody asks for a round now: the alarm that was set before the death goes on.
    await get("/v1/audit/nodes");
    await expect.poll(async () => (await known())[0]?.state, { interval: 100 }).toBe("done");
    expect(await known()).toHaveLength(before.length + 1);
  });

  it("can be recomputed from the command line, and from another host's round as well", async () => {
    const networkFile = join(folder, "network.json");
    const exported = join(folder, "round.json");
    writeFileSync(networkFile, JSON.stringify(system.network.file));
    // The key is an auditor's: the seed was drawn on chain, and the report stands there. A machine that is busy for the
    // whole slot of a round misses it; the next one has it.
    let round = await run();
    for (let more = 0; more < 20 && round.seedSource !== "open_round"; more++) round = await run();
    expect({ ...round, tx: typeof round.tx }).toMatchObject({ seedSource: "open_round", tx: "string" });
    const { no } = round;
    const verify = (...more: string[]) =>
      runScript("cli/main.ts", ["audit", "verify", `${no}`, "--network", networkFile, ...more]);
    const fine = await verify("--auditor", auditor.url);
    expect(fine.output).toContain("recomputed");
    expect(fine.output).toContain("on the auditor's word: ");
    expect(fine.code).toBe(0);
    const text = await (await get(`/v1/audit/rounds/${no}/export`)).text();
    writeFileSync(exported, text.replace('"passed\\"', '"missing\\"'));
    const forged = await verify("--export", exported);
    expect(forged.output).toContain("DIFFERS");
    expect(forged.code).toBe(1);
    // It fits together in itself, and the report of it stands on chain.
    writeFileSync(exported, text.replace(/"tx":"\w+"/, '"tx":null'));
    const disowned = await verify("--export", exported);
    expect(disowned.output).toContain("DIFFERS  report");
    expect(disowned.code).toBe(1);
    // What no reading of the chain could mend: it is said before any.
    writeFileSync(exported, text.replace(/"systemObjectId":"0x\w/, '"systemObjectId":"0x?'));
    const elsewhere = await verify("--export", exported);
    expect(elsewhere.output).toContain("DIFFERS  network");
    expect(elsewhere.output).not.toContain("on the auditor's word");
    expect(elsewhere.code).toBe(1);
    const own = await runScript("cli/main.ts", ["audit", "run", "--once", "--network", networkFile]);
    expect(own.output).toContain("node-12");
    expect(own.code).toBe(0);
  });

  it("says from the command line where a round stands, and goes on with it after Ctrl-C", async () => {
    const networkFile = join(folder, "network.json");
    writeFileSync(networkFile, JSON.stringify(system.network.file));
    const args = ["audit", "run", "--once", "--network", networkFile, "--ledger", join(folder, "own.sqlite")];
    // The round lasts for as long as this one is waited for.
    system.network.setNodeFault("node-2", { kind: "hang" });
    const said = /^round ([0-9]+): challenging, [0-9]+ of [0-9]+ challenges decided$/;
    let no: string | undefined;
    const broken = await runScript("cli/main.ts", args, (line, stop) => {
      no ??= said.exec(line)?.[1];
      if (no !== undefined) stop();
    });
    system.network.setNodeFault("node-2", { kind: "none" });
    expect(broken.code, broken.output).toBe(null);
    const whole = await runScript("cli/main.ts", args);
    expect(whole.output).toContain(`round ${no}: done`);
    expect(whole.code).toBe(0);
  });
});

describe("an auditor whose settings were changed", () => {
  const again = async (SYSTEM_OBJECT_ID: string): Promise<[number, string | undefined]> => {
    await auditor.close();
    auditor = await start({ bindings: { SYSTEM_OBJECT_ID } });
    const response = await get("/v1/audit/nodes");
    const { error } = (await response.json()) as { error?: { code: string } };
    return [response.status, error?.code];
  };

  it("shows nothing of a ledger of another network, and everything once it has its own back", async () => {
    expect(await again(`0x${"7".repeat(64)}`)).toEqual([500, "LEDGER_OF_ANOTHER_NETWORK"]);
    expect(await again(system.network.file.walrus.systemObjectId)).toEqual([200, undefined]);
  });

  it("says that it is not configured, and in the log what is wrong", async () => {
    expect(await again("0xzz")).toEqual([500, "NOT_CONFIGURED"]);
    await expect.poll(() => log.join("\n"), { timeout: 60_000 }).toContain("SYSTEM_OBJECT_ID");
  });
});
