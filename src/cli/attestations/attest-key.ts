import { keyName } from "../../cards/smartcard-hsm/keys/token-key.ts";
import { HsmError } from "../../errors.ts";
import { encodeAttestation } from "../../services/attestation/attestation-file.ts";
import { attestKey } from "../../services/attestation/attestation-make.ts";
import { verifyAttestation } from "../../services/attestation/attestation-verify.ts";
import { pinnedRoots } from "../../services/identity/device-roots.ts";
import { findKey } from "../../services/keys/keys-find.ts";
import type { CommandContext } from "../context.ts";
import { keyFacts } from "../keys/key-facts.ts";
import { openByteOutput } from "../keys/key-files.ts";
import { withKeys } from "../keys/key-session.ts";
import { simulatedMark } from "../wording.ts";

/** Writes the request of a key and the token's certificates into one file. Needs no PIN. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, io, output, paths } = context;
  const path = args.text("out");
  const target = path === undefined ? undefined : openByteOutput(context, path, false);
  await withKeys(context, async ({ card, token, name, memory }) => {
    const key = await findKey(card, args.required("KEY"), memory);
    const attestation = await attestKey(card, key, name);
    const doubt = await doubtOf(() =>
      pinnedRoots(paths.roots).then((roots) => verifyAttestation(attestation, { roots, at: io.now() })),
    );
    const bytes = encodeAttestation(attestation);
    const facts = { token, key: keyFacts(key), out: target?.path ?? null, doubt };
    if (globals.dryRun) {
      output.result({ ...facts, dryRun: true, attestation: null }, [`would write the attestation of ${keyName(key)}`]);
      return;
    }
    await target?.write(bytes);
    if (doubt !== null) output.warn(`others will not believe it as it is: ${doubt}`);
    else if (token.simulated) output.warn(`${simulatedMark} token: this attests a key that no hardware protects`);
    if (target?.path === null) return;
    const text = new TextDecoder().decode(bytes);
    const lines =
      target === undefined ? text.trimEnd().split("\n") : [`${target.path}: attestation of ${keyName(key)} on ${name}`];
    output.result({ ...facts, attestation: JSON.parse(text) as unknown }, lines);
  });
  return undefined;
}

async function doubtOf(check: () => Promise<unknown>): Promise<string | null> {
  try {
    await check();
    return null;
  } catch (error) {
    if (error instanceof HsmError && error.kind === "check-failed") return error.message;
    throw error;
  }
}
