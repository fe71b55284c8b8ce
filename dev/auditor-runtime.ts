/** Runs the bundled auditor in a workerd of its own, as it would be deployed: apart from the edge, with another key. */
import { type EdgeOptions, type EdgeRuntime, startWorker } from "./edge-runtime.ts";

/** @throws the error of Miniflare when the Worker does not start */
export function startAuditor({ network, bindings, ...options }: EdgeOptions): Promise<EdgeRuntime> {
  return startWorker(options, {
    NETWORK_KIND: "local",
    AUDIT_PROFILE: "local",
    SUI_RPC_URLS: network.sui.url,
    SYSTEM_OBJECT_ID: network.walrus.systemObjectId,
    STAKING_OBJECT_ID: network.walrus.stakingObjectId,
    ...(network.audit === undefined
      ? {}
      : { AUDIT_PACKAGE_ID: network.audit.packageId, AUDIT_REGISTRY_ID: network.audit.registryId }),
    ...(network.audit?.gatePackageId === undefined
      ? {}
      : { AUDIT_GATE_PACKAGE_ID: network.audit.gatePackageId }),
    ...(network.walrus.slashingManagerId === undefined
      ? {}
      : { SLASHING_MANAGER_ID: network.walrus.slashingManagerId }),
    ...bindings,
  });
}
