/** Values as Move source text. */
import { toHex } from "../../../shared/base/bytes.ts";

export const bytesLiteral = (bytes: Uint8Array): string => `x"${toHex(bytes)}"`;

export const pathLiteral = (path: readonly Uint8Array[]): string =>
  `vector[${path.map(bytesLiteral).join(", ")}]`;

/** A function that hands out one of several values by number; an unknown number aborts. */
export function chooser(name: string, type: string, values: readonly string[]): string {
  const arms = values.map((value, i) => `    if (i == ${i}) return ${value};`).join("\n");
  return `public fun ${name}(i: u64): ${type} {\n${arms}\n    abort i\n}\n\npublic fun ${name}_count(): u64 { ${values.length} }\n`;
}
