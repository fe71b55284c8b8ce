/** The one secret that commands take: a Sui wallet's key, from a file or the environment, never from an argument. */
import { decodeSuiPrivateKey, type Keypair } from "@mysten/sui/cryptography";
import { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import { Secp256k1Keypair } from "@mysten/sui/keypairs/secp256k1";
import { Secp256r1Keypair } from "@mysten/sui/keypairs/secp256r1";
import { FloeError } from "../shared/base/errors.ts";
import { readInput } from "./input.ts";
import { file } from "./options.ts";

export const KEY_VARIABLE = "FLOE_SECRET_KEY";

export const KEY_OPTION = file(
  `holds the wallet's key, suiprivkey1...; the variable ${KEY_VARIABLE} may hold it instead`,
);

export class KeyError extends FloeError<"INVALID_KEY"> {}

/** @returns undefined when neither file nor variable is given. @throws KeyError without any of the key's text */
export function secretKey(keyFile: string | undefined): Keypair | undefined {
  const text = keyFile === undefined ? process.env[KEY_VARIABLE] : readInput(keyFile).toString("utf8");
  if (text === undefined || text === "") return undefined;
  return parseKey(text.trim(), keyFile ?? KEY_VARIABLE);
}

export function parseKey(text: string, from: string): Keypair {
  const { scheme, secretKey: bytes } = decode(text, from);
  switch (scheme) {
    case "ED25519":
      return Ed25519Keypair.fromSecretKey(bytes);
    case "Secp256k1":
      return Secp256k1Keypair.fromSecretKey(bytes);
    case "Secp256r1":
      return Secp256r1Keypair.fromSecretKey(bytes);
    default:
      throw new KeyError(
        "INVALID_KEY",
        `the key in ${from} is of kind ${scheme}, with which nothing is signed`,
      );
  }
}

/** The SDK's own error might repeat the text, so it is not passed on. */
function decode(text: string, from: string): ReturnType<typeof decodeSuiPrivateKey> {
  try {
    return decodeSuiPrivateKey(text);
  } catch {
    throw new KeyError("INVALID_KEY", `${from} holds no private key of the form suiprivkey1...`);
  }
}
