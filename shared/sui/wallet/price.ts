/**
 * What a blob costs. Everything is priced by the started MiB (unit) of *encoded* bytes, in FROST (10^-9 WAL).
 *
 *   units        = ceil(encodedLength / 1 MiB)
 *   storage cost = units * storage price * epochs      reserve_space
 *   write cost   = units * write price                 register_blob
 */
import { FloeError } from "../../base/errors.ts";
import { encodedLength, storageUnits } from "../../protocol/sizes.ts";
import type { ChainSnapshot } from "../walrus/chain-snapshot.ts";

export type PriceErrorCode = "EPOCHS_OUT_OF_RANGE";
export class PriceError extends FloeError<PriceErrorCode> {}

export interface RegistrationCost {
  readonly encodedBytes: number;
  readonly storageFrost: bigint;
  readonly writeFrost: bigint;
  readonly totalFrost: bigint;
}

type Prices = Pick<ChainSnapshot, "nShards" | "storagePricePerUnit" | "writePricePerUnit" | "maxEpochsAhead">;

/**
 * Cost of reserving space and registering one blob for `epochs` epochs from the current one on.
 *
 * @throws PriceError `EPOCHS_OUT_OF_RANGE` with the limit; ProtocolError `BLOB_TOO_LARGE`
 */
export function registrationCost(prices: Prices, unencodedLength: number, epochs: number): RegistrationCost {
  if (!Number.isInteger(epochs) || epochs < 1 || epochs > prices.maxEpochsAhead) {
    throw new PriceError(
      "EPOCHS_OUT_OF_RANGE",
      `${epochs} epochs ahead; 1 to ${prices.maxEpochsAhead} can be bought`,
      { details: { epochs, maxEpochsAhead: prices.maxEpochsAhead } },
    );
  }
  const encodedBytes = encodedLength(prices.nShards, unencodedLength);
  const units = BigInt(storageUnits(encodedBytes));
  const storageFrost = units * prices.storagePricePerUnit * BigInt(epochs);
  const writeFrost = units * prices.writePricePerUnit;
  return { encodedBytes, storageFrost, writeFrost, totalFrost: storageFrost + writeFrost };
}
