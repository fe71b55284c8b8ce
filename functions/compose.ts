/**
 * Bindings become services: the one place where the platform's clock, randomness, fetch and objects are taken up.
 *
 * Of one isolate: the codec, the memory lease, the chain memo, what reads share and the memory of faulty nodes, none of which holds I/O. Of one invocation:
 * the gate, the log's request ID and every stub (a stub is broken for good after its object died, so none is kept).
 */
import { createReferenceCodec } from "../shared/codec/reference-codec.ts";
import { Gate } from "../shared/node/gate.ts";
import { toHex } from "../shared/protocol/bytes.ts";
import { LIMITS } from "../shared/protocol/limits.ts";
import { remoteCall } from "../shared/sui/portable-error.ts";
import { ChainMemo } from "./chain-memo.ts";
import type { EdgeConfig, Env } from "./env.ts";
import { failPointsOf } from "./fail-points.ts";
import { KernelLease } from "./kernel-lease.ts";
import type { Log } from "./log.ts";
import { NodeFaults } from "./node-faults.ts";
import { systemClock, systemRandom } from "./platform.ts";
import { SharedReads } from "./read/shared-reads.ts";
import type { Chain, Services, WalletPort } from "./services.ts";
import type { Tracker } from "./upload/tracker-port.ts";

const writeLog = (requestId: string): Log => {
  return (event, fields) => console.log(JSON.stringify({ event, requestId, ...fields }));
};

// The lease admits what the codec will hold; the codec's own limit is the same bytes counted a second time.
const codec = createReferenceCodec({ maxBytes: LIMITS.leaseBytes });
const lease = new KernelLease({ clock: systemClock });
const reads = new SharedReads(systemClock);
const chainMemo = new ChainMemo(systemClock);
const faults = new NodeFaults(systemClock, writeLog("-"));

/** One object of each kind per deployment: one chain, one signer. */
const SINGLETON = "main";

export const newRequestId = (): string => toHex(systemRandom(16));

export function createServices(
  env: Env,
  config: EdgeConfig,
  ctx: ExecutionContext,
  requestId: string,
): Services {
  return {
    requestId,
    networkKind: config.networkKind,
    maxBodyBytes: config.maxBodyBytes,
    transport: {
      fetch: (request) => fetch(request),
      clock: systemClock,
      randomBytes: systemRandom,
      gate: new Gate(),
    },
    codec,
    lease,
    reads,
    chain: chainMemo.on({ snapshot: (options) => remoteCall(() => chainStub(env).snapshot(options)) }),
    wallet: {
      register: (request) => remoteCall(() => walletStub(env).register(request)),
      certify: (request) => remoteCall(() => walletStub(env).certify(request)),
    },
    tracker: (blobId) => ({
      begin: (request) => remoteCall(() => trackerStub(env, blobId).begin(request)),
      registered: (intentId, blob) => remoteCall(() => trackerStub(env, blobId).registered(intentId, blob)),
      report: (report) => remoteCall(() => trackerStub(env, blobId).report(report)),
      certified: (intentId, blob) => remoteCall(() => trackerStub(env, blobId).certified(intentId, blob)),
      drop: (intentId) => remoteCall(() => trackerStub(env, blobId).drop(intentId)),
    }),
    faults,
    failPoint: failPointsOf(env),
    waitUntil: (work) => ctx.waitUntil(work),
    log: writeLog(requestId),
  };
}

// RPC turns every method of the class into the same method of the stub, with plain data as arguments and results; the
// platform's types lose our branded strings on the way, so the stubs are given the ports' types back.
const trackerStub = (env: Env, blobId: string): Tracker =>
  env.BLOB_TRACKER.getByName(blobId) as unknown as Tracker;
const walletStub = (env: Env): WalletPort => env.WALLET.getByName(SINGLETON) as unknown as WalletPort;
const chainStub = (env: Env): Chain => env.CHAIN_VIEW.getByName(SINGLETON) as unknown as Chain;
