/** What reaching storage nodes takes. */
import type { Carrier } from "../../shared/node/carrier.ts";
import type { NetworkKind } from "../../shared/node/node-address.ts";
import type { NodeFaults } from "./node-faults.ts";

export interface NodePorts {
  /** Decides which addresses are spoken to. */
  readonly networkKind: NetworkKind;
  /** What requests travel by. */
  readonly carrier: Carrier;
  /** Where what nodes do wrong is recorded. */
  readonly faults: NodeFaults;
}
