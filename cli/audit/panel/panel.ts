/**
 * `floe audit panel`: shows an audit panel, and changes it with the key of whoever holds its AdminCap.
 *
 * Every change asks the panel first what of it is still missing, and does that in one transaction. What stands already
 * is said, and is no error: a command may be given twice.
 */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import { systemClock } from "../../../host/clock.ts";
import { KEY_VARIABLE, parseKey, secretKey } from "../../../host/secret-key.ts";
import { type ObjectId, parseObjectId } from "../../../shared/protocol/ids.ts";
import { type RegistryState, readRegistry } from "../../../shared/sui/audit/reader.ts";
import { createWalletChain, type WalletChain } from "../../../shared/sui/wallet/wallet-chain.ts";
import { readChainSnapshot } from "../../../shared/sui/walrus/chain-snapshot.ts";
import { UsageError, wholeNumber } from "../../command.ts";
import { AdminCapError, locateAdminCap } from "../admin-cap.ts";
import { clientOf, PLACE_OPTIONS, type Place, parseOptions, placeOf } from "../place.ts";
import {
  addAuditors,
  deactivateAuditors,
  type PanelChange,
  setParams,
  setPaused,
  type WantedAuditor,
} from "./changes.ts";
import { parseParams } from "./params.ts";
import { carryOut, type Sending } from "./send.ts";
import { panelJson, panelText, quorumWarning, readOpenClaimsOf } from "./show.ts";

/** Whom to add; `floe audit deploy` takes them too. */
export const AUDITOR_OPTIONS = {
  auditor: { type: "string", multiple: true },
  name: { type: "string", multiple: true },
  url: { type: "string", multiple: true },
} as const;

const OPTIONS = {
  ...PLACE_OPTIONS,
  ...AUDITOR_OPTIONS,
  "since-epoch": { type: "string" },
  "key-file": { type: "string" },
  sender: { type: "string" },
  "dry-run": { type: "boolean", default: false },
  unsigned: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
} as const;

const MAX_EPOCH = 0xffff_ffff;

type Action = "show" | "add" | "deactivate" | "pause" | "resume" | "set-params";

const SENDING = ["key-file", "sender", "dry-run", "unsigned"] as const;
/** What each takes beside the place. */
const TAKES: Readonly<Record<Action, readonly (keyof typeof OPTIONS)[]>> = {
  show: ["json"],
  add: ["auditor", "name", "url", "since-epoch", ...SENDING],
  deactivate: ["auditor", ...SENDING],
  pause: SENDING,
  resume: SENDING,
  "set-params": SENDING,
};
// The names are those of the table.
const ACTIONS = Object.keys(TAKES) as readonly Action[];

/** @returns 0 once the panel stands as wanted, or what was asked for is printed */
export async function panel(args: string[]): Promise<number> {
  const { values, positionals } = parse(args);
  const [word, ...operands] = positionals;
  const action = ACTIONS.find((each) => each === word);
  if (action === undefined)
    throw new UsageError(
      word === undefined ? `panel ${ACTIONS.join(", ")}?` : `panel knows ${ACTIONS.join(", ")}, not ${word}`,
    );
  if (action !== "set-params" && operands.length > 0)
    throw new UsageError(`there is nothing to do with ${operands.join(" ")}`);
  checkOptions(values, action);
  const place = placeOf(values);
  const { contract } = place;
  if (contract === undefined)
    throw new UsageError(
      place.file === undefined ? "panel needs --package and --registry" : "the network file lacks audit",
    );
  const client = clientOf(place);
  const wallet = createWalletChain(client, [client]);
  const read = (): Promise<RegistryState> => readRegistry(client, contract);
  if (action === "show") return show(client, wallet, read, values.json);
  const means = meansOf(values, place);
  const change = await changeOf(action, values, operands, client, place);
  const sender =
    means.sender ?? (await capHolder(client, wallet, (await read()).contracts.originalPackageId));
  const access = { client, wallet, clock: systemClock, readRegistry: read, sender };
  const out = await carryOut(access, change, means.sending);
  if (out !== undefined) console.log(out);
  const warning = quorumWarning(await read());
  if (warning !== undefined) console.error(warning);
  return 0;
}

