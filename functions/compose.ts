/**
 * Bindings become services: the one place where the platform's clock, randomness, fetch and objects are taken up.
 *
 * Of one isolate: the codec, its memory, the chain memo, what reads share and the memory of what nodes did, none of which holds I/O. Of one invocation:
 * the gate, the log's request ID and every stub (a stub is broken for good after its object died, so none is kept).
 */
// Relaxed SIMD: workerd compiles modules at start-up only, so the variant is chosen here, at build.
import kernels from "../build/kernels/floe-relaxed.wasm";
import { toHex } from "../shared/base/bytes.ts";
import { failPointsBy } from "../shared/base/fail-point.ts";
import { Gate, INVOCATION_REQUESTS } from "../shared/base/gate.ts";
import type { Log } from "../shared/base/log.ts";
import { createKernelCodec } from "../shared/codec/kernel-codec.ts";
import type { Carrier } from "../shared/node/carrier.ts";
import { DirectCarrier, type NodeTransport } from "../shared/node/direct-carrier.ts";
import { remoteCall } from "../shared/sui/wallet/portable-error.ts";
import type { EdgeConfig, Env } from "./base/env.ts";
import { IsolateMemory } from "./base/isolate-memory.ts";
import { EDGE_LIMITS } from "./base/limits.ts";
import { systemClock, systemRandom } from "./base/platform.ts";
import { repeatBroken } from "./base/repeat-broken.ts";
import { askChainView } from "./chain/ask-chain-view.ts";
import { ChainMemo } from "./chain/chain-memo.ts";
import type { EdgePorts } from "./http/ports.ts";
import { openLane } from "./lanes/child-invocation.ts";
import { LaneCarrier } from "./lanes/lane-carrier.ts";
import { EdgeReads } from "./nodes/edge-reads.ts";
import { NodeFaults } from "./nodes/node-faults.ts";
import { sendEdgeReads } from "./nodes/send-edge-reads.ts";
import { InvocationMeter, type InvocationReport } from "./observe/invocation-meter.ts";
import { SharedReads } from "./read/shared-reads.ts";
import { trackerBy } from "./tracker/methods.ts";
import type { Tracker } from "./tracker/port.ts";
import { stagedObjects } from "./tracker/r2-staged-objects.ts";
import { bindIdempotencyKey, type IdempotencyKeyPort } from "./upload/idempotency.ts";
import type { WalletPort } from "./wallet/port.ts";

const writeLog = (requestId: string): Log => {
  return (event, fields) => console.log(JSON.stringify({ event, requestId, ...fields }));
};

// The memory admits what the codec will hold; the codec's own limit is the same bytes counted a second time.
const codec = createKernelCodec({ module: kernels, maxMemoryBytes: EDGE_LIMITS.memoryBytes });
let loggedBytes = 0;
const memory = new IsolateMemory({
  clock: systemClock,
  // Kernel memory is no part of the JavaScript heap: only this line shows how much there is.
  observe: (admittedBytes) => {
    const kernelBytes = codec.heldBytes;
    if (kernelBytes <= loggedBytes) return;
    loggedBytes = kernelBytes;
    writeLog("-")("kernel-memory-peak", { kernelBytes, admittedBytes });
  },
  idle: { bytes: () => codec.spareBytes, drop: () => codec.dropIdle() },
});
const reads = new SharedReads(systemClock);
const chainMemo = new ChainMemo(systemClock);
const faults = new NodeFaults(systemClock, writeLog("-"));
const edgeReads = new EdgeReads(systemClock, systemRandom);

/** One wallet per deployment: there is one signer. */
const SINGLETON = "main";

export const newRequestId = (): string => toHex(systemRandom(16));

/** An invocation's services, and its work that goes on after the reply. */
export interface InvocationServices extends EdgePorts {
  readonly background: readonly Promise<unknown>[];
  readonly meter: InvocationMeter;
  /** Once nothing is left to carry. */
  readonly closeLanes: () => void;
}

function newTransport(meter: InvocationMeter): NodeTransport {
  return {
    fetch: (request) => meter.connection(() => fetch(request), request.signal),
    clock: systemClock,
    randomBytes: systemRandom,
    gate: new Gate(INVOCATION_REQUESTS),
  };
}

/** What a lane has: connections of its own. `finished` tells tests what it asked of the platform. */
export function laneServices(env: Env, requestId: string): { carrier: Carrier; finished(): Promise<void> } {
  const meter = new InvocationMeter();
  return {
    carrier: new DirectCarrier(newTransport(meter)),
    finished: () => tellTests(env, meter.report(requestId, "lane")),
  };
}

