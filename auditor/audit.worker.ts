/** The auditor Worker "floe-auditor": composition root, no logic. */
import type { Env, LedgerPort } from "./env.ts";

export { AuditLedger } from "./audit-ledger.do.ts";

/** One ledger per deployment: one chain, one signer. */
// RPC turns the methods of the class into those of the stub.
const ledger = (env: Env): LedgerPort => env.AUDIT_LEDGER.getByName("main") as unknown as LedgerPort;

export default {
  fetch(request, env): Promise<Response> {
    return ledger(env).fetch(request);
  },
  async scheduled(_controller, env): Promise<void> {
    await ledger(env).tick();
  },
} satisfies ExportedHandler<Env>;
