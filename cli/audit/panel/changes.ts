/**
 * What can be changed about an audit panel, as questions to its present state: what of it is still to be done?
 *
 * Nothing is sent here. A change of which nothing is left is done, by this command or another; so the same question, asked again
 * after an unknown outcome, is the answer.
 */
import type { Transaction } from "@mysten/sui/transactions";
import { FloeError } from "../../../shared/base/errors.ts";
import type { ObjectId } from "../../../shared/protocol/ids.ts";
import type { RegistryParams } from "../../../shared/sui/audit/contracts.ts";
import {
  addAuditorsTransaction,
  deactivateAuditorsTransaction,
  setParamsTransaction,
  setPausedTransaction,
} from "../../../shared/sui/audit/panel-transactions.ts";
import type { RegistryAuditor, RegistryState } from "../../../shared/sui/audit/reader.ts";
import type { AuditorEntry } from "../../../shared/sui/audit/transactions.ts";
import type { ObjectRef } from "../../../shared/sui/wallet/blob-transactions.ts";

export class PanelError extends FloeError<
  "AUDITOR_DIFFERS" | "NOT_AN_AUDITOR" | "PANEL_FULL" | "INVALID_PARAMS"
> {}

/** Limits of the contract. */
const MAX_AUDITORS = 64;
const MAX_NAME_BYTES = 64;
const MAX_URL_BYTES = 256;

/** The part of a change that is not on chain yet. */
export interface Pending {
  /** One line for each thing that the transaction does. */
  readonly does: readonly string[];
  readonly transaction: (cap: ObjectRef) => Transaction;
}

export interface PanelChange {
  /** @returns undefined when nothing is left to do. @throws PanelError when it cannot be done */
  pending(registry: RegistryState): Pending | undefined;
  /** One line for each thing that is as it should be already. */
  standing(registry: RegistryState): readonly string[];
}

/** An auditor to add; what is not given is chosen, or left as it stands when the address is on the panel already. */
export interface WantedAuditor {
  readonly address: ObjectId;
  readonly name: string | undefined;
  readonly url: string | undefined;
}

const byteLength = (text: string): number => new TextEncoder().encode(text).length;
const find = ({ auditors }: RegistryState, address: ObjectId): RegistryAuditor | undefined =>
  auditors.find((auditor) => auditor.address === address);
const recordOf = ({ claimsFiled, claimsRefuted }: RegistryAuditor): string =>
  `${claimsFiled} claims filed, ${claimsRefuted} refuted`;
export const activeAuditors = ({ auditors }: RegistryState): readonly RegistryAuditor[] =>
  auditors.filter(({ isActive }) => isActive);

/** @param sinceEpoch recorded for those who are new */
export function addAuditors(wanted: readonly WantedAuditor[], sinceEpoch: number): PanelChange {
  for (const { address, name = "", url = "" } of wanted) checkLengths(address, name, url);
  return {
    pending(registry) {
      const left = wanted.filter((auditor) => !isThere(registry, auditor));
      if (left.length === 0) return undefined;
      const isNew = left.filter(({ address }) => find(registry, address) === undefined);
      checkRoom(registry, isNew.length);
      const entries = left.map(({ address, name, url }): AuditorEntry => {
        const known = find(registry, address);
        return {
          address,
          name: name ?? known?.name ?? address.slice(0, 10),
          url: url ?? known?.url ?? "",
          sinceEpoch,
        };
      });
      return {
        does: entries.map(({ address, name }) => {
          const known = find(registry, address);
          return known === undefined
            ? `adds ${address} (${name})`
            : `takes ${address} (${name}) back, with its record: ${recordOf(known)}`;
        }),
        transaction: (cap) => addAuditorsTransaction(registry.contracts, cap, entries),
      };
    },
    standing: (registry) =>
      wanted
        .filter((auditor) => isThere(registry, auditor))
        .map(
          ({ address }) =>
            `${address} (${find(registry, address)?.name}) is on the panel already: nothing to add`,
        ),
  };
}

function checkLengths(address: ObjectId, name: string, url: string): void {
  const [nameBytes, urlBytes] = [byteLength(name), byteLength(url)];
  if (nameBytes <= MAX_NAME_BYTES && urlBytes <= MAX_URL_BYTES) return;
  throw new PanelError(
    "INVALID_PARAMS",
    `the name of ${address} has ${nameBytes} bytes of at most ${MAX_NAME_BYTES}, its URL ${urlBytes} of ${MAX_URL_BYTES}`,
  );
}

