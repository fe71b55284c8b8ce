/** What the routes take: the ports of all use cases, as one object per invocation. */
import type { ReadPorts } from "../read/ports.ts";
import type { FinishPorts, PublishPorts } from "../upload/ports.ts";

export interface EdgePorts extends ReadPorts, PublishPorts, FinishPorts {
  readonly requestId: string;
}
