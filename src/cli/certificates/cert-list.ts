import { listCertificates } from "../../services/certificates/certificate-store.ts";
import type { CommandContext } from "../context.ts";
import { withKeys } from "../keys/key-session.ts";
import { table } from "../wording.ts";
import { tokenCertificateFacts, untilWords } from "./certificate-facts.ts";

/** The X.509 certificates on the token. Needs no PIN. */
export async function run(context: CommandContext): Promise<undefined> {
  const { io, output } = context;
  await withKeys(context, async ({ card, token, name }) => {
    const certificates = await listCertificates(card);
    const now = io.now();
    const document = { token, certificates: certificates.map((one) => tokenCertificateFacts(one, now)) };
    if (certificates.length === 0) {
      output.result(document, [`no certificates on ${name}`]);
      return;
    }
    const rows = certificates.map(({ holder, ref, label, facts, problem }) => [
      `${holder === "key" ? "ref" : "ca"}:${ref}`,
      label,
      facts === null ? `cannot be read: ${problem}` : facts.subject,
      facts === null ? "" : facts.selfIssued ? "itself" : facts.issuer,
      facts === null ? "" : untilWords(facts, now),
    ]);
    output.result(document, table([["Name", "Label", "Subject", "Issuer", "Valid until"], ...rows], output.columns));
  });
}
