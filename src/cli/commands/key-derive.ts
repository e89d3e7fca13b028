import { keyName, type TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import { findKey } from "../../services/keys/keys-find.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { keyFacts } from "../keys/key-facts.ts";
import { openSecretOutput, readWhole } from "../keys/key-files.ts";
import { readPublicKey } from "../keys/key-public-file.ts";
import { withKeysAndPin } from "../keys/key-session.ts";

/** ECDH with another public key, or the token's own derivation with an AES key. What comes out is secret. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const target = openSecretOutput(context);
  const [peer, input] = [args.text("peer"), args.text("in")];
  if ((peer === undefined) === (input === undefined)) {
    throw usage("OPTIONS_CONFLICT", "one of --peer (EC) and --in (AES) says what to derive from", "give one of them");
  }
  const content = await readWhole(context, peer ?? input ?? "");
  const point = peer === undefined ? undefined : pointIn(content, peer);
  await withKeysAndPin(context, async (session) => {
    const { card, token, name, memory } = session;
    const key = await findKey(card, args.required("KEY"), memory);
    checkKind(key, point !== undefined);
    const method = point === undefined ? "aes" : "ecdh";
    const facts = { token, key: keyFacts(key), method, out: target.path };
    if (globals.dryRun) {
      output.result({ ...facts, dryRun: true }, [`would derive with ${keyName(key)} on ${name}; nothing was sent`]);
      return;
    }
    await session.login();
    const secret = await derived(card, key, point, content);
    await target.write(secret);
    const bytes = secret.length;
    secret.fill(0);
    if (target.path !== null) output.result({ ...facts, bytes }, [`${target.path}: ${bytes} bytes, secret`]);
  });
}

function derived(
  card: SmartCardHsm,
  key: TokenKey,
  point: Uint8Array | undefined,
  input: Uint8Array,
): Promise<Uint8Array> {
  return point === undefined ? card.aesDerive(key, input) : card.deriveEcdh(key, point);
}

function checkKind(key: TokenKey, ecdh: boolean): void {
  if (key.kind === "unknown" || key.kind === (ecdh ? "ec" : "aes")) return;
  throw usage(
    "KEY_KIND_WRONG",
    `${keyName(key)} is an ${key.kind.toUpperCase()} key`,
    "EC keys derive with --peer, AES keys with --in, RSA keys not at all",
  );
}

function pointIn(content: Uint8Array, path: string): Uint8Array {
  const key = readPublicKey(content, path);
  if (key.kind === "ec") return key.point;
  throw usage("KEY_KIND_WRONG", `${path} holds an RSA key, ECDH wants one of the same curve`);
}
