/**
 * `floe audit deploy`: publishes `floe_audit` and its gate, and creates the registry.
 *
 * Up to five transactions of one wallet, which then holds the AdminCap: publish, create, publish the gate, name the
 * gate, add auditors. Each is read back from the chain before the next; when one does not get through, `--resume` goes on from the package
 * that was published, with the registry that was created.
 */
import { existsSync, realpathSync } from "node:fs";
import { join } from "node:path";
import type { Keypair } from "@mysten/sui/cryptography";
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import type { Transaction } from "@mysten/sui/transactions";
import { systemClock } from "../../host/clock.ts";
import { command } from "../../host/command.ts";
import { section, text, type ValuesOf, whole } from "../../host/options.ts";
import { KEY_OPTION, KEY_VARIABLE, parseKey, secretKey } from "../../host/secret-key.ts";
import { UsageError } from "../../host/usage-error.ts";
import { type CompiledPackage, compileForPublishing, FRAMEWORK_STUBS } from "../../move/build.ts";
import { assert, FloeError } from "../../shared/base/errors.ts";
import { type ObjectId, parseObjectId } from "../../shared/protocol/ids.ts";
import type { AuditContracts, RegistryParams } from "../../shared/sui/audit/contracts.ts";
import { readAuditEventPage } from "../../shared/sui/audit/event-pages.ts";
import { parseAuditEvent } from "../../shared/sui/audit/events.ts";
import { PANEL_PARAMETERS } from "../../shared/sui/audit/panel-parameters.ts";
import { createRegistryTransaction, setGateTransaction } from "../../shared/sui/audit/panel-transactions.ts";
import {
  gateWitnessType,
  publishTransaction,
  readUpgradeCap,
  UPGRADE_CAP,
} from "../../shared/sui/audit/publishing.ts";
import { readRegistry } from "../../shared/sui/audit/reader.ts";
import { parseStructName } from "../../shared/sui/client/type-names.ts";
import { buildChecked, sendOnce } from "../../shared/sui/wallet/send-once.ts";
import {
  createWalletChain,
  type ExecutedTransaction,
  type WalletChain,
} from "../../shared/sui/wallet/wallet-chain.ts";
import { type ChainSnapshot, readChainSnapshot } from "../../shared/sui/walrus/chain-snapshot.ts";
import { requireAdminCap } from "./admin-cap.ts";
import { deployedParams } from "./deployed-params.ts";
import { addAuditors, type PanelChange } from "./panel/changes.ts";
import { carryOut } from "./panel/send.ts";
import { AUDITOR_OPTIONS, wantedAuditors } from "./panel/wanted-auditors.ts";
import { clientOf, PLACE_OPTIONS, type Place, placeOf } from "./place.ts";

const HOUR_MS = 3_600_000;
const MAX_WINDOW_HOURS = 240;
const MAX_QUORUM = 64;
/** Files that the real framework has and interfaces of our own do not. */
const REAL_FILES = ["move-stdlib/sources/vector.move", "sui-framework/sources/object.move"];

export class DeployError extends FloeError<"STUBS_REFUSED" | "NOT_PUBLISHED"> {}

interface Deployment {
  readonly client: SuiGrpcClient;
  readonly wallet: WalletChain;
  readonly key: Keypair;
  readonly sender: ObjectId;
  readonly snapshot: ChainSnapshot;
  readonly framework: string;
  /** undefined: no gate is published. */
  readonly walrus: string | undefined;
}

const OPTIONS = {
  "key-file": {
    ...KEY_OPTION,
    help: `${KEY_OPTION.help}; without both the wallet of the embedded network's file is used`,
  },
  framework: text("DIR", "Sui framework sources, move-stdlib and sui-framework; required on public networks"),
  walrus: text(
    "DIR",
    "sources of the package walrus, with wal beside it; without, no gate on public networks",
  ),
  quorum: whole(`auditors that must stand behind a claim (default ${PANEL_PARAMETERS.public.quorum})`, {
    from: 1,
    to: MAX_QUORUM,
  }),
  "window-hours": whole(
    `time to refute a claim, public networks (default ${PANEL_PARAMETERS.public.windowMs / HOUR_MS})`,
    { from: 1, to: MAX_WINDOW_HOURS },
  ),
  resume: text("PACKAGE", "goes on after floe_audit has been published"),
  ...section("auditors to put on the panel in the same go", AUDITOR_OPTIONS),
  ...PLACE_OPTIONS,
};

