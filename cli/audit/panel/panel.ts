/**
 * `floe audit panel`: shows an audit panel, and changes it with the key of the AdminCap's holder.
 *
 * Every change asks the panel first what of it is still missing, and does that in one transaction. What stands already
 * is printed, and is no error: a command may be given twice.
 */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import { systemClock } from "../../../host/clock.ts";
import { command, commandTree } from "../../../host/command.ts";
import { flag, required, section, text, type ValuesOf, whole } from "../../../host/options.ts";
import { KEY_OPTION, KEY_VARIABLE, parseKey, secretKey } from "../../../host/secret-key.ts";
import { UsageError } from "../../../host/usage-error.ts";
import { type ObjectId, parseObjectId } from "../../../shared/protocol/ids.ts";
import { type RegistryState, readRegistry } from "../../../shared/sui/audit/reader.ts";
import { createWalletChain, type WalletChain } from "../../../shared/sui/wallet/wallet-chain.ts";
import { readChainSnapshot } from "../../../shared/sui/walrus/chain-snapshot.ts";
import { AdminCapError, locateAdminCap } from "../admin-cap.ts";
import { clientOf, PLACE_OPTIONS, type Place, type PlaceValues, placeOf } from "../place.ts";
import { addAuditors, deactivateAuditors, type PanelChange, setParams, setPaused } from "./changes.ts";
import { PARAMETERS, parseParams } from "./params.ts";
import { carryOut, type Sending } from "./send.ts";
import { panelJson, panelText, quorumWarning, readOpenClaimsOf } from "./show.ts";
import { AUDITOR_OPTION, AUDITOR_OPTIONS, wantedAuditors } from "./wanted-auditors.ts";

const MAX_EPOCH = 0xffff_ffff;

/** How a change is sent, or what is printed instead. */
const SENDING = section("sending, one of", {
  "key-file": {
    ...KEY_OPTION,
    help: `${KEY_OPTION.help}; without both the wallet of the embedded network's file is used`,
  },
  "dry-run": flag("simulates with the key's address, or --sender ADDRESS, and sends nothing"),
  unsigned: flag(
    "prints the unsigned TransactionData, base64, of --sender ADDRESS, or of the AdminCap's holder: for a multisig, or a key on another machine",
  ),
  sender: text("ADDRESS", "the wallet that holds the AdminCap"),
});

const OPTIONS = { ...SENDING, ...PLACE_OPTIONS };

const add = command(
  {
    name: "floe audit panel add",
    about: "Puts auditors on the panel, or takes deactivated ones back with their records.",
    options: {
      ...AUDITOR_OPTIONS,
      auditor: required(AUDITOR_OPTIONS.auditor),
      "since-epoch": whole("noted for new auditors (default: the epoch it is)", { from: 0, to: MAX_EPOCH }),
      ...OPTIONS,
    },
  },
  ({ values }) => {
    const wanted = wantedAuditors(values);
    return change(values, async ({ client, place }) => {
      const epoch = values["since-epoch"] ?? (await snapshotAt(client, place)).epoch;
      return addAuditors(wanted, epoch);
    });
  },
);

const deactivate = command(
  {
    name: "floe audit panel deactivate",
    about: "Takes auditors off the panel. Their records stay, for when they are added again.",
    options: { auditor: required(AUDITOR_OPTION.auditor), ...OPTIONS },
  },
  ({ values }) => {
    const wanted = wantedAuditors({ auditor: values.auditor, name: undefined, url: undefined });
    return change(values, () => deactivateAuditors(wanted.map(({ address }) => address)));
  },
);

const pause = command(
  { name: "floe audit panel pause", about: "Stops new rounds and claims.", options: OPTIONS },
  ({ values }) => change(values, () => setPaused(true)),
);

const resume = command(
  { name: "floe audit panel resume", about: "Lets rounds and claims go on.", options: OPTIONS },
  ({ values }) => change(values, () => setPaused(false)),
);

