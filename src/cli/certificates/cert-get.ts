import { certificateName, certificateNamed, listCertificates } from "../../services/certificates/certificate-store.ts";
import type { CommandContext } from "../context.ts";
import { withKeys } from "../keys/key-session.ts";
import { tokenCertificateFacts } from "./certificate-facts.ts";
import { openCertificateOutput } from "./certificate-output.ts";

/** A certificate out of the token. Needs no PIN. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, io, globals, output } = context;
  const out = openCertificateOutput(context);
  await withKeys(context, async ({ card, token, name }) => {
    const certificate = certificateNamed(await listCertificates(card), args.required("CERT"), name);
    const facts = { token, certificate: tokenCertificateFacts(certificate, io.now()) };
    const path = out.target?.path ?? null;
    if (globals.dryRun && path !== null) {
      output.result({ ...facts, dryRun: true, out: path }, [`would write ${path}`]);
      return;
    }
    await out.put("CERTIFICATE", certificate.der, certificateName(certificate), facts);
  });
}
