/** Which slivers of a blob which node has taken, shared by all that send them: each is sent once per blob and shard. */
import { AXES, type Axis, type ObjectId, type ShardIndex } from "../../shared/protocol/ids.ts";
import { type NodeSlivers, sliverNumber } from "../tracker/port.ts";

export class StoredSlivers {
  readonly #byNode = new Map<ObjectId, Set<number>>();

  constructor(known: readonly NodeSlivers[] = []) {
    for (const { nodeId, slivers } of known) this.#byNode.set(nodeId, new Set(slivers));
  }

  has(nodeId: ObjectId, shard: ShardIndex, axis: Axis): boolean {
    return this.#byNode.get(nodeId)?.has(sliverNumber(shard, axis)) ?? false;
  }

  /** Shards of this node of which it lacks a sliver. */
  missing(nodeId: ObjectId, shards: readonly ShardIndex[]): ShardIndex[] {
    return shards.filter((shard) => AXES.some((axis) => !this.has(nodeId, shard, axis)));
  }

  hasAll(nodeId: ObjectId, shards: readonly ShardIndex[]): boolean {
    return shards.every((shard) => AXES.every((axis) => this.has(nodeId, shard, axis)));
  }

  /** A node that has taken a sliver has taken the metadata before. */
  hasAny(nodeId: ObjectId): boolean {
    return (this.#byNode.get(nodeId)?.size ?? 0) > 0;
  }

  add(nodeId: ObjectId, shard: ShardIndex, axis: Axis): void {
    const slivers = this.#byNode.get(nodeId) ?? new Set();
    this.#byNode.set(nodeId, slivers);
    slivers.add(sliverNumber(shard, axis));
  }

  /** The node has answered that it does not have them (any more). */
  forget(nodeId: ObjectId): void {
    this.#byNode.delete(nodeId);
  }
}
