/** Events of `floe_audit` page by page, in ledger order or newest first; `sui/walrus/event-pages.ts` reads the pages. */
import type { GrpcTypes, SuiGrpcClient } from "@mysten/sui/grpc";
import type { ObjectId } from "../../protocol/ids.ts";
import { anyEventOf, type EventPage, type EventSpan, readPage } from "../walrus/event-pages.ts";
import {
  type AuditEvent,
  type AuditEventName,
  auditEventModule,
  auditEventType,
  parseAuditEvent,
} from "./events.ts";

export interface AuditEventPageRequest extends EventSpan {
  readonly originalPackageId: ObjectId;
  /** All kinds when absent. */
  readonly kind?: AuditEventName;
}

/** Events of `floe_audit`; kinds this program does not know are left out. @throws as `readEventPage` */
export function readAuditEventPage(
  client: SuiGrpcClient,
  request: AuditEventPageRequest,
): Promise<EventPage<AuditEvent>> {
  const { originalPackageId } = request;
  return readPage(client, auditEventFilter(originalPackageId, request.kind), request, (type, contents) =>
    parseAuditEvent(type, contents, originalPackageId),
  );
}

export interface NewestAuditEventsRequest {
  readonly originalPackageId: ObjectId;
  readonly kind: AuditEventName;
  /** `cursor` of the page before this one; from the tip when absent. */
  readonly before: Uint8Array | undefined;
  readonly signal?: AbortSignal;
}

/**
 * Events of `floe_audit`, newest first; `end` is `more` while older ones may follow.
 *
 * @throws as `readEventPage`
 */
export function readNewestAuditEvents(
  client: SuiGrpcClient,
  { originalPackageId, kind, before, ...rest }: NewestAuditEventsRequest,
): Promise<EventPage<AuditEvent>> {
  return readPage(
    client,
    auditEventFilter(originalPackageId, kind),
    { ...rest, newestBefore: before ?? "tip" },
    (type, contents) => parseAuditEvent(type, contents, originalPackageId),
  );
}

export const auditEventFilter = (originalPackageId: ObjectId, kind?: AuditEventName): GrpcTypes.EventFilter =>
  anyEventOf([
    kind === undefined ? auditEventModule(originalPackageId) : auditEventType(originalPackageId, kind),
  ]);