export const deploy = command(
  {
    name: "floe audit deploy",
    about:
      "Publishes floe_audit and its gate, creates the registry, and prints the part of a network file that names them. The wallet then holds the AdminCap.",
    options: OPTIONS,
  },
  ({ values }) => deployWith(values),
);

/** @returns 0 once everything stands on chain */
async function deployWith(values: ValuesOf<typeof OPTIONS>): Promise<number> {
  const place = placeOf(values);
  const wanted = wantedAuditors(values);
  const sources = sourcesOf(place, values.framework, values.walrus);
  const key = secretKey(values["key-file"]) ?? localKey(place);
  const client = clientOf(place);
  const snapshot = await readChainSnapshot(client, place.ids, systemClock.nowMs());
  const params = deployedParams(place.kind, snapshot.nShards, {
    quorum: values.quorum,
    windowHours: values["window-hours"],
  });
  // Refuses names that the contract would refuse before anything is published.
  const auditors = addAuditors(wanted, snapshot.epoch);
  const sender = parseObjectId(key.toSuiAddress());
  const wallet = createWalletChain(client, [client]);
  const deployment: Deployment = { client, wallet, key, sender, snapshot, ...sources };
  const packageId =
    values.resume === undefined ? await publishAudit(deployment) : parseObjectId(values.resume);
  const registryId =
    (await existingRegistry(client, packageId)) ?? (await createRegistry(deployment, packageId, params));
  const gatePackageId = await ensureGate(deployment, packageId, registryId);
  const audit = { packageId, registryId, ...(gatePackageId === undefined ? {} : { gatePackageId }) };
  console.log(JSON.stringify({ audit }, null, 2));
  if (gatePackageId === undefined)
    console.error("no gate: claims are not bound and lead to no vote; --walrus DIR publishes it");
  if (wanted.length > 0) await seat(deployment, audit, auditors);
  console.error(
    `the AdminCap is with ${sender}: floe audit panel changes the panel with it; it should be in a multisig`,
  );
  return 0;
}

/** Puts auditors on the panel; the others' places are what they were. */
async function seat(
  { client, wallet, key, sender }: Deployment,
  contract: { readonly packageId: ObjectId; readonly registryId: ObjectId },
  auditors: PanelChange,
): Promise<void> {
  const read = () => readRegistry(client, contract);
  const access = { client, wallet, clock: systemClock, readRegistry: read, sender };
  const digest = await carryOut(access, auditors, { kind: "send", key });
  if (digest !== undefined) console.error(`the panel has its auditors (${digest})`);
}

/** @throws DeployError `STUBS_REFUSED`; UsageError */
function sourcesOf(
  { kind }: Place,
  framework: string | undefined,
  walrus: string | undefined,
): { readonly framework: string; readonly walrus: string | undefined } {
  if (kind === "local") {
    // There our packages are known, byte for byte as they come from these interfaces.
    const stubs = realpathSync(FRAMEWORK_STUBS);
    return { framework: framework ?? stubs, walrus: walrus ?? join(stubs, "../walrus-stubs") };
  }
  if (framework === undefined)
    throw new UsageError(
      "a public network needs --framework: what is compiled against stubs is not published",
    );
  const isReal = REAL_FILES.every((file) => existsSync(join(framework, file)));
  if (!isReal) throw refused(framework, `lacks ${REAL_FILES.join(" or ")}`);
  if (walrus !== undefined && !existsSync(join(walrus, "sources/staking.move")))
    throw refused(walrus, "lacks sources/staking.move");
  return { framework, walrus };
}

const refused = (folder: string, why: string): DeployError =>
  new DeployError("STUBS_REFUSED", `${folder} does not hold the real sources: it ${why}`);

