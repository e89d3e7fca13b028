import { fileText, findAttestation } from "../../services/certificates/attestations.ts";
import { deleteCertificate } from "../../services/certificates/certificate-put.ts";
import { certificateName, certificateNamed, listCertificates } from "../../services/certificates/certificate-store.ts";
import type { CommandContext } from "../context.ts";
import { withKeysAndPin } from "../keys/key-session.ts";
import { confirmDestruction } from "../terminal/confirm.ts";
import { tokenTitle } from "../wording.ts";
import { tokenCertificateFacts } from "./certificate-facts.ts";

/** Deletes a certificate; the key stays, and its request takes the place again where it was kept. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, io, output } = context;
  await withKeysAndPin(context, async (session) => {
    const { card, device, token, name } = session;
    const certificate = certificateNamed(await listCertificates(card), args.required("CERT"), name);
    const kept = certificate.key === null ? null : await findAttestation(card, certificate.key);
    const facts = { token, certificate: tokenCertificateFacts(certificate, io.now()) };
    const title = `${certificateName(certificate)} (${certificate.facts?.subject ?? fileText(certificate.fid)})`;
    if (globals.dryRun) {
      output.result({ dryRun: true, ...facts, restored: kept !== null }, [
        `would delete the ${title} on ${name}; nothing was sent`,
      ]);
      return;
    }
    const alsoLost =
      certificate.key !== null && kept === null
        ? ["the public half of the key: nothing else on the token tells it, save it with `hsmadm key public`"]
        : [];
    await confirmDestruction(context, {
      losses: [`${title}, on ${await tokenTitle(device)}`, ...alsoLost],
      serial: token.serial ?? token.where,
      exact: device.exact,
    });
    await session.login();
    await session.forgetKeys();
    const { restored } = await deleteCertificate(card, certificate);
    output.result({ ...facts, restored }, [
      `the ${title} on ${name} is deleted${restored ? "; the key's own request is in its place again" : ""}`,
    ]);
  });
}
