/** The auditors that a command line names, with their names and URLs. */
import { texts } from "../../../host/options.ts";
import { UsageError } from "../../../host/usage-error.ts";
import { parseObjectId } from "../../../shared/protocol/ids.ts";
import type { WantedAuditor } from "./changes.ts";

export const AUDITOR_OPTION = {
  auditor: texts("ADDRESS", "an auditor; any number of them. Those already on the panel stay as they are"),
};
export const AUDITOR_OPTIONS = {
  ...AUDITOR_OPTION,
  name: texts("TEXT", "at most 64 bytes; one for each --auditor in the same order, or none"),
  url: texts("URL", "where the auditor answers, at most 256 bytes; one for each, or none"),
};

export interface AuditorValues {
  readonly auditor: readonly string[] | undefined;
  readonly name: readonly string[] | undefined;
  readonly url: readonly string[] | undefined;
}

/** Names and URLs belong to the auditors in the order in which all are given. @throws UsageError */
export function wantedAuditors(values: AuditorValues): WantedAuditor[] {
  const { auditor: addresses = [], name: names, url: urls } = values;
  for (const [option, given] of [
    ["name", names],
    ["url", urls],
  ] as const) {
    if (given !== undefined && given.length !== addresses.length)
      throw new UsageError(
        `${given.length} --${option} for ${addresses.length} --auditor: give one for each, or none`,
      );
  }
  const wanted = addresses.map((text, i) => ({
    address: parseObjectId(text),
    name: names?.[i],
    url: urls?.[i],
  }));
  const twice = wanted.find(({ address }, i) => wanted.findIndex((each) => each.address === address) !== i);
  if (twice !== undefined) throw new UsageError(`--auditor ${twice.address} is given twice`);
  return wanted;
}
