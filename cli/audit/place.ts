/** Where the audit commands work: a network file, or the endpoint and objects of a public network by option. */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import { readInput } from "../../host/input.ts";
import { file, section, text } from "../../host/options.ts";
import { UsageError } from "../../host/usage-error.ts";
import { type NetworkFile, parseNetworkFile } from "../../shared/network/network-file.ts";
import { type PublicNetwork, publicNetwork } from "../../shared/network/public-networks.ts";
import type { NetworkKind } from "../../shared/node/node-address.ts";
import { parseObjectId } from "../../shared/protocol/ids.ts";
import { createSuiClient } from "../../shared/sui/client/sui-client.ts";

export const PLACE_OPTIONS = section("the network", {
  network: {
    ...file("a network file, or mainnet or testnet for a public network"),
    value: "FILE|NAME",
    otherwise: ".floe/network.json",
  },
  sui: text(
    "URL",
    "endpoint of Sui: another one than the usual with mainnet and testnet, or that of any other network",
  ),
  system: text("ID", "System object of Walrus, with --sui alone"),
  staking: text("ID", "Staking object of Walrus, with --sui alone"),
  "slashing-manager": text("ID", "object that keeps votes for slashing, with --sui alone"),
  package: text("ID", "the package floe_audit; without a network file"),
  registry: text("ID", "its registry; goes with --package"),
  gate: text("ID", "its gate, for claims that lead to votes"),
});

export type PlaceValues = { readonly [Option in keyof typeof PLACE_OPTIONS]?: string | undefined };

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
  const found = parseNetworkFile(readInput(network ?? ".floe/network.json").toString("utf8"));
  return { url: found.sui.url, ids: found.walrus, kind: kindOf(found), contract: found.audit, file: found };
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

/** An embedded network names its nodes and runs on this host; all others are public, whatever else a file has. */
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
