/** Text forms of bytes. Strict: padding, alphabet and unused bits are checked by `@scure/base`. */
import { base64, base64urlnopad, hex } from "@scure/base";
import { ProtocolError } from "./errors.ts";

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Below zero when `a` sorts before `b`, zero when they are equal. @param b as long as `a` */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let at = 0; at < a.length; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/**
 * Gives the memory under `bytes` back now: large buffers are collected late, and an isolate's memory is counted with
 * its garbage. Nothing may use the buffer or any view of it afterwards.
 */
export function discardBytes(bytes: Uint8Array): void {
  if (bytes.buffer instanceof ArrayBuffer && !bytes.buffer.detached) bytes.buffer.transfer(0);
}

export const toHex = (bytes: Uint8Array): string => hex.encode(bytes);
export const toBase64 = (bytes: Uint8Array): string => base64.encode(bytes);
export const toBase64Url = (bytes: Uint8Array): string => base64urlnopad.encode(bytes);

export const fromHex = (text: string): Uint8Array => decode(hex.decode, text, "hex");
export const fromBase64 = (text: string): Uint8Array => decode(base64.decode, text, "base64");
export const fromBase64Url = (text: string): Uint8Array => decode(base64urlnopad.decode, text, "base64url");

function decode(decoder: (text: string) => Uint8Array, text: string, form: string): Uint8Array {
  try {
    return decoder(text);
  } catch (cause) {
    throw new ProtocolError("MALFORMED_BYTES", `not canonical ${form} (${text.length} characters)`, {
      cause,
      details: { form, characters: text.length },
    });
  }
}
