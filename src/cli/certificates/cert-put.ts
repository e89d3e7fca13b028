import { keyName } from "../../cards/smartcard-hsm/keys/token-key.ts";
import { certificatesIn, readCertificate } from "../../crypto/x509/certificate-read.ts";
import { fileText } from "../../services/certificates/attestations.ts";
import { type Placement, placements, putCertificate } from "../../services/certificates/certificate-put.ts";
import { listCertificates } from "../../services/certificates/certificate-store.ts";
import type { CommandContext } from "../context.ts";
import { readWhole } from "../keys/key-files.ts";
import { withKeysAndPin } from "../keys/key-session.ts";
import { idOption } from "../keys/key-wishes.ts";
import type { Document } from "../output.ts";
import { certificateFacts, untilWords } from "./certificate-facts.ts";

/** Puts certificates beside the keys they speak of, and those of authorities beside them. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, io, output } = context;
  const content = await readWhole(context, args.required("FILE"));
  const all = await Promise.all(certificatesIn(content).map(readCertificate));
  const id = idOption(context);
  await withKeysAndPin(context, async (session) => {
    const { card, token, name } = session;
    const wanted = args.text("key");
    const key = wanted === undefined ? undefined : await card.findKey(wanted);
    const on = {
      keys: await card.listKeys(),
      certificates: await listCertificates(card),
      files: await card.listFiles(),
      token: name,
    };
    const wishes = { key, authority: args.flag("authority"), label: args.text("label"), id, replace: globals.yes };
    const plan = placements(all, wishes, on);
    const now = io.now();
    const told = (placement: Placement): Document => ({
      ...placeFacts(placement),
      ...certificateFacts(placement.facts, now),
    });
    if (globals.dryRun) {
      output.result({ dryRun: true, token, certificates: plan.map(told) }, [
        ...plan.map((placement) => `would put ${words(placement)} on ${name}`),
        "nothing was sent",
      ]);
      return;
    }
    await session.login();
    await session.forgetKeys();
    const certificates: Document[] = [];
    const lines: string[] = [];
    for (const placement of plan) {
      const { fid, attestation } = await putCertificate(card, placement);
      const kept = attestation === null ? null : fileText(attestation);
      certificates.push({ ...told(placement), file: fileText(fid), attestation: kept });
      lines.push(`${words(placement)}: ${placement.there ? "was there already" : `now in file ${fileText(fid)}`}`);
      if (kept !== null) lines.push(`its attestation is kept in file ${kept}`);
    }
    output.result({ token, certificates }, lines);
    for (const { facts } of plan) {
      const until = untilWords(facts, now);
      if (until.length > 10) output.warn(`${facts.subject}: valid until ${until}`);
    }
  });
}

function placeFacts(placement: Placement) {
  const { holder, there } = placement;
  const ref = holder === "key" ? placement.key.ref : placement.number;
  const label = holder === "key" ? placement.key.label : placement.label;
  return { holder, ref, label, there };
}

function words(placement: Placement): string {
  const { subject } = placement.facts;
  return placement.holder === "key"
    ? `certificate of ${subject} beside ${keyName(placement.key)}`
    : `certificate of ${subject} as authority ca:${placement.number}`;
}