const setParameters = command(
  {
    name: "floe audit panel set-params",
    about:
      "Changes parameters of the panel, for rounds opened later. All that are not named stay as they are.",
    options: OPTIONS,
    rest: {
      name: "FILE|NAME=VALUE",
      help: `a JSON file of parameters, or any number of them: ${PARAMETERS.join(", ")}, as show --json prints them`,
      isFile: true,
    },
  },
  ({ values, rest }) => {
    const wanted = parseParams(rest);
    return change(values, async ({ client, place }) =>
      setParams(wanted, (await snapshotAt(client, place)).nShards),
    );
  },
);

const show = command(
  {
    name: "floe audit panel show",
    about: "Prints the auditors with their records and open claims, the parameters, and who may change them.",
    options: { json: flag("everything as JSON"), ...PLACE_OPTIONS },
  },
  async ({ values }) => {
    const { client, wallet, read } = openPanel(values);
    const registry = await read();
    const cap = await locateAdminCap(client, wallet, registry.contracts.originalPackageId);
    const view = { registry, cap, claims: await readOpenClaimsOf(client, registry) };
    console.log(values.json ? panelJson(view) : panelText(view));
    return 0;
  },
);

export const panel = commandTree(
  "floe audit panel",
  "Shows an audit panel, and changes it with the key of the AdminCap's holder. A change may be asked for twice: what stands already is no error.",
  Object.fromEntries(
    Object.entries({ show, add, deactivate, pause, resume, "set-params": setParameters }).map(
      ([name, each]) => [name, { about: each.about, load: () => each }],
    ),
  ),
);

interface OpenPanel {
  readonly place: Place;
  readonly client: SuiGrpcClient;
  readonly wallet: WalletChain;
  /** The registry as it stands when this is called. */
  readonly read: () => Promise<RegistryState>;
}

/** @throws UsageError when no panel is named */
function openPanel(values: PlaceValues): OpenPanel {
  const place = placeOf(values);
  const { contract } = place;
  if (contract === undefined)
    throw new UsageError(
      place.file === undefined ? "panel needs --package and --registry" : "the network file lacks audit",
    );
  const client = clientOf(place);
  const wallet = createWalletChain(client, [client]);
  return { place, client, wallet, read: () => readRegistry(client, contract) };
}

const snapshotAt = (client: SuiGrpcClient, { ids }: Place) =>
  readChainSnapshot(client, ids, systemClock.nowMs());

/** @returns 0 once the panel stands as wanted, or the transaction is printed */
async function change(
  values: ValuesOf<typeof OPTIONS>,
  wanted: (panel: OpenPanel) => Promise<PanelChange> | PanelChange,
): Promise<number> {
  if (values.unsigned && values["dry-run"])
    throw new UsageError("--unsigned and --dry-run exclude each other; either sends nothing");
  const open = openPanel(values);
  const { place, client, wallet, read } = open;
  const means = meansOf(values, place);
  const asked = await wanted(open);
  const sender =
    means.sender ?? (await capHolder(client, wallet, (await read()).contracts.originalPackageId));
  const access = { client, wallet, clock: systemClock, readRegistry: read, sender };
  const out = await carryOut(access, asked, means.sending);
  if (out !== undefined) console.log(out);
  const warning = quorumWarning(await read());
  if (warning !== undefined) console.error(warning);
  return 0;
}

interface Means {
  readonly sending: Sending;
  /** undefined: the holder of the AdminCap. */
  readonly sender: ObjectId | undefined;
}

/** @throws UsageError when something is to be signed and there is no key, or the key is another's */
function meansOf(values: ValuesOf<typeof OPTIONS>, { file, kind }: Place): Means {
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
    `who holds the AdminCap of package ${originalPackageId} cannot be read from this endpoint: give --sender`,
    { retryable: true },
  );
}
