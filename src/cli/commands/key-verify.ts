import type { PublicKey } from "../../crypto/keys/public-key-formats.ts";
import { HsmError } from "../../errors.ts";
import { findKey } from "../../services/keys/keys-find.ts";
import { checkSignature, chooseScheme } from "../../services/keys/keys-signature.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { hashOption, signatureScheme } from "../keys/key-facts.ts";
import { feedFile, inputPath, readWhole } from "../keys/key-files.ts";
import { readPublicKey } from "../keys/key-public-file.ts";
import { withKeys } from "../keys/key-session.ts";
import { publicHalf } from "./key-public.ts";

interface Verifier {
  readonly publicKey: PublicKey;
  /** `key 1 "sig" on UTSIM…`, or the name of a file. */
  readonly name: string;
}

/** Checks a signature on the host. With `--public-key` no token is touched. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, output } = context;
  const hash = hashOption(context);
  const wanted = signatureScheme(context);
  const signature = await readWhole(context, args.required("signature"));
  const source = inputPath(context);
  const { publicKey, name } = await verifierOf(context);
  const scheme = chooseScheme({ kind: publicKey.kind, ref: 0, label: name }, wanted);
  const check = checkSignature(publicKey, scheme, hash);
  await feedFile(context, source, (piece) => check.update(piece));
  if (!check.holds(signature)) {
    throw new HsmError("SIGNATURE_WRONG", "check-failed", `the signature does not hold under ${name}`, {
      advice: "the file, the signature, the key, --hash or --scheme is another than when it was signed",
    });
  }
  output.result({ verified: true, by: name, scheme, hash }, [`the signature holds under ${name} (${scheme}, ${hash})`]);
}

async function verifierOf(context: CommandContext): Promise<Verifier> {
  const { args } = context;
  const identifier = args.text("KEY");
  const file = args.text("public-key");
  if ((identifier === undefined) === (file === undefined)) {
    throw usage("OPTIONS_CONFLICT", "one of KEY and --public-key says whose signature it is", "give one of them");
  }
  if (file !== undefined) return { publicKey: readPublicKey(await readWhole(context, file), file), name: file };
  return withKeys(context, async ({ card, name, memory }) => {
    const key = await findKey(card, identifier ?? "", memory);
    return { publicKey: publicHalf(key, name), name: `key ${key.ref} "${key.label}" on ${name}` };
  });
}
