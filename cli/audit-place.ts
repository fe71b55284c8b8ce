/** Where the audit commands work: a network file, or the endpoint and objects of a public network by option. */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import type { NetworkKind } from "../shared/node/node-address.ts";
import { parseObjectId } from "../shared/protocol/ids.ts";
import { type NetworkFile, parseNetworkFile } from "../shared/protocol/network-file.ts";
import { createSuiClient } from "../shared/sui/sui-client.ts";
import { UsageError } from "./command.ts";

export const PLACE_HELP = `NETWORK, one of
  --network FILE        a network file; default .floe/network.json
  --sui URL --system ID --staking ID [--package ID --registry ID [--gate ID]] [--slashing-manager ID]
                        endpoint, System and Staking object of a public network; floe_audit, its registry and
                        its gate; where Walrus keeps votes for slashing`;

export const PLACE_OPTIONS = {
  network: { type: "string" },
  sui: { type: "string" },
  system: { type: "string" },
  staking: { type: "string" },
  package: { type: "string" },
  registry: { type: "string" },
  gate: { type: "string" },
  "slashing-manager": { type: "string" },
} as const;

type PlaceValues = { readonly [Option in keyof typeof PLACE_OPTIONS]?: string | undefined };

export interface Place {
  readonly url: string;
  readonly ids: NetworkFile["walrus"];
  readonly kind: NetworkKind;
  readonly contract: NetworkFile["audit"];
  /** The network file, when there is one. */
  readonly file: NetworkFile | undefined;
}

/** @throws UsageError, ProtocolError for a network file or an ID that is none */
export function placeOf(values: PlaceValues): Place {
  const { sui, system, staking } = values;
  if (sui === undefined) {
    const file = parseNetworkFile(readFileSync(values.network ?? ".floe/network.json", "utf8"));
    return { url: file.sui.url, ids: file.walrus, kind: kindOf(file), contract: file.audit, file };
  }
  if (values.network !== undefined) throw new UsageError("--network and --sui exclude each other");
  if (system === undefined || staking === undefined)
    throw new UsageError("--sui needs --system and --staking");
  const manager = values["slashing-manager"];
  return {
    url: sui,
    ids: {
      systemObjectId: parseObjectId(system),
      stakingObjectId: parseObjectId(staking),
      ...(manager === undefined ? {} : { slashingManagerId: parseObjectId(manager) }),
    },
    kind: "public",
    contract: contractOf(values),
    file: undefined,
  };
}

const LOOPBACK = new Set(["127.0.0.1", "localhost", "[::1]"]);

/** An embedded network names its nodes and runs on this host; whatever else a file says, all others are public. */
const kindOf = ({ control, nodes, sui }: NetworkFile): NetworkKind => {
  const isHere = URL.canParse(sui.url) && LOOPBACK.has(new URL(sui.url).hostname);
  return isHere && (control !== undefined || nodes !== undefined) ? "local" : "public";
};

function contractOf({ package: packageId, registry, gate }: PlaceValues): Place["contract"] {
  if (packageId === undefined && registry === undefined && gate === undefined) return undefined;
  if (packageId === undefined || registry === undefined)
    throw new UsageError("--package and --registry go together");
  return {
    packageId: parseObjectId(packageId),
    registryId: parseObjectId(registry),
    ...(gate === undefined ? {} : { gatePackageId: parseObjectId(gate) }),
  };
}

export const clientOf = ({ url }: Pick<Place, "url">): SuiGrpcClient =>
  createSuiClient({ url, fetch: globalThis.fetch });

type Options = NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>["options"]>;

/** `parseArgs` of Node with its complaints as ours. @throws UsageError */
export function parseOptions<const O extends Options>(args: string[], options: O) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
