/** A request as a storage node sees it: no sockets, no streams, so that handlers can be asked without a server. */

export interface NodeRequest {
  readonly method: string;
  /** Percent-encoding is not undone. */
  readonly pathname: string;
  readonly query: URLSearchParams;
  /** @param name in lower case */
  header(name: string): string | undefined;
  /**
   * The whole body. Call it once.
   *
   * @returns undefined when it is longer than `maxBytes`
   * @throws PlainRefusal when the client breaks off; nothing can be answered then
   */
  body(maxBytes: number): Promise<Uint8Array | undefined>;
}

/** The parts of a request target, which is a path with a query. Dots and other spellings are resolved as in a URL. */
export function parseTarget(target: string): { readonly pathname: string; readonly query: URLSearchParams } {
  if (PLAIN_PATH.test(target)) return { pathname: target, query: new URLSearchParams() };
  const { pathname, searchParams } = new URL(target.startsWith("/") ? target : "/", "http://node");
  return { pathname, query: searchParams };
}

/** What a URL leaves as it is; nearly every request. */
const PLAIN_PATH = /^(?:\/[\w-]+)+$/;
