/**
 * Compiles our Move packages with the compiler of `@zktx.io/sui-move-builder`, from sources on this machine only.
 *
 * The builder asks for what a package depends on by URL. The framework comes from `move/framework-stubs`, or from a
 * directory with the real sources; Walrus from `move/walrus-stubs`, or from a directory of its contracts. Packages and
 * manifests are the same either way.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  initMovePackageBuilder,
  MovePackageFetcher,
  prepareMovePackagePublish,
} from "@zktx.io/sui-move-builder/full";
import { ROOT } from "../host/project-root.ts";
import { FloeError } from "../shared/base/errors.ts";
import type { ObjectId } from "../shared/protocol/ids.ts";

export const MOVE = join(ROOT, "move");
/** Interfaces only: what is compiled against them runs, but they prove nothing about the real framework. */
export const FRAMEWORK_STUBS = join(MOVE, "framework-stubs");
export const WALRUS_STUBS = join(MOVE, "walrus-stubs");
const WASM = join(ROOT, "node_modules/@zktx.io/sui-move-builder/dist/full/sui_move_wasm_bg.wasm");
/** The environment that the builder takes addresses for; the addresses themselves are given in Published.toml. */
const ENVIRONMENT = { name: "mainnet", chainId: "35834a8a" } as const;

export type Files = Record<string, string>;

export class MoveBuildError extends FloeError<"MOVE_COMPILER" | "MOVE_SOURCES"> {}

export const openBuilder = (): Promise<void> => initMovePackageBuilder({ wasm: readFileSync(WASM) });

/** @param parts folders of sources */
export function moveFiles(folder: string, parts: readonly string[] = ["sources"]): Files {
  const manifest = join(folder, "Move.toml");
  if (!existsSync(manifest)) throw new MoveBuildError("MOVE_SOURCES", `${folder} is no Move package`);
  const files: Files = { "Move.toml": readFileSync(manifest, "utf8") };
  for (const part of parts) {
    if (!existsSync(join(folder, part))) continue;
    for (const entry of readdirSync(join(folder, part), { recursive: true, encoding: "utf8" })) {
      if (entry.endsWith(".move")) {
        files[`${part}/${entry}`] = readFileSync(join(folder, part, entry), "utf8");
      }
    }
  }
  return files;
}

/** Addresses of a package on chain. */
export interface PublishedAt {
  /** Types are named by this. */
  readonly originalId: ObjectId;
  /** Calls go here. */
  readonly packageId: ObjectId;
}

export interface SourceOptions {
  /** Directory with `move-stdlib` and `sui-framework`. */
  readonly framework?: string;
  /** Folder of the package `walrus`; the real one needs `wal` beside it. */
  readonly walrus?: string;
  /** By package name; without, dependencies are compiled as unpublished. */
  readonly published?: Readonly<Record<string, PublishedAt>>;
}

/** Hands out sources of dependencies; nothing is fetched from anywhere. */
export class LocalSources extends MovePackageFetcher {
  readonly #options: Required<SourceOptions>;

  constructor({ framework = FRAMEWORK_STUBS, walrus = WALRUS_STUBS, published = {} }: SourceOptions = {}) {
    super();
    this.#options = { framework, walrus, published };
    this.fetchLocal = async (path) => {
      const name = path.split("/").at(-1) ?? "";
      return name === "wal"
        ? this.#files(join(walrus, "..", "wal"), name)
        : this.#files(join(MOVE, path.replace(/^(\.\.\/)+/, "")), name);
    };
  }

  override async fetch(url: string, _revision: string, folder = ""): Promise<Files> {
    const name = folder.split("/").at(-1) ?? "";
    const { framework, walrus } = this.#options;
    if (url.includes("MystenLabs/walrus"))
      return name === "wal" ? this.#files(join(walrus, "..", "wal"), name) : this.#files(walrus, "walrus");
    if (name === "move-stdlib" || name === "sui-framework") return this.#files(join(framework, name), name);
    throw new MoveBuildError("MOVE_SOURCES", `no sources of ${url} ${folder}`);
  }

  override async fetchFile(): Promise<string | null> {
    return null;
  }

  override getResolvedSha(): undefined {
    return undefined;
  }

  #files(folder: string, name: string): Files {
    const files = moveFiles(folder);
    const at = this.#options.published[name];
    return at === undefined ? files : { ...files, "Published.toml": publication(at) };
  }
}

const publication = ({ originalId, packageId }: PublishedAt): string => `[published.${ENVIRONMENT.name}]
chain-id = "${ENVIRONMENT.chainId}"
original-id = "${originalId}"
published-at = "${packageId}"
version = 1
`;

export interface CompiledPackage {
  /** Base64. */
  readonly modules: string[];
  /** IDs of the packages it is linked to. */
  readonly dependencies: string[];
}

/**
 * A package as it is published.
 *
 * @param name folder under `move`
 * @throws MoveBuildError with the compiler's words
 */
export async function compileForPublishing(name: string, options: SourceOptions): Promise<CompiledPackage> {
  await openBuilder();
  const result = await prepareMovePackagePublish({
    files: moveFiles(join(MOVE, name)),
    fetcher: new LocalSources(options),
    network: ENVIRONMENT.name,
    silenceWarnings: true,
  });
  if ("error" in result)
    throw new MoveBuildError("MOVE_COMPILER", `${name}: ${result.error}`.slice(0, 2_000));
  return { modules: result.modules, dependencies: result.dependencies };
}
