/** What a verifier knows without the auditor: the chain, the registry, and what it noted or fetched earlier. */

import type { MemoryPopulation } from "../shared/audit/population.ts";
import type { RoundExport } from "../shared/audit/round-export.ts";
import type { ShardHolders } from "../shared/protocol/committee.ts";
import type { BlobId } from "../shared/protocol/ids.ts";
import type { JudgedFacts } from "./excuse-check.ts";
import type { RegistryFacts } from "./report-check.ts";

/** What the verifier read from the chain by itself. */
export interface ChainFacts {
  readonly network: RoundExport["network"];
  /** The first checkpoint at or after the round's start; undefined while there is none. */
  readonly seedCheckpoint: { readonly sequence: number; readonly digest: Uint8Array } | undefined;
  /** The seed that `open_round` drew, and the checkpoint that holds it; absent when there is no contract. */
  readonly openedSeed?: { readonly seed: Uint8Array; readonly checkpoint: number };
  /** Time of the checkpoint up to which the populations were made. */
  readonly seedMs: number | undefined;
  /** Of the round's epoch; undefined when it cannot be read any more, and then why. */
  readonly committee: ShardHolders | undefined;
  readonly noCommittee?: string;
  readonly populations: {
    readonly permanent: MemoryPopulation;
    readonly deletable: MemoryPopulation;
    readonly fresh: MemoryPopulation;
  };
  readonly epoch: number;
  /** Blobs of the populations that were certified less than the profile's grace before the seed was drawn. */
  readonly justCertified: ReadonlySet<BlobId>;
  /** At the checkpoint that the export names; undefined when the chain has none there, or it comes before the seed. */
  readonly judged: JudgedFacts | undefined;
  /** Absent when no registry was named. */
  readonly registry?: RegistryFacts;
  /** The evidence root that the caller noted. */
  readonly committed?: { readonly evidenceRoot: string; readonly nodesRoot: string | undefined };
  /** The auditor's round before this one; null when there is none, undefined when the caller does not know. */
  readonly previous?: RoundExport | null;
  /** Time of the chain's tip: what an auditor no longer has to keep by then. */
  readonly tipMs: number;
}
