import { keyName } from "../../cards/smartcard-hsm/keys/token-key.ts";
import { publicKeyDer } from "../../crypto/keys/public-key-formats.ts";
import { buildRequest } from "../../crypto/x509/certificate-build.ts";
import { schemeOf, signProved } from "../../services/certificates/key-signer.ts";
import { findKey } from "../../services/keys/keys-find.ts";
import { publicHalf } from "../commands/key-public.ts";
import type { CommandContext } from "../context.ts";
import { keyFacts, signatureScheme } from "../keys/key-facts.ts";
import { withKeysAndPin } from "../keys/key-session.ts";
import { openCertificateOutput } from "./certificate-output.ts";
import { certificateHash, certificateHashOption, contentOption } from "./certificate-wishes.ts";

/** A certification request that the key signs; what an authority needs to make a certificate of it. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const content = contentOption(context);
  const [wantedScheme, wantedHash] = [signatureScheme(context), certificateHashOption(context)];
  const out = openCertificateOutput(context);
  await withKeysAndPin(context, async (session) => {
    const { card, token, name, memory } = session;
    const key = await findKey(card, args.required("KEY"), memory);
    const publicKey = publicHalf(key, name);
    const hash = certificateHash(wantedHash, publicKey);
    const scheme = schemeOf(key, wantedScheme, hash);
    const facts = { token, key: keyFacts(key), subject: args.required("subject"), scheme, hash };
    if (globals.dryRun) {
      output.result({ ...facts, dryRun: true, out: out.target?.path ?? null }, [
        `would sign a request for ${facts.subject} with ${keyName(key)} on ${name} (${scheme}, ${hash}); nothing was sent`,
      ]);
      return;
    }
    await session.login();
    const sign = (message: Uint8Array) => signProved(card, key, publicKey, { scheme, hash }, message);
    const der = await buildRequest(content, publicKeyDer(publicKey), { scheme, hash, sign });
    await out.put("CERTIFICATE REQUEST", der, `request of ${keyName(key)}, ${scheme}, ${hash}`, facts);
  });
}
