import { utf8Bytes } from "../../bytes/bytes.ts";
import { keyName, type TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import {
  type PublicKey,
  publicKeyDer,
  publicKeyJwk,
  publicKeyPem,
  publicKeySsh,
} from "../../crypto/keys/public-key-formats.ts";
import { HsmError } from "../../errors.ts";
import { registeredJwk } from "../../services/jwt/jwk.ts";
import { findKey } from "../../services/keys/keys-find.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { keyFacts } from "../keys/key-facts.ts";
import { openByteOutput } from "../keys/key-files.ts";
import { withKeys } from "../keys/key-session.ts";

const formats = ["pem", "der", "jwk", "jwks", "ssh"] as const;
type Format = (typeof formats)[number];

/** The public half of a key. Needs no PIN. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, io, output, globals } = context;
  const format = formatOption(context);
  const path = args.text("out");
  if (format === "der" && path === undefined && !globals.json && io.stdout.isTTY === true) {
    throw usage("OPTION_MISSING", "DER is not for terminals", "give --out FILE, or --pem");
  }
  const target = path === undefined ? undefined : openByteOutput(context, path, false);
  await withKeys(context, async ({ card, token, name, memory }) => {
    const key = await findKey(card, args.required("KEY"), memory);
    const publicKey = publicHalf(key, name);
    const bytes = encoded(key, publicKey, format);
    const text = format === "der" ? Buffer.from(bytes).toString("base64") : new TextDecoder().decode(bytes);
    const facts = { token, key: keyFacts(key), format, publicKey: text, out: target?.path ?? null };
    if (globals.dryRun && target !== undefined && target.path !== null) {
      output.result({ ...facts, dryRun: true }, [`would write ${target.path}`]);
      return;
    }
    await target?.write(bytes);
    if (target?.path === null || (format === "der" && target === undefined && !globals.json)) {
      if (target === undefined) output.raw(bytes);
      return;
    }
    const lines =
      target === undefined ? text.trimEnd().split("\n") : [`${target.path}: public half of ${keyName(key)}`];
    output.result(facts, lines);
  });
}

function formatOption({ args }: CommandContext): Format {
  const given = formats.filter((format) => args.flag(format));
  if (given.length <= 1) return given[0] ?? "pem";
  throw usage("OPTIONS_CONFLICT", `--${given.join(" and --")} at once`, "give one of them");
}

/** @throws HsmError `PUBLIC_KEY_UNKNOWN` (not-supported) */
export function publicHalf(key: TokenKey, token: string): PublicKey {
  if (key.publicKey !== null) return key.publicKey;
  const why = key.kind === "aes" ? "it is an AES key and has none" : "there is no certificate or request beside it";
  throw new HsmError("PUBLIC_KEY_UNKNOWN", "not-supported", `${keyName(key)} on ${token}: no public key, ${why}`, {
    advice: "`hsmadm key show` tells what is there",
    token,
  });
}

function encoded(source: TokenKey, key: PublicKey, format: Format): Uint8Array {
  switch (format) {
    case "pem":
      return utf8Bytes(publicKeyPem(key));
    case "der":
      return publicKeyDer(key);
    case "jwk":
      return utf8Bytes(`${JSON.stringify(publicKeyJwk(key))}\n`);
    case "jwks":
      return utf8Bytes(`${JSON.stringify({ keys: [registeredJwk(source, key)] }, null, 2)}\n`);
    case "ssh":
      return utf8Bytes(`${publicKeySsh(key, source.label)}\n`);
  }
}
