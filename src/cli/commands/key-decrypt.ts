import { fromHex } from "../../bytes/hex.ts";
import { keyName, type TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import { findKey } from "../../services/keys/keys-find.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { hashOption, keyFacts } from "../keys/key-facts.ts";
import { inputPath, openSecretOutput, readWhole } from "../keys/key-files.ts";
import { withKeysAndPin } from "../keys/key-session.ts";

const schemes = ["pkcs1", "oaep", "raw", "cbc"] as const;
type Scheme = (typeof schemes)[number];

/** Decrypts what was encrypted for a key. What comes out is secret. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const wanted = schemeOption(context);
  const iv = ivOption(context);
  const hash = hashOption(context);
  const target = openSecretOutput(context);
  const ciphertext = await readWhole(context, inputPath(context));
  await withKeysAndPin(context, async (session) => {
    const { card, token, name, memory } = session;
    const key = await findKey(card, args.required("KEY"), memory);
    const scheme = schemeFor(key, wanted);
    const facts = { token, key: keyFacts(key), scheme, out: target.path };
    if (globals.dryRun) {
      output.result({ ...facts, dryRun: true }, [`would decrypt with ${keyName(key)} on ${name}; nothing was sent`]);
      return;
    }
    await session.login();
    const plaintext = await decrypted(card, key, scheme, { ciphertext, iv, hash });
    await target.write(plaintext);
    const bytes = plaintext.length;
    plaintext.fill(0);
    if (target.path !== null) output.result({ ...facts, bytes }, [`${target.path}: ${bytes} bytes, decrypted`]);
  });
}

function decrypted(
  card: SmartCardHsm,
  key: TokenKey,
  scheme: Scheme,
  { ciphertext, iv, hash }: { ciphertext: Uint8Array; iv: Uint8Array | undefined; hash: ReturnType<typeof hashOption> },
): Promise<Uint8Array> {
  if (scheme === "cbc") return card.aesDecrypt(key, ciphertext, iv);
  return card.decrypt(key, scheme === "oaep" ? { scheme, hash } : { scheme }, ciphertext);
}

function schemeFor(key: TokenKey, wanted: Scheme | undefined): Scheme {
  const scheme = wanted ?? (key.kind === "aes" ? "cbc" : key.kind === "rsa" ? "pkcs1" : undefined);
  const fits = key.kind === "aes" ? scheme === "cbc" : key.kind === "rsa" ? scheme !== "cbc" : key.kind === "unknown";
  if (scheme !== undefined && fits) return scheme;
  throw usage(
    "KEY_KIND_WRONG",
    key.kind === "ec"
      ? `${keyName(key)} is an EC key, which decrypts nothing`
      : `${keyName(key)} wants another --scheme`,
    key.kind === "ec" ? "`hsmadm key derive` gives a shared secret" : "pkcs1, oaep or raw for RSA, cbc for AES",
  );
}

function schemeOption({ args }: CommandContext): Scheme | undefined {
  const text = args.text("scheme");
  if (text === undefined) return undefined;
  const scheme = schemes.find((known) => known === text);
  if (scheme === undefined) throw usage("OPTION_VALUE", `--scheme knows ${schemes.join(", ")}`);
  return scheme;
}

function ivOption({ args }: CommandContext): Uint8Array | undefined {
  const text = args.text("iv");
  if (text === undefined) return undefined;
  const iv = fromHex(text, "--iv");
  if (iv.length !== 16) throw usage("OPTION_VALUE", `--iv wants 16 bytes, these are ${iv.length}`);
  return iv;
}
