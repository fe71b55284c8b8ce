/**
 * Which chain a ledger was made from, so that no auditor goes on with it on another one: populations of two chains in
 * one ledger would be lists of neither. `meta` has the System object, the chain identifier and the digest of checkpoint
 * 0. The last one tells embedded networks apart: each begins anew at its start, with the identifiers of its seed.
 */
import { toHex } from "../../shared/base/bytes.ts";
import { FloeError } from "../../shared/base/errors.ts";
import type { Sql } from "../../shared/base/sql.ts";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import { SuiError } from "../../shared/sui/client/sui-error.ts";
import type { ChainReader } from "../../shared/sui/walrus/chain-reader.ts";
import { readMeta, writeMeta } from "../ledger/meta.ts";

/** The ledger is of another chain, or of another Walrus on it. Nothing in it was changed. */
export class LedgerNetworkError extends FloeError<"LEDGER_OF_ANOTHER_NETWORK"> {
  constructor(what: string, ledger: string, network: string) {
    super(
      "LEDGER_OF_ANOTHER_NETWORK",
      `the ledger was made from another network: its ${what} is ${ledger}, here it is ${network}; begin with a new ledger`,
      { details: { what, ledger, network } },
    );
  }
}

/**
 * By the ledger alone, without a request.
 *
 * @throws LedgerNetworkError when the ledger is known to be of another Walrus
 */
export function checkSystem(sql: Sql, systemObjectId: ObjectId): void {
  compare(sql, "system_object_id", "System object", systemObjectId);
}

/**
 * Compares the ledger with the chain, and notes in a new one whose it is.
 *
 * @throws LedgerNetworkError; SuiError when the chain cannot be asked
 * Cost: two requests, a third while the endpoint has its first checkpoint.
 */
export async function checkNetwork(sql: Sql, chain: ChainReader): Promise<void> {
  const found: readonly { key: NetworkKey; what: string; value: string | undefined }[] = [
    { key: "system_object_id", what: "System object", value: chain.systemObjectId },
    { key: "chain_id", what: "chain", value: await chain.chainId() },
    { key: "genesis", what: "first checkpoint", value: await firstDigest(chain) },
  ];
  const known = found.filter(({ value }) => value !== undefined);
  for (const { key, what, value = "" } of known) compare(sql, key, what, value);
  sql.transaction(() => {
    for (const { key, value = "" } of known) writeMeta(sql, key, value);
  });
}

type NetworkKey = "system_object_id" | "chain_id" | "genesis";

function compare(sql: Sql, key: NetworkKey, what: string, value: string): void {
  const noted = readMeta(sql, key);
  if (noted !== undefined && noted !== value) throw new LedgerNetworkError(what, noted, value);
}

/** Undefined where it is forgotten, as on full nodes of public networks, whose chain identifier is made of it. */
async function firstDigest(chain: ChainReader): Promise<string | undefined> {
  if ((await chain.firstAvailable()) > 0) return undefined;
  try {
    return toHex((await chain.checkpoint(0)).digest);
  } catch (error) {
    // Behind one address may be several that keep different spans.
    if (error instanceof SuiError && error.code === "SUI_NOT_FOUND") return undefined;
    throw error;
  }
}
