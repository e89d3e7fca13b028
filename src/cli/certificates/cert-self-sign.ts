import { keyName } from "../../cards/smartcard-hsm/keys/token-key.ts";
import { publicKeyDer } from "../../crypto/keys/public-key-formats.ts";
import { buildSelfSigned } from "../../crypto/x509/certificate-build.ts";
import { readCertificate } from "../../crypto/x509/certificate-read.ts";
import { fileText } from "../../services/certificates/attestations.ts";
import { needRoom, putCertificate } from "../../services/certificates/certificate-put.ts";
import { schemeOf, signProved } from "../../services/certificates/key-signer.ts";
import { plausibleNow } from "../../services/jwt/clock.ts";
import { findKey } from "../../services/keys/keys-find.ts";
import { publicHalf } from "../commands/key-public.ts";
import type { CommandContext } from "../context.ts";
import { keyFacts, signatureScheme } from "../keys/key-facts.ts";
import { withKeysAndPin } from "../keys/key-session.ts";
import { certificateFacts } from "./certificate-facts.ts";
import { openCertificateOutput } from "./certificate-output.ts";
import { certificateHash, certificateHashOption, contentOption } from "./certificate-wishes.ts";

const day = 24 * 60 * 60 * 1000;
const usualDays = 365;

/** A certificate that the key signs for itself, for services that pin it, or as the root of an authority. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, io, output } = context;
  const content = contentOption(context);
  const [wantedScheme, wantedHash] = [signatureScheme(context), certificateHashOption(context)];
  const days = args.integer("days", 1, 36_500) ?? usualDays;
  const now = plausibleNow(io.now());
  const out = openCertificateOutput(context);
  await withKeysAndPin(context, async (session) => {
    const { card, token, name, memory } = session;
    const key = await findKey(card, args.required("KEY"), memory);
    const publicKey = publicHalf(key, name);
    const hash = certificateHash(wantedHash, publicKey);
    const scheme = schemeOf(key, wantedScheme, hash);
    const put = args.flag("put");
    if (put) needRoom(key, globals.yes, name);
    const facts = { token, key: keyFacts(key), scheme, hash, days };
    if (globals.dryRun) {
      output.result({ ...facts, subject: args.required("subject"), dryRun: true, out: out.target?.path ?? null }, [
        `would sign a certificate for ${args.required("subject")} with ${keyName(key)} on ${name} (${scheme}, ${hash}); nothing was sent`,
      ]);
      return;
    }
    await session.login();
    const sign = (message: Uint8Array) => signProved(card, key, publicKey, { scheme, hash }, message);
    const validity = { notBefore: now, notAfter: new Date(now.getTime() + days * day) };
    const der = await buildSelfSigned(content, publicKeyDer(publicKey), validity, { scheme, hash, sign });
    const made = await readCertificate(der);
    let file: string | null = null;
    if (put) {
      await session.forgetKeys();
      file = fileText((await putCertificate(card, { holder: "key", facts: made, key, there: false })).fid);
    }
    const where = file === null ? "" : `, put into file ${file} of ${name}`;
    await out.put("CERTIFICATE", der, `certificate of ${keyName(key)}, ${scheme}, ${hash}${where}`, {
      ...facts,
      certificate: certificateFacts(made, now),
      file,
    });
    if (file !== null && (out.target === undefined || out.target.path === null))
      output.note(`put into file ${file} of ${name}`);
  });
}
