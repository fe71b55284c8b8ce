/** What reading a blob takes. */
import type { Codec } from "../../shared/codec/codec.ts";
import type { Invocation } from "../base/invocation.ts";
import type { IsolateMemory } from "../base/isolate-memory.ts";
import type { ChainPorts } from "../chain/port.ts";
import type { EdgeReads } from "../nodes/edge-reads.ts";
import type { NodePorts } from "../nodes/ports.ts";
import type { SharedReads } from "./shared-reads.ts";

export interface ReadPorts extends Invocation, ChainPorts, NodePorts {
  readonly codec: Codec;
  /** The isolate's memory: whatever a read holds is admitted here first. */
  readonly memory: IsolateMemory;
  /** What all reads of the isolate know together. */
  readonly reads: SharedReads;
  /** What reads saw, for the auditor; undefined when none is configured. */
  readonly edgeReads: EdgeReads | undefined;
  /** Largest blob that is checked strictly. */
  readonly maxBodyBytes: number;
}
