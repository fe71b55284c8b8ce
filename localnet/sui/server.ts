/** Serves a stand-in for Sui over HTTP. */
import { serveFetch } from "../http-server.ts";
import type { SuiStandIn } from "./stand-in.ts";

export interface SuiServer {
  readonly url: string;
  /** Stops listening; the stand-in itself stays usable. */
  close(): Promise<void>;
}

/** @param options port 0 picks a free port */
export async function serveSui(
  standIn: Pick<SuiStandIn, "fetch">,
  options: { readonly port: number; readonly host: string },
): Promise<SuiServer> {
  const { url, close } = await serveFetch((request) => standIn.fetch(request), options);
  return { url, close };
}
