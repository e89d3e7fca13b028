import { bitsOfKey } from "../../cards/smartcard-hsm/keys/public-key.ts";
import { publicKeyPem } from "../../crypto/keys/public-key-formats.ts";
import { HsmError } from "../../errors.ts";
import { decodeAttestation } from "../../services/attestation/attestation-file.ts";
import { type AttestedKey, needSameKey, verifyAttestation } from "../../services/attestation/attestation-verify.ts";
import { pinnedRoots, readRoot } from "../../services/identity/device-roots.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { readWhole } from "../keys/key-files.ts";
import { readPublicKey } from "../keys/key-public-file.ts";
import { aligned, simulatedMark } from "../wording.ts";

/** Checks an attestation from the root down to the key; no token is needed. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output, paths } = context;
  const at = dayOf(context);
  const rootPath = args.text("root");
  const roots = rootPath === undefined ? await pinnedRoots(paths.roots) : [await readRoot(rootPath)];
  const expectedPath = args.text("public-key");
  const expected =
    expectedPath === undefined ? undefined : readPublicKey(await readWhole(context, expectedPath), expectedPath);
  const attestation = decodeAttestation(await readWhole(context, args.required("FILE")));
  const attested = verifyAttestation(attestation, { roots, onlyThese: rootPath !== undefined, at });
  if (expected !== undefined) needSameKey(attested, expected);
  const simulated = attested.root.kind === "simulated";
  if (simulated && globals.requireGenuine) {
    throw new HsmError(
      "ATTESTATION_SIMULATED",
      "check-failed",
      "the key is on a SIMULATED token: no hardware protects it",
      {
        advice: "make the key on a token",
      },
    );
  }
  if (simulated) output.warn(`the key is on a ${simulatedMark} token: no hardware protects it`);
  const pem = publicKeyPem(attested.publicKey);
  output.result(facts(attested, at), args.flag("pem") ? pem.trimEnd().split("\n") : lines(attested, at));
  return undefined;
}

function dayOf({ args, io }: CommandContext): Date {
  const text = args.text("at");
  if (text === undefined) return io.now();
  const day = new Date(`${text}T12:00:00Z`);
  if (/^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text)) return day;
  throw usage("OPTION_VALUE", "--at wants a day, YYYY-MM-DD");
}

function facts({ publicKey, sha256, chr, device, root, pinned }: AttestedKey, at: Date) {
  return {
    proved: true,
    trust: pinned ? "pinned" : root.kind,
    key: {
      kind: publicKey.kind,
      bits: bitsOfKey(publicKey),
      curve: publicKey.kind === "ec" ? publicKey.curve : null,
      sha256,
      chr,
      pem: publicKeyPem(publicKey),
    },
    device,
    root: { name: root.name, title: root.title },
    at: at.toISOString().slice(0, 10),
  };
}

function lines({ publicKey, sha256, chr, device, root }: AttestedKey, at: Date): string[] {
  const what = publicKey.kind === "ec" ? `EC ${publicKey.curve}` : `RSA ${bitsOfKey(publicKey)}`;
  return aligned([
    ["Proved", `this ${what} key was made on ${device.chr}`],
    ["SHA-256", sha256],
    ["Request", chr],
    ["Chain", device.path.join(" < ")],
    ["Root", root.title],
    ["As of", at.toISOString().slice(0, 10)],
  ]);
}
