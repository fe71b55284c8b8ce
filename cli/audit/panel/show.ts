/** What a panel is: its auditors with their records and open claims, its parameters, who may change it. */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import type { ObjectId } from "../../../shared/protocol/ids.ts";
import { readNewestAuditEvents } from "../../../shared/sui/audit/event-pages.ts";
import { isOfRegistry } from "../../../shared/sui/audit/events.ts";
import { type ClaimOnChain, type RegistryState, readClaims } from "../../../shared/sui/audit/reader.ts";
import type { LocatedCap } from "../admin-cap.ts";
import { activeAuditors } from "./changes.ts";
import { PARAMETERS } from "./params.ts";

/** Pages of about 50 claims, newest first. A claim is open for hours, and an auditor files few an epoch. */
const CLAIM_PAGES = 40;
const MIST_PER_SUI = 1_000_000_000n;

export interface OpenClaims {
  readonly pending: readonly ClaimOnChain[];
  /** Older claims than these were not looked at. */
  readonly isCutOff: boolean;
}

export interface PanelView {
  readonly registry: RegistryState;
  readonly cap: LocatedCap | undefined;
  readonly claims: OpenClaims;
}

/** Cost: two requests per 50 claims ever filed, at most `2 * CLAIM_PAGES`. */
export async function readOpenClaimsOf(client: SuiGrpcClient, registry: RegistryState): Promise<OpenClaims> {
  const { originalPackageId } = registry.contracts;
  const registryId = registry.contracts.registry.objectId;
  const pending: ClaimOnChain[] = [];
  let before: Uint8Array | undefined;
  for (let page = 0; page < CLAIM_PAGES; page++) {
    const { events, cursor, end } = await readNewestAuditEvents(client, {
      originalPackageId,
      kind: "ClaimFiled",
      before,
    });
    const ids = events.flatMap(({ event }) =>
      event.kind === "ClaimFiled" && isOfRegistry(event, registryId) ? event.claim : [],
    );
    for (const claim of await readClaims(client, registry.contracts, ids)) {
      if (claim?.state === "pending") pending.push(claim);
    }
    if (end !== "more" || cursor === undefined) return { pending, isCutOff: false };
    before = cursor;
  }
  return { pending, isCutOff: true };
}

/** As JSON: amounts in MIST, as text. */
export function panelJson({ registry, cap, claims }: PanelView): string {
  const { contracts, version, isPaused, gate, params } = registry;
  const view = {
    packageId: contracts.packageId,
    registryId: contracts.registry.objectId,
    version: Number(version),
    isPaused,
    gate: gate === undefined ? null : `0x${gate}`,
    adminCap: cap === undefined ? null : { objectId: cap.objectId, owner: cap.owner ?? null },
    params: Object.fromEntries(
      PARAMETERS.map((name) => [name, name === "bondMist" ? `${params[name]}` : params[name]]),
    ),
    auditors: registry.auditors.map((auditor) => ({
      ...auditor,
      ...openOf(claims, auditor.address, asText),
    })),
    areOlderClaimsLeftOut: claims.isCutOff,
  };
  return JSON.stringify(view, null, 2);
}

const asText = (mist: bigint): string => `${mist}`;

function openOf<T>({ pending }: OpenClaims, address: ObjectId, amount: (mist: bigint) => T) {
  const own = pending.filter(({ accuser }) => accuser === address);
  return { claimsOpen: own.length, bondsMist: amount(own.reduce((sum, { bondMist }) => sum + bondMist, 0n)) };
}

/** For a person to read. */
export function panelText(view: PanelView): string {
  const { registry, cap, claims } = view;
  const { contracts, version, isPaused, gate, params, auditors } = registry;
  const active = activeAuditors(registry).length;
  const holder =
    cap === undefined
      ? "cannot be found from this endpoint"
      : `${cap.objectId} with ${cap.owner ?? "no address: an object holds it"}`;
  const lines = [
    `registry  ${contracts.registry.objectId}, version ${version}, ${isPaused ? "PAUSED: no new rounds and claims" : "open"}`,
    `package   ${contracts.packageId}`,
    `gate      ${gate === undefined ? "none: claims are not bound and lead to no vote" : `0x${gate}`}`,
    `AdminCap  ${holder}`,
    `params    ${PARAMETERS.map((name) => `${name}=${params[name]}`).join(" ")}`,
    `auditors  ${auditors.length}, ${active} active, quorum ${params.quorum}`,
    ...auditors.flatMap(({ address, name, url, isActive, sinceEpoch, claimsFiled, claimsRefuted }) => {
      const { claimsOpen, bondsMist } = openOf(claims, address, (mist) => mist);
      return [
        `  ${address}  ${isActive ? "active" : "DEACTIVATED"}  ${name} ${url}`.trimEnd(),
        `    since epoch ${sinceEpoch}; claims: ${claimsFiled} filed, ${claimsRefuted} refuted, ${claimsOpen} open with ${inSui(bondsMist)} SUI in bonds`,
      ];
    }),
  ];
  if (claims.isCutOff) lines.push("only the newest claims were looked at: older ones may be open too");
  const warning = quorumWarning(registry);
  if (warning !== undefined) lines.push(warning);
  return lines.join("\n");
}

/** @returns undefined when claims can be confirmed */
export function quorumWarning(registry: RegistryState): string | undefined {
  const { quorum } = registry.params;
  const active = activeAuditors(registry).length;
  return active >= quorum
    ? undefined
    : `no claim can be confirmed: ${active} active auditors, quorum ${quorum}`;
}

function inSui(mist: bigint): string {
  const rest = `${mist % MIST_PER_SUI}`.padStart(9, "0").replace(/0+$/, "");
  return `${mist / MIST_PER_SUI}${rest === "" ? "" : `.${rest}`}`;
}
