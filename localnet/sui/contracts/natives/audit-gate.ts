/** Module `gate` of `floe_audit_walrus`: ties a claim to the Walrus committee of its epoch. */
import { ClaimLayout } from "../../../../shared/sui/audit/layouts.ts";
import { gateWitnessType } from "../../../../shared/sui/audit/publishing.ts";
import { ExecutionFailure } from "../../move/execution-error.ts";
import { typeNameText } from "../../move/types.ts";
import type { NativeCall, NativeTable } from "../../vm/native-call.ts";
import { bindClaim } from "./audit-claims.ts";
import { registryAt } from "./audit-registry.ts";
import { stakingInner } from "./staking.ts";

const EPOCH = 1;
const NOT_OWNER = 2;

function abortGate(call: NativeCall, code: number): never {
  const packageId = call.packageId;
  throw new ExecutionFailure({
    kind: "MoveAbort",
    packageId,
    module: "gate",
    functionName: "bind",
    code: BigInt(code),
  });
}

function bind(call: NativeCall): readonly unknown[] {
  const [registry, claim] = [registryAt(call, 0), call.struct(1, ClaimLayout)];
  const { epoch, committee } = stakingInner(call, 2, false);
  if (epoch !== claim.epoch) abortGate(call, EPOCH);
  const member = committee.find(({ key }) => key === claim.node);
  if (member?.value.includes(claim.shard) !== true) abortGate(call, NOT_OWNER);
  return bindClaim(call, registry, claim, typeNameText(gateWitnessType(call.packageId)));
}

export const AUDIT_GATE_NATIVES: NativeTable = {
  "gate::bind(&Registry, &mut Claim, &Staking)": bind,
};