/** Tests bind a service that is told the totals of every invocation. */
async function tellTests(env: Env, report: InvocationReport): Promise<void> {
  await env.TEST_INVOCATIONS?.fetch("http://invocations/", { method: "POST", body: JSON.stringify(report) });
}

export function createServices(
  env: Env,
  config: EdgeConfig,
  ctx: ExecutionContext,
  requestId: string,
): InvocationServices {
  const meter = new InvocationMeter();
  const log = writeLog(requestId);
  const transport = newTransport(meter);
  const background: Promise<unknown>[] = [];
  const lanes = new LaneCarrier({
    direct: new DirectCarrier(transport),
    open: () => {
      meter.lanesOpened++;
      meter.call();
      return openLane(ctx, requestId);
    },
    answerMs: () => reads.times.typicalMs,
    answered: (ms) => reads.times.carried(ms),
    log,
  });
  const bucketGate = {
    run: <T>(task: () => Promise<T>): Promise<T> => transport.gate.run(() => meter.connection(task)),
  };
  const chainView = askChainView(env);
  return {
    requestId,
    networkKind: config.networkKind,
    maxBodyBytes: config.maxBodyBytes,
    maxStagedBytes: env.STAGING === undefined ? config.stagingMaxBytes : Number.POSITIVE_INFINITY,
    turnMs: config.uploadLeaseMs,
    transport,
    carrier: lanes,
    closeLanes: () => lanes.close(),
    stagedObjects: env.STAGING === undefined ? undefined : stagedObjects(env.STAGING, bucketGate),
    codec,
    memory,
    reads,
    chain: chainMemo.on({
      snapshot: (options) => {
        meter.call();
        return chainView.snapshot(options);
      },
    }),
    wallet: {
      register: (request) => again(meter, () => walletStub(env).register(request)),
      certify: (request) => again(meter, () => walletStub(env).certify(request)),
    },
    tracker: (blobId) => trackerOf(env, meter, blobId),
    bindIdempotencyKey: (request) =>
      bindIdempotencyKey(request, (name, claim) =>
        again(meter, () => idempotencyStub(env, name).bind(claim)),
      ),
    faults,
    edgeReads: config.edgeReads === undefined ? undefined : edgeReads,
    failPoint: failPointsBy(env.TEST_FAIL_POINTS),
    waitUntil: (work) => {
      background.push(work);
      ctx.waitUntil(work);
    },
    log,
    background,
    meter,
  };
}

/** Once all work of this invocation is over: ends its lanes and sends the auditor what reads saw. Never rejects. */
export async function finishInvocation(
  env: Env,
  config: EdgeConfig,
  services: InvocationServices,
  kind: "edge" | "uploader",
): Promise<void> {
  if (config.edgeReads !== undefined) {
    await sendEdgeReads({
      reads: edgeReads,
      config: config.edgeReads,
      background: services.background,
      fetch: (request) => services.meter.connection(() => fetch(request)),
      clock: systemClock,
      log: services.log,
    });
  }
  // Work may bring more work.
  for (let seen = -1; seen < services.background.length; ) {
    seen = services.background.length;
    await Promise.allSettled(services.background);
  }
  services.closeLanes();
  await tellTests(env, services.meter.report(services.requestId, kind));
}

/** Every method may be repeated, so a call that broke is made again, on a new object. */
const trackerOf = (env: Env, meter: InvocationMeter, blobId: string): Tracker =>
  trackerBy((call) => again(meter, () => call(trackerStub(env, blobId))));

/**
 * Calls to Durable Objects whose outcome got lost are repeated: every call made with this answers repetitions alike.
 * Each attempt is a subrequest.
 */
function again<T>(meter: InvocationMeter, call: () => Promise<T>): Promise<T> {
  const counted = (): Promise<T> => {
    meter.call();
    return call();
  };
  return repeatBroken(() => remoteCall(counted), systemClock, systemRandom);
}

// RPC turns every method of the class into the same method of the stub, with plain data as arguments and results; the
// platform's types lose our branded strings on the way, so the stubs are given the ports' types back.
const trackerStub = (env: Env, blobId: string): Tracker =>
  env.BLOB_TRACKER.getByName(blobId) as unknown as Tracker;
const walletStub = (env: Env): WalletPort => env.WALLET.getByName(SINGLETON) as unknown as WalletPort;
const idempotencyStub = (env: Env, name: string): IdempotencyKeyPort =>
  env.IDEMPOTENCY_KEY.getByName(name) as unknown as IdempotencyKeyPort;