const parse = (args: string[]) => parseOptions(args, OPTIONS);
type Values = ReturnType<typeof parse>["values"];

/** Options that an action would ignore are refused: whoever gave them expects something of them. */
function checkOptions(values: Values, action: Action): void {
  const known = new Set<string>([...Object.keys(PLACE_OPTIONS), ...TAKES[action]]);
  for (const [option, value] of Object.entries(values))
    if (value !== undefined && value !== false && !known.has(option))
      throw new UsageError(`panel ${action} takes no --${option}`);
  if (values.unsigned && values["dry-run"])
    throw new UsageError("--unsigned and --dry-run exclude each other; either sends nothing");
}

async function show(
  client: SuiGrpcClient,
  wallet: WalletChain,
  read: () => Promise<RegistryState>,
  asJson: boolean,
): Promise<number> {
  const registry = await read();
  const cap = await locateAdminCap(client, wallet, registry.contracts.originalPackageId);
  const view = { registry, cap, claims: await readOpenClaimsOf(client, registry) };
  console.log(asJson ? panelJson(view) : panelText(view));
  return 0;
}

async function changeOf(
  action: Exclude<Action, "show">,
  values: Values,
  operands: readonly string[],
  client: SuiGrpcClient,
  place: Place,
): Promise<PanelChange> {
  const snapshot = () => readChainSnapshot(client, place.ids, systemClock.nowMs());
  switch (action) {
    case "add": {
      const wanted = wantedAuditors(values);
      if (wanted.length === 0) throw new UsageError("add needs --auditor");
      const since = values["since-epoch"];
      const epoch =
        since === undefined ? (await snapshot()).epoch : wholeNumber("--since-epoch", since, 0, MAX_EPOCH);
      return addAuditors(wanted, epoch);
    }
    case "deactivate": {
      const addresses = wantedAuditors(values).map(({ address }) => address);
      if (addresses.length === 0) throw new UsageError("deactivate needs --auditor");
      return deactivateAuditors(addresses);
    }
    case "pause":
    case "resume":
      return setPaused(action === "pause");
    case "set-params":
      return setParams(parseParams(operands), (await snapshot()).nShards);
    default:
      return action satisfies never;
  }
}

/** Names and URLs belong to the auditors in the order in which all are given. @throws UsageError */
export function wantedAuditors(values: Pick<Values, "auditor" | "name" | "url">): WantedAuditor[] {
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

interface Means {
  readonly sending: Sending;
  /** undefined: whoever holds the AdminCap. */
  readonly sender: ObjectId | undefined;
}

/** @throws UsageError when something is to be signed and there is no key, or the key is another's */
function meansOf(values: Values, { file, kind }: Place): Means {
  const named = values.sender === undefined ? undefined : parseObjectId(values.sender);
  if (values.unsigned) return { sending: { kind: "unsigned" }, sender: named };
  const own = kind === "local" ? file?.wallet?.secretKey : undefined;
  const key =
    secretKey(values["key-file"]) ?? (own === undefined ? undefined : parseKey(own, "the network file"));
  const address = key === undefined ? undefined : parseObjectId(key.toSuiAddress());
  if (values["dry-run"]) return { sending: { kind: "dry-run" }, sender: named ?? address };
  if (key === undefined)
    throw new UsageError(
      `the AdminCap's key is needed: --key-file or ${KEY_VARIABLE}; --unsigned prints the transaction instead`,
    );
  if (named !== undefined && named !== address)
    throw new UsageError(`the key is that of ${address}, not of --sender ${named}; --unsigned needs no key`);
  return { sending: { kind: "send", key }, sender: address };
}

/** @throws AdminCapError */
async function capHolder(client: SuiGrpcClient, wallet: WalletChain, originalPackageId: ObjectId) {
  const { owner } = (await locateAdminCap(client, wallet, originalPackageId)) ?? {};
  if (owner !== undefined) return owner;
  throw new AdminCapError(
    "NO_ADMIN_CAP",
    `who holds the AdminCap of package ${originalPackageId} cannot be read from this endpoint: say --sender`,
    { retryable: true },
  );
}
