import { toHex } from "../../bytes/hex.ts";
import { algorithmName, type HashName, hashBytes } from "../../cards/smartcard-hsm/keys/algorithms.ts";
import { keyName, type TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import type { SignatureScheme } from "../../services/keys/keys-signature.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import type { Document } from "../output.ts";

/** A key as JSON documents tell it. */
export function keyFacts(key: TokenKey): Document {
  const { ref, label, id, kind, bits, curve, usage: uses, certificate, problems } = key;
  return { ref, label, id: toHex(id), kind, bits, curve, usage: uses, certificate, problems };
}

/** What the card ties to a key; `null` where it does not tell. */
export function limitFacts({ metadata }: Pick<TokenKey, "metadata">): Document {
  return {
    usesLeft: metadata?.usesLeft ?? null,
    algorithms: metadata?.algorithms?.map(algorithmName) ?? null,
    domain: metadata?.domain ?? null,
  };
}

/** `RSA-2048`, `EC secp256r1`, `AES-256`. */
export function kindWords({ kind, bits, curve }: Pick<TokenKey, "kind" | "bits" | "curve">): string {
  if (kind === "unknown") return "unknown";
  if (kind === "ec") return `EC ${curve ?? (bits === null ? "" : `${bits} bits`)}`.trimEnd();
  return bits === null ? kind.toUpperCase() : `${kind.toUpperCase()}-${bits}`;
}

/** `key 5 "backup signing", RSA-2048`. */
export function keyTitle(key: TokenKey): string {
  return `${keyName(key)}, ${kindWords(key)}`;
}

/** `--hash`. */
export function hashOption({ args }: Pick<CommandContext, "args">): HashName {
  const text = args.text("hash") ?? "sha256";
  const name = text.toLowerCase().replace(/^sha-/, "sha");
  if (Object.hasOwn(hashBytes, name)) return name as HashName;
  throw usage("OPTION_VALUE", `--hash knows ${Object.keys(hashBytes).join(", ")}`);
}

/** `--scheme` of signatures. */
export function signatureScheme({ args }: Pick<CommandContext, "args">): SignatureScheme | undefined {
  const text = args.text("scheme");
  if (text === undefined || text === "pkcs1" || text === "pss" || text === "ecdsa") return text;
  throw usage("OPTION_VALUE", "--scheme knows pkcs1, pss and ecdsa");
}
