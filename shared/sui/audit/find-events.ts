/** Looks back through the events of `floe_audit` for the one that tells what a registry no longer holds. */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import { equalBytes } from "../../base/bytes.ts";
import { readNewestAuditEvents } from "./event-pages.ts";
import { type AuditEventName, type AuditEventOf, isOfRegistry } from "./events.ts";
import type { RegistryState } from "./reader.ts";

/** Pages of about 50 events looked through, newest first, for one of a round: more than a registry keeps rounds of. */
const PAGES_SEARCHED = 100;

export interface FoundEvent<Kind extends AuditEventName> {
  readonly event: AuditEventOf<Kind>;
  readonly checkpoint: number;
  readonly txDigest: string;
}

/**
 * The newest event of a kind that fits, among the last `50 * PAGES_SEARCHED`. Those of other registries never do.
 *
 * @param isPast true for an event before which there is none that fits
 */
export async function findAuditEvent<Kind extends AuditEventName>(
  client: SuiGrpcClient,
  { contracts: { originalPackageId, registry } }: Pick<RegistryState, "contracts">,
  kind: Kind,
  fits: (event: AuditEventOf<Kind>) => boolean,
  isPast: (event: AuditEventOf<Kind>) => boolean = () => false,
): Promise<FoundEvent<Kind> | undefined> {
  let before: Uint8Array | undefined;
  for (let page = 0; page < PAGES_SEARCHED; page++) {
    const { events, cursor, end } = await readNewestAuditEvents(client, { originalPackageId, kind, before });
    for (const { event, checkpoint, txDigest } of events) {
      if (event.kind !== kind || !isOfRegistry(event, registry.objectId)) continue;
      // The kinds are equal, so this is the union's member of that kind.
      const typed = event as AuditEventOf<Kind>;
      if (fits(typed)) return { event: typed, checkpoint, txDigest };
      if (isPast(typed)) return undefined;
    }
    if (end !== "more" || cursor === undefined) return undefined;
    before = cursor;
  }
  return undefined;
}

/**
 * The event of a round's opening.
 *
 * @param notBeforeMs when it was opened, or when its slot began
 * @param seed what the registry holds; undefined when the round was pruned
 */
export const findRoundOpened = (
  client: SuiGrpcClient,
  registry: Pick<RegistryState, "contracts">,
  no: number,
  notBeforeMs: number,
  seed: Uint8Array | undefined,
): Promise<FoundEvent<"RoundOpened"> | undefined> =>
  findAuditEvent(
    client,
    registry,
    "RoundOpened",
    (event) => Number(event.no) === no && (seed === undefined || equalBytes(event.seed, seed)),
    (event) => Number(event.opened_ms) < notBeforeMs,
  );
