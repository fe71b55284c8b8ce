/** The parameters that `floe audit deploy` gives a panel: those of its profile, and what the caller chose instead. */
import type { NetworkKind } from "../../shared/node/node-address.ts";
import type { RegistryParams } from "../../shared/sui/audit/contracts.ts";
import { PANEL_PARAMETERS, type PanelParameters } from "../../shared/sui/audit/panel-parameters.ts";

const HOUR_MS = 3_600_000;

export interface ChosenParams {
  readonly quorum: number | undefined;
  /** Used on public networks only: on the embedded one a window lasts seconds. */
  readonly windowHours: number | undefined;
}

export function deployedParams(
  kind: NetworkKind,
  nShards: number,
  { quorum, windowHours }: ChosenParams,
  profiles: Readonly<Record<NetworkKind, PanelParameters>> = PANEL_PARAMETERS,
): RegistryParams {
  const defaults = profiles[kind];
  return {
    ...defaults,
    nShards,
    quorum: quorum ?? defaults.quorum,
    windowMs: kind === "local" || windowHours === undefined ? defaults.windowMs : windowHours * HOUR_MS,
  };
}