/** @throws PanelError `AUDITOR_DIFFERS`: an active auditor keeps its name and URL */
function isThere(registry: RegistryState, { address, name, url }: WantedAuditor): boolean {
  const known = find(registry, address);
  if (known?.isActive !== true) return false;
  if ((name ?? known.name) === known.name && (url ?? known.url) === known.url) return true;
  throw new PanelError(
    "AUDITOR_DIFFERS",
    `${address} is on the panel as "${known.name}" at "${known.url}"; to change that, deactivate it and add it again: its record stays`,
  );
}

function checkRoom({ auditors }: RegistryState, added: number): void {
  if (auditors.length + added <= MAX_AUDITORS) return;
  throw new PanelError(
    "PANEL_FULL",
    `the panel has ${auditors.length} of ${MAX_AUDITORS} auditors and ${added} more do not fit; those deactivated count, but may be taken back`,
    { details: { have: auditors.length, limit: MAX_AUDITORS, added } },
  );
}

export function deactivateAuditors(addresses: readonly ObjectId[]): PanelChange {
  return {
    pending(registry) {
      const left = addresses.filter((address) => {
        const known = find(registry, address);
        if (known === undefined)
          throw new PanelError(
            "NOT_AN_AUDITOR",
            `${address} is none of the panel's ${registry.auditors.length} auditors; "floe audit panel show" lists them`,
          );
        return known.isActive;
      });
      if (left.length === 0) return undefined;
      return {
        does: left.map((address) => `deactivates ${address} (${find(registry, address)?.name})`),
        transaction: (cap) => deactivateAuditorsTransaction(registry.contracts, cap, left),
      };
    },
    standing: (registry) =>
      addresses
        .filter((address) => find(registry, address)?.isActive === false)
        .map((address) => `${address} is deactivated already`),
  };
}

export function setPaused(paused: boolean): PanelChange {
  const what = paused ? "paused" : "not paused";
  return {
    pending: ({ isPaused, contracts }) =>
      isPaused === paused
        ? undefined
        : {
            does: [paused ? "stops new rounds and claims" : "lets rounds and claims go on"],
            transaction: (cap) => setPausedTransaction(contracts, cap, paused),
          },
    standing: ({ isPaused }) => (isPaused === paused ? [`the panel is ${what} already`] : []),
  };
}

/** @param wanted what is to differ; all else stays as it is when the transaction is made */
export function setParams(wanted: Partial<RegistryParams>, walrusShards: number): PanelChange {
  const changed = ({ params }: RegistryState): (keyof RegistryParams)[] =>
    (Object.keys(wanted) as (keyof RegistryParams)[]).filter((name) => wanted[name] !== params[name]);
  return {
    pending(registry) {
      const names = changed(registry);
      if (names.length === 0) return undefined;
      const params = { ...registry.params, ...wanted };
      checkParams(registry.params, params, walrusShards);
      return {
        does: names.map((name) => `${name}: ${registry.params[name]} becomes ${params[name]}`),
        transaction: (cap) => setParamsTransaction(registry.contracts, cap, params),
      };
    },
    standing: (registry) =>
      (Object.keys(wanted) as (keyof RegistryParams)[])
        .filter((name) => wanted[name] === registry.params[name])
        .map((name) => `${name} is ${registry.params[name]} already`),
  };
}

/** What the contract would refuse with a bare code, and what it would take though no claim could be filed then. */
function checkParams(old: RegistryParams, params: RegistryParams, walrusShards: number): void {
  const { periodMs, windowMs, retentionRounds, nShards } = params;
  const refuse = (message: string): never => {
    throw new PanelError("INVALID_PARAMS", message);
  };
  if (periodMs !== old.periodMs)
    refuse(
      `periodMs stays ${old.periodMs}: round numbers are counted in it; another period needs a new registry`,
    );
  const fewest = Math.floor(windowMs / periodMs) + 2;
  if (retentionRounds < fewest)
    refuse(
      `retentionRounds ${retentionRounds} ends before a claim's window of ${windowMs} ms: it takes ${fewest} rounds of ${periodMs} ms, or a shorter windowMs`,
    );
  if (nShards !== walrusShards)
    refuse(`nShards ${nShards} is not that of this Walrus, ${walrusShards}: no draw would be its shard's`);
}
