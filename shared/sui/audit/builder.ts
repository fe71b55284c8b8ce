/** Puts together one transaction against one audit registry: its shared inputs, calls, bytes, coins and symbols. */
import { bcs } from "@mysten/sui/bcs";
import { Transaction, type TransactionArgument } from "@mysten/sui/transactions";
import { argumentChunks } from "../../audit/refutation.ts";
import { assert } from "../../base/errors.ts";
import { CLOCK_OBJECT_ID, SUI_COIN_TYPE } from "../client/type-names.ts";
import type { AuditContracts, BondSource, SharedRef } from "./contracts.ts";

export class AuditBuilder {
  readonly tx = new Transaction();
  readonly #contracts: AuditContracts;

  constructor(contracts: AuditContracts) {
    this.#contracts = contracts;
  }

  registry(mutable: boolean): TransactionArgument {
    return this.shared(this.#contracts.registry, mutable);
  }

  clock(): TransactionArgument {
    return this.shared({ objectId: CLOCK_OBJECT_ID, initialSharedVersion: 1n }, false);
  }

  shared({ objectId, initialSharedVersion }: SharedRef, mutable: boolean): TransactionArgument {
    return this.tx.sharedObjectRef({
      objectId,
      initialSharedVersion: initialSharedVersion.toString(),
      mutable,
    });
  }

  call(name: string, values: TransactionArgument[], typeArguments: string[] = []) {
    const target = `${this.#contracts.packageId}::audit::${name}` as const;
    return this.tx.moveCall({ target, arguments: values, typeArguments });
  }

  bytes(value: Uint8Array): TransactionArgument {
    return this.tx.pure(bcs.byteVector().serialize(value).toBytes());
  }

  path(siblings: readonly Uint8Array[]): TransactionArgument {
    return this.tx.pure(
      bcs
        .vector(bcs.byteVector())
        .serialize([...siblings])
        .toBytes(),
    );
  }

  coin(mist: bigint, source: BondSource): TransactionArgument {
    if (source === "gas-coin") return this.tx.splitCoins(this.tx.gas, [mist]);
    return this.tx.moveCall({
      target: "0x2::coin::redeem_funds",
      typeArguments: [SUI_COIN_TYPE],
      arguments: [this.tx.withdrawal({ amount: mist, type: SUI_COIN_TYPE })],
    });
  }

  symbol(prefixedSymbol: Uint8Array): TransactionArgument {
    const [first, ...rest] = argumentChunks(prefixedSymbol);
    assert(first !== undefined, "a symbol has its leaf prefix");
    if (rest.length === 0) return this.bytes(first);
    const buffer = this.call("symbol_buf", [this.bytes(first)]);
    for (const chunk of rest) this.call("push", [buffer, this.bytes(chunk)]);
    return this.call("into_symbol", [buffer]);
  }
}
