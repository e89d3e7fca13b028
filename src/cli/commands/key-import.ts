import { toHex } from "../../bytes/hex.ts";
import { type ImportedKey, importKey } from "../../crypto/keys/key-import.ts";
import { describeKey, type PlainKey, wipeKey } from "../../crypto/keys/plain-key.ts";
import type { PublicKey } from "../../crypto/keys/public-key-formats.ts";
import { HsmError } from "../../errors.ts";
import { importOnToken, sealForImport } from "../../services/keys/key-import.ts";
import { checkNewKey, checkSharesComplete } from "../../services/keys/keys-new.ts";
import { checkDkekOf, usableDomains } from "../../services/keys/keys-wrapped.ts";
import type { CommandContext } from "../context.ts";
import { keyFacts, keyTitle } from "../keys/key-facts.ts";
import { readWhole } from "../keys/key-files.ts";
import { withKeysAndPin } from "../keys/key-session.ts";
import { openDkek, shareFiles } from "../keys/key-shares.ts";
import { algorithmsOption, idOption, keyRefOption, labelOption } from "../keys/key-wishes.ts";
import { SecretReader } from "../secrets/secrets.ts";

const passwordWish = {
  option: "password",
  name: "password of the key file",
  isNew: false,
  check: (bytes: Uint8Array) => bytes,
} as const;

/** Puts a key of a file on the token: opened, wrapped under the token's DKEK and wiped on this host, in one go. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const path = args.required("FILE");
  const label = labelOption(context);
  const wish = { label, id: idOption(context), ref: keyRefOption(context) };
  const secrets = new SecretReader(context);
  const shares = shareFiles(context);
  const imported = await readKeyFile(context, secrets, path);
  try {
    const { key, certificates } = imported;
    const algorithms = algorithmsOption(context, key.kind);
    await withKeysAndPin(
      context,
      async (session) => {
        const { card, token, name } = session;
        const domains = await card.keyDomains();
        if (domains.length === 1) checkSharesComplete(domains, undefined, name);
        const wanted = { ...wish, publicKey: publicOf(key) };
        checkNewKey(await card.listKeys(), wanted, name, args.flag("allow-duplicate"));
        const told = { format: imported.format, type: describeKey(key), certificates: certificates.length };
        // Before the slow part: a token without any DKEK needs no shares.
        usableDomains(domains, name, { loggedIn: false });
        const dkek = await openDkek(context, shares);
        const kcv = toHex(dkek.kcv);
        const known = checkDkekOf(domains, kcv, name, { loggedIn: false });
        if (globals.dryRun) {
          output.result({ dryRun: true, token, label, ...told, kcv, dkekMatches: known }, [
            `would put ${told.type} of ${path} on ${name} as "${label}"; nothing was sent`,
          ]);
          return;
        }
        await session.login();
        if (known === null) checkDkekOf(await card.keyDomains(), kcv, name, { loggedIn: true });
        await session.forgetKeys();
        const ready = sealForImport(imported, dkek, { ...wish, algorithms });
        dkek.encryption.fill(0);
        dkek.mac.fill(0);
        const { ref, issuerFiles } = await importOnToken(card, ready, { ...wish, algorithms }, name);
        const placed = await card.readKey(ref);
        output.result({ token, key: keyFacts(placed), ...told, issuers: issuerFiles.map((fid) => toHex16(fid)), kcv }, [
          `${keyTitle(placed)} is on ${name}`,
          ...(issuerFiles.length === 0 ? [] : [`with ${issuerFiles.length} certificates of its issuers`]),
        ]);
      },
      secrets,
    );
  } finally {
    wipeKey(imported.key);
  }
}

async function readKeyFile(context: CommandContext, secrets: SecretReader, path: string): Promise<ImportedKey> {
  const { args } = context;
  const given = await secrets.openIfGiven(passwordWish);
  const content = await readWhole(context, path);
  try {
    return await importKey(content, {
      rawAes: args.flag("aes"),
      password: async () => {
        const secret = given ?? (secrets.canAsk ? await secrets.open(passwordWish) : undefined);
        if (secret !== undefined) return secret.value({ token: path, stake: "nothing is sent to a token" });
        throw new HsmError("KEY_PASSWORD_MISSING", "usage", `${path} is encrypted and no password was given`, {
          advice: "name where the password comes from with `--password SOURCE`",
        });
      },
    });
  } finally {
    content.fill(0);
  }
}

function publicOf(key: PlainKey): PublicKey | null {
  if (key.kind === "aes") return null;
  return key.kind === "rsa"
    ? { kind: "rsa", modulus: key.modulus, exponent: key.exponent }
    : { kind: "ec", curve: key.curve, point: key.point };
}

function toHex16(fid: number): string {
  return fid.toString(16).toUpperCase();
}
