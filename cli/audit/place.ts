/** Where the audit commands work: a network file, or the endpoint and objects of a public network by option. */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import { type NetworkFile, parseNetworkFile } from "../../shared/network/network-file.ts";
import { type PublicNetwork, publicNetwork } from "../../shared/network/public-networks.ts";
import type { NetworkKind } from "../../shared/node/node-address.ts";
import { parseObjectId } from "../../shared/protocol/ids.ts";
import { createSuiClient } from "../../shared/sui/client/sui-client.ts";
import { UsageError } from "../command.ts";

export const PLACE_HELP = `NETWORK, one of
  --network FILE        a network file; default .floe/network.json
  --network mainnet|testnet [--sui URL] [PANEL]
                        a public network; --sui names another endpoint than the usual one
  --sui URL --system ID --staking ID [--slashing-manager ID] [PANEL]
                        endpoint, System and Staking object of any other; where it keeps votes for slashing
PANEL is --package ID --registry ID [--gate ID]: floe_audit, its registry and its gate`;

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
  const { network, sui } = values;
  const known = network === undefined ? undefined : publicNetwork(network);
  const contract = contractOf(values);
  if (known !== undefined) {
    const ids = knownIds(known, values);
    return { url: sui ?? known.suiRpcUrl, ids, kind: "public", contract, file: undefined };
  }
  if (sui !== undefined) return { url: sui, ids: idsOf(values), kind: "public", contract, file: undefined };
  const file = parseNetworkFile(readFileSync(network ?? ".floe/network.json", "utf8"));
  return { url: file.sui.url, ids: file.walrus, kind: kindOf(file), contract: file.audit, file };
}

function idsOf({ network, system, staking, "slashing-manager": manager }: PlaceValues): Place["ids"] {
  if (network !== undefined) throw new UsageError("a network file and --sui exclude each other");
  if (system === undefined || staking === undefined)
    throw new UsageError("--sui needs --system and --staking, or --network mainnet or testnet");
  return {
    systemObjectId: parseObjectId(system),
    stakingObjectId: parseObjectId(staking),
    ...(manager === undefined ? {} : { slashingManagerId: parseObjectId(manager) }),
  };
}

function knownIds({ suiRpcUrl: _, ...ids }: PublicNetwork, values: PlaceValues): Place["ids"] {
  for (const name of ["system", "staking", "slashing-manager"] as const)
    if (values[name] !== undefined)
      throw new UsageError(`--network ${values.network} says what --${name} is`);
  return ids;
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
