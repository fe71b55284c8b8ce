/** The edge Worker "floe": composition root, no logic. */

import { EdgeError } from "./base/edge-error.ts";
import { type Env, parseConfig } from "./base/env.ts";
import { createServices, finishInvocation, newRequestId } from "./compose.ts";
import { errorResponse, route } from "./http/router.ts";

export { ChainView } from "./chain/chain-view.do.ts";
export { Lane } from "./lane.ts";
export { BlobTracker } from "./tracker/blob-tracker.do.ts";
export { IdempotencyKey } from "./upload/idempotency-key.do.ts";
export { Uploader } from "./uploader.ts";
export { Wallet } from "./wallet/wallet.do.ts";

export default {
  async fetch(request, env, ctx): Promise<Response> {
    const requestId = newRequestId();
    try {
      const config = parseConfig(env);
      const services = createServices(env, config, ctx, requestId);
      const response = await route(request, { services, access: config.publisherAccess });
      ctx.waitUntil(finishInvocation(env, config, services, "edge"));
      return response;
    } catch (error) {
      // Only a setting that is missing or wrong gets here; the log names it, the client does not learn it.
      const cause = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      console.error(JSON.stringify({ event: "not-configured", requestId, cause }));
      return errorResponse(
        new EdgeError("CONFIGURATION", "not configured", { cause: error }),
        requestId,
        request.method,
      );
    }
  },
} satisfies ExportedHandler<Env>;
