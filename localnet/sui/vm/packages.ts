/** The packages that transactions may call, as the virtual machine sees them. */
import type { ObjectId } from "../../../shared/protocol/ids.ts";
import type { MoveSignature } from "../move/signature.ts";
import type { Native } from "./native-call.ts";

export interface MoveFunction {
  readonly signature: MoveSignature;
  readonly native: Native;
}

export interface Package {
  readonly packageId: ObjectId;
  /** Contract version; 0 for packages without one. */
  readonly version: bigint;
  /** Version of Walrus that calls run in: its own, or the one the package depends on; 0 for none. */
  readonly walrusVersion: bigint;
  /** Of audit packages their own ID, of gates that of the package they bind claims of. */
  readonly auditPackageId?: ObjectId;
  readonly functions: ReadonlyMap<string, MoveFunction>;
}

export interface CallablePackages {
  /** @param packageId in any spelling; undefined for packages that do not exist */
  find(packageId: string): Package | undefined;
  function(packageId: string, module: string, name: string): MoveFunction | undefined;
}
