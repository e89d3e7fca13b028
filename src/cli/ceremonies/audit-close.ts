import { toHex } from "../../bytes/hex.ts";
import { keyName, type TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import { publicKeyDer } from "../../crypto/keys/public-key-formats.ts";
import { HsmError } from "../../errors.ts";
import { attestKey } from "../../services/attestation/attestation-make.ts";
import { closingMessage } from "../../services/ceremony/ceremony-chain.ts";
import type { SigningKey } from "../../services/ceremony/ceremony-entry.ts";
import { addEntry, openCeremony } from "../../services/ceremony/ceremony-file.ts";
import { checkClosing, closingHolds, schemeOf } from "../../services/ceremony/ceremony-signature.ts";
import { findKey } from "../../services/keys/keys-find.ts";
import { publicHalf } from "../commands/key-public.ts";
import type { CommandContext } from "../context.ts";
import { keyFacts } from "../keys/key-facts.ts";
import { withKeysAndPin } from "../keys/key-session.ts";
import { recordFacts, stateLines } from "./audited-record.ts";
import { ceremonyMemory } from "./ceremony-recording.ts";
import { nameOf } from "./token-watch.ts";

/** Closes a record: a key on a token signs its head, and nothing can be added afterwards. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, io, output } = context;
  const file = args.required("FILE");
  const identifier = args.required("key");
  const memory = await ceremonyMemory(context.paths);
  const open = await openCeremony(file, memory);
  if (open === null) {
    throw new HsmError("CEREMONY_NOT_READABLE", "service", `there is no ceremony record ${file}`);
  }
  await withKeysAndPin(context, async (session) => {
    const { card, token, name } = session;
    const key = await findKey(card, identifier, session.memory);
    const publicKey = publicHalf(key, name);
    const facts = { file, token, key: keyFacts(key) };
    if (globals.dryRun) {
      output.result({ dryRun: true, ...facts, record: recordFacts({ record: open, signature: null }) }, [
        `would close ${file} with ${keyName(key)} on ${name}; nothing was sent`,
      ]);
      return;
    }
    const origin = await originOf(card, key, name);
    const signingKey: SigningKey = {
      ref: key.ref,
      label: key.label,
      publicKey: toHex(publicKeyDer(publicKey)).toLowerCase(),
      attestation: origin,
    };
    await session.login();
    const scheme = publicKey.kind === "rsa" ? "pkcs1" : "ecdsa";
    const record = await addEntry(
      file,
      {
        kind: "closing",
        officer: args.text("officer") ?? null,
        token: await nameOf(session.device),
        key: signingKey,
        scheme: schemeOf(publicKey),
      },
      { now: io.now(), tool: `hsmadm ${io.version()}`, memory },
      async (hash) => {
        const signature = await card.sign(key, { scheme, hash: "sha256", digest: false }, closingMessage(hash));
        if (closingHolds(publicKey, hash, signature)) return signature;
        throw new HsmError(
          "SIGNATURE_NOT_OF_KEY",
          "check-failed",
          `what ${keyName(key)} on ${name} signed does not hold under the public key beside it`,
          { advice: "`hsmadm key show` tells what stands beside the key", token: name },
        );
      },
    );
    const signature = record.closing === null ? null : checkClosing(record.closing);
    const audited = { record, signature };
    output.result({ ...facts, record: recordFacts(audited) }, [
      `${file} is closed; nothing can be added to it any more`,
      ...stateLines(audited),
    ]);
  });
}

/** Imported keys have nothing that tells where they were made; the record is closed all the same. */
async function originOf(card: SmartCardHsm, key: TokenKey, name: string): Promise<SigningKey["attestation"]> {
  try {
    const { request, certificates } = await attestKey(card, key, name);
    const hex = (bytes: Uint8Array) => toHex(bytes).toLowerCase();
    return { request: hex(request), certificates: certificates.map(hex) };
  } catch (error) {
    if (error instanceof HsmError && error.kind === "not-supported") return null;
    throw error;
  }
}
