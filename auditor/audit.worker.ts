/** The auditor Worker "floe-auditor": composition root, no logic. */
import { ConfigError } from "../shared/protocol/settings.ts";
import { type Env, type LedgerPort, parseConfig } from "./env.ts";
import { notConfigured } from "./face/routes.ts";
import { writeLog } from "./platform.ts";

export { AuditLedger } from "./audit-ledger.do.ts";

/** One ledger per deployment: one chain, one signer. */
// RPC turns the methods of the class into those of the stub.
const ledger = (env: Env): LedgerPort => env.AUDIT_LEDGER.getByName("main") as unknown as LedgerPort;

/** The log names the setting that is missing or wrong; the client does not learn it. */
function isConfigured(env: Env): boolean {
  try {
    parseConfig(env);
    return true;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    writeLog("not-configured", { code: error.code, message: error.message });
    return false;
  }
}

export default {
  async fetch(request, env): Promise<Response> {
    return isConfigured(env) ? ledger(env).fetch(request) : notConfigured();
  },
  async scheduled(_controller, env): Promise<void> {
    if (isConfigured(env)) await ledger(env).tick();
  },
} satisfies ExportedHandler<Env>;