function localKey({ file, kind }: Place): Keypair {
  const found = kind === "local" ? file?.wallet?.secretKey : undefined;
  if (found === undefined) throw new UsageError(`deploy needs --key-file or ${KEY_VARIABLE}`);
  return parseKey(found, "the network file");
}

async function publishAudit(deployment: Deployment): Promise<ObjectId> {
  const { framework } = deployment;
  return publish(deployment, "floe_audit", await compileForPublishing("floe_audit", { framework }));
}

async function createRegistry(
  deployment: Deployment,
  packageId: ObjectId,
  params: RegistryParams,
): Promise<ObjectId> {
  const { client, wallet, sender } = deployment;
  const cap = await requireAdminCap(client, wallet, sender, packageId);
  const executed = await send(deployment, createRegistryTransaction(packageId, cap, params));
  const registry = executed.events
    .map(({ type, contents }) => parseAuditEvent(type, contents, packageId))
    .find((event) => event?.kind === "RegistryCreated");
  assert(registry?.kind === "RegistryCreated", "creating a registry emits its event");
  // Layouts read IDs as ObjectIds.
  const registryId = parseObjectId(registry.registry);
  console.error(`registry ${registryId} (${executed.digest})`);
  return registryId;
}

/** The registry of a package that was published before; undefined when none was created. */
async function existingRegistry(client: SuiGrpcClient, packageId: ObjectId): Promise<ObjectId | undefined> {
  const request = { originalPackageId: packageId, kind: "RegistryCreated", after: undefined } as const;
  const [first] = (await readAuditEventPage(client, request)).events;
  return first?.event.kind === "RegistryCreated" ? parseObjectId(first.event.registry) : undefined;
}

/** @returns undefined when there is none and no sources to make one of */
async function ensureGate(
  deployment: Deployment,
  packageId: ObjectId,
  registryId: ObjectId,
): Promise<ObjectId | undefined> {
  const { client, walrus } = deployment;
  const registry = await readRegistry(client, { packageId, registryId });
  if (registry.gate !== undefined) return parseStructName(`0x${registry.gate}`).packageId;
  return walrus === undefined ? undefined : publishGate(deployment, walrus, registry.contracts);
}

async function publishGate(
  deployment: Deployment,
  walrus: string,
  contracts: AuditContracts,
): Promise<ObjectId> {
  const { client, wallet, sender, snapshot, framework } = deployment;
  const { packageId } = contracts;
  const wal = parseStructName(snapshot.walType).packageId;
  const published = {
    floe_audit: { originalId: packageId, packageId },
    walrus: { originalId: snapshot.originalPackageId, packageId: snapshot.packageId },
    wal: { originalId: wal, packageId: wal },
  };
  const compiled = await compileForPublishing("floe_audit_walrus", { framework, walrus, published });
  const gate = await publish(deployment, "floe_audit_walrus", compiled);
  const cap = await requireAdminCap(client, wallet, sender, contracts.originalPackageId);
  const { digest } = await send(deployment, setGateTransaction(contracts, cap, gateWitnessType(gate)));
  console.error(`the registry's gate is ${gate} (${digest})`);
  return gate;
}

/** @returns the new package's ID */
async function publish(
  deployment: Deployment,
  name: string,
  { modules, dependencies }: CompiledPackage,
): Promise<ObjectId> {
  const { wallet, sender } = deployment;
  const executed = await send(deployment, publishTransaction(modules, dependencies, sender));
  const created = executed.changedObjects.filter(({ isCreated }) => isCreated);
  const objects = await wallet.objects(created.map(({ objectId }) => objectId));
  const cap = objects.find((object) => object?.type === UPGRADE_CAP);
  if (cap === undefined)
    throw new DeployError("NOT_PUBLISHED", `${executed.digest} left no UpgradeCap that can be read`, {
      retryable: true,
    });
  const packageId = readUpgradeCap(cap.content);
  console.error(`${name} is ${packageId}, UpgradeCap ${cap.ref.objectId} (${executed.digest})`);
  return packageId;
}

async function send(
  { wallet, key, sender }: Deployment,
  transaction: Transaction,
): Promise<ExecutedTransaction> {
  return sendOnce(wallet, systemClock, await buildChecked(wallet, transaction, sender), key);
}
