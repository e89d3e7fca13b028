import { toHex } from "../../bytes/hex.ts";
import { fileText, findAttestation } from "../../services/certificates/attestations.ts";
import {
  certificateName,
  certificateNamed,
  listCertificates,
  type TokenCertificate,
} from "../../services/certificates/certificate-store.ts";
import type { CommandContext } from "../context.ts";
import { withKeys } from "../keys/key-session.ts";
import { aligned } from "../wording.ts";
import { stateOf, tokenCertificateFacts } from "./certificate-facts.ts";

/** All that one certificate says. Needs no PIN. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, io, output } = context;
  await withKeys(context, async ({ card, token, name }) => {
    const certificate = certificateNamed(await listCertificates(card), args.required("CERT"), name);
    const kept = certificate.key === null ? null : await findAttestation(card, certificate.key);
    const attestation = kept === null ? null : fileText(kept.fid);
    const now = io.now();
    output.result({ token, certificate: { ...tokenCertificateFacts(certificate, now), attestation } }, [
      ...aligned(rows(certificate, attestation, now)),
      ...(certificate.problem === null ? [] : ["", `- ${certificate.problem}`]),
    ]);
  });
}

function rows(certificate: TokenCertificate, attestation: string | null, now: Date): [string, string][] {
  const { facts, fid, id, holder } = certificate;
  const head: [string, string][] = [
    ["Certificate", `${certificateName(certificate)}, file ${fileText(fid)}`],
    ["Id", toHex(id)],
  ];
  const request: [string, string][] =
    holder === "authority" ? [] : [["Attestation", attestation === null ? "none kept" : `kept in file ${attestation}`]];
  if (facts === null) return [...head, ...request];
  const list = (names: readonly string[]) => (names.length === 0 ? "not told" : names.join(", "));
  const state = stateOf(facts, now);
  return [
    ...head,
    ["Subject", facts.subject],
    ["Issuer", facts.selfIssued ? `${facts.issuer} (itself)` : facts.issuer],
    ["Serial", facts.serialNumber],
    ["Not before", `${facts.notBefore.toISOString()}${state === "not-yet-valid" ? " NOT YET VALID" : ""}`],
    ["Not after", `${facts.notAfter.toISOString()}${state === "expired" ? " EXPIRED" : ""}`],
    ["Names", list(facts.alternativeNames)],
    ["Key usage", list(facts.keyUsage)],
    ["Extended", list(facts.keyPurposes)],
    ["Authority", facts.authority ? "yes" : "no"],
    ["Signature", facts.signature],
    ["SHA-256", facts.fingerprint],
    ...request,
  ];
}
