// If this fails, a wallet that dies after sending forgets what it sent, and pays again.
import { describe, expect, it } from "vitest";
import { Submitter } from "../../../../shared/sui/wallet/submitter.ts";
import type { SendableTransaction } from "../../../../shared/sui/wallet/wallet-chain.ts";
import { registerRequest, WALLET } from "../walrus/fixtures.ts";
import { sqliteWalletStore } from "./node-sqlite-wallet.ts";
import { ScriptedChain } from "./scripted-chain.ts";

describe("a signed transaction", () => {
  it("stands in the store, bytes and signature, before its first byte leaves", async () => {
    const store = sqliteWalletStore();
    const sent: { digest: string; bytes: Uint8Array; signature: string }[] = [];
    const stored: unknown[] = [];
    class Watched extends ScriptedChain {
      override async execute(transaction: SendableTransaction, signature = "signature") {
        sent.push({ ...transaction, signature });
        const [open] = store.openTransactions();
        stored.push(open && { digest: open.digest, bytes: open.bytes, signature: open.signature });
        return super.execute(transaction);
      }
    }
    const chain = new Watched();
    const submitter = new Submitter({
      signer: { address: WALLET, sign: async () => "signature" },
      chain,
      snapshot: async () => chain.snapshot,
      store,
      clock: {
        nowMs: () => 1_700_000_000_000,
        sleep: (_, signal) =>
          new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(signal.reason))),
      },
      randomBytes: (count) => new Uint8Array(count),
      failPoint: () => {},
    });
    await submitter.register(registerRequest(1));
    expect(sent).toHaveLength(1);
    expect(stored.map(plain)).toEqual(sent.map(plain));
    expect(store.openTransactions()).toEqual([]);
  });
});

/** Bytes come back from the store as another kind of array. */
function plain(each: unknown): unknown {
  const { digest, bytes, signature } = (each ?? {}) as Partial<SendableTransaction & { signature: string }>;
  return { digest, bytes: Array.from(bytes ?? []), signature };
}
