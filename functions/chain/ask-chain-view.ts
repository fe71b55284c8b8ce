/** The ChainView object, as the Worker and the Wallet ask it. */
import { remoteCall } from "../../shared/sui/wallet/portable-error.ts";
import type { Env } from "../base/env.ts";
import type { Chain } from "./port.ts";

/** One per deployment: there is one chain. */
const NAME = "main";

/** A stub is broken for good once its object has died, so each call takes a new one. */
export const askChainView = (env: Env): Chain => ({
  snapshot: (options) =>
    remoteCall(() => {
      // RPC carries a snapshot as plain data; the platform's types lose its branded strings on the way.
      const stub = env.CHAIN_VIEW.getByName(NAME) as unknown as Chain;
      return stub.snapshot(options);
    }),
});
