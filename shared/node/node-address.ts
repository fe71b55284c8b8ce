/**
 * Which network addresses we are willing to call.
 *
 * A storage node's address is a `host:port` text that its operator put on chain: untrusted. On a public network only
 * https to a DNS name is allowed; IP literals in any notation, single-label and reserved names, credentials, paths and
 * well-known non-HTTP ports are refused, so that the chain cannot point us at somebody's inner network. (A name may
 * still resolve to a private address, which Workers cannot pin: integrity never rests on the address.) On a local
 * network any host is allowed, over http.
 */
import { FloeError } from "../base/errors.ts";
import { NODE_LIMITS } from "./limits.ts";

export type NetworkKind = "local" | "public";

export class NodeAddressError extends FloeError<"REFUSED_ADDRESS"> {}

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** Names that never leave a machine or a site (RFC 6761, RFC 6762, RFC 8375, RFC 9476 and common practice). */
const RESERVED_SUFFIXES = new Set([
  "localhost",
  "local",
  "internal",
  "arpa",
  "lan",
  "home",
  "corp",
  "intranet",
  "alt",
  "onion",
]);
/** Ports below 1024 other than HTTPS speak other protocols (SSH, SMTP, ...). */
const HTTPS_PORT = 443;
const FIRST_USER_PORT = 1024;

/**
 * Base URL (`scheme://host[:port]`, no trailing slash) of a node's REST API.
 *
 * @throws NodeAddressError `REFUSED_ADDRESS` with the reason; the address itself is not repeated in the message
 */
export function nodeBaseUrl(networkAddress: string, policy: NetworkKind): string {
  if (networkAddress.length === 0 || networkAddress.length > NODE_LIMITS.networkAddressCharacters) {
    refuse(`${networkAddress.length} characters`);
  }
  const match = /^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?$/.exec(networkAddress);
  const host = match?.[1]?.toLowerCase();
  if (host === undefined) refuse("not of the form host:port");
  const portText = match?.[2];
  const port = portText === undefined ? undefined : Number(portText);
  if (port !== undefined && (port < 1 || port > 65_535)) refuse(`port ${port}`);
  if (policy === "local") return `http://${host}${port === undefined ? "" : `:${port}`}`;

  if (port !== undefined && port !== HTTPS_PORT && port < FIRST_USER_PORT) refuse(`port ${port}`);
  checkPublicName(host);
  return `https://${host}${port === undefined ? "" : `:${port}`}`;
}

function checkPublicName(host: string): void {
  const labels = host.split(".");
  const last = labels.at(-1) ?? "";
  if (labels.length < 2 || !labels.every((label) => LABEL.test(label))) refuse("not a DNS name");
  // URL parsers read a host as IPv4 when its last label is numeric in any base ("127.1", "0x7f.1", "2130706433").
  if (/^(0x[0-9a-f]*|[0-9]+)$/.test(last)) refuse("an IP address");
  if (RESERVED_SUFFIXES.has(last)) refuse("a reserved name");
}

function refuse(reason: string): never {
  throw new NodeAddressError("REFUSED_ADDRESS", `the node's network address is refused: ${reason}`, {
    details: { reason },
  });
}
