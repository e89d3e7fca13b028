import type { HashName } from "../../cards/smartcard-hsm/keys/algorithms.ts";
import { curveByName } from "../../crypto/curves/curves.ts";
import type { PublicKey } from "../../crypto/keys/public-key-formats.ts";
import { type CertificateContent, certificateContent } from "../../crypto/x509/certificate-build.ts";
import type { CertificateHash } from "../../crypto/x509/signature-algorithm.ts";
import { hashOf } from "../../services/certificates/key-signer.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { hashOption } from "../keys/key-facts.ts";

type WithArgs = Pick<CommandContext, "args">;

/** `--subject`, `--san` and the purposes, read and encoded before a card is touched. */
export function contentOption({ args }: WithArgs): CertificateContent {
  return certificateContent(args.required("subject"), {
    alternativeNames: args.texts("san"),
    keyUsage: listOption(args.text("key-usage"), "key-usage"),
    keyPurposes: listOption(args.text("ext-key-usage"), "ext-key-usage"),
    authority: args.flag("authority"),
  });
}

function listOption(text: string | undefined, name: string): readonly string[] {
  if (text === undefined) return [];
  const names = text.split(",").map((one) => one.trim());
  if (names.some((one) => one === "")) throw usage("OPTION_VALUE", `--${name} wants names with commas between`);
  return [...new Set(names)];
}

/** `--hash`; `undefined`: as strong as the key. */
export function certificateHashOption(context: WithArgs): CertificateHash | undefined {
  if (context.args.text("hash") === undefined) return undefined;
  const hash = hashOption(context);
  if (hash !== "sha1") return hash;
  throw usage("HASH_TOO_WEAK", "SHA-1 is too weak for certificates", "leave --hash away, or give sha256");
}

export function certificateHash(wanted: CertificateHash | undefined, key: PublicKey): CertificateHash & HashName {
  const order = key.kind === "rsa" ? 0 : (curveByName(key.curve)?.orderBytes ?? 0);
  return wanted ?? hashOf(key, order);
}

/** `--pem` and `--der`. */
export function encodingOption({ args }: WithArgs): "pem" | "der" {
  if (args.flag("pem") && args.flag("der")) {
    throw usage("OPTIONS_CONFLICT", "--pem and --der at once", "give one of them");
  }
  return args.flag("der") ? "der" : "pem";
}
