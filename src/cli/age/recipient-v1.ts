import { parseP256TagRecipient, wrapP256Tag } from "../../crypto/age/p256tag.ts";
import { parsePluginIdentity, parsePluginRecipient } from "../../crypto/age/plugin-keys.ts";
import { wrapSshRsa } from "../../crypto/age/ssh-rsa.ts";
import type { Stanza } from "../../crypto/age/stanza.ts";
import { wrapEcdh } from "../../crypto/vault/ecdh-stanza.ts";
import { HsmError } from "../../errors.ts";
import type { CommandContext } from "../context.ts";
import { asHsmError } from "../failure.ts";
import type { AgeTalk, Blame } from "./age-talk.ts";
import { type AgeKey, ageKeys } from "./card-keys.ts";
import { keyTag } from "./key-tag.ts";
import { devicePolicy, withDevices } from "./plugin-devices.ts";
import { PluginSecrets } from "./plugin-secrets.ts";

type Wrap = (fileKey: Uint8Array) => Stanza;

/**
 * Wraps file keys (C2SP age-plugin.md, "Wrapping with recipient plugins"). A recipient needs no device; an identity that is
 * to be encrypted to names a key, whose public half is read from its token. All of them or none: a file that one of those
 * who were meant cannot open is worse than no file.
 */
export async function answerRecipients(context: CommandContext, talk: AgeTalk): Promise<void> {
  const commands = await talk.commands("add-recipient", "add-identity", "wrap-file-key");
  const wraps: Wrap[] = [];
  const errors: (readonly [Blame, HsmError])[] = [];
  const counts = { recipient: 0, identity: 0 };
  const fileKeys: Uint8Array[] = [];
  for (const { type, args, body } of commands) {
    if (type === "wrap-file-key") {
      fileKeys.push(body);
      continue;
    }
    const what = type === "add-recipient" ? "recipient" : "identity";
    const index = counts[what]++;
    const text = args[0] ?? "";
    try {
      wraps.push(what === "recipient" ? wrapOf(text) : await wrapOfIdentity(context, text));
    } catch (error) {
      const known = asHsmError(error);
      if (known.kind === "interrupted") throw known;
      errors.push([[what, index], known]);
    }
  }
  try {
    for (const [blame, error] of errors) await talk.error(blame, error);
    if (errors.length > 0) return;
    for (const [file, fileKey] of fileKeys.entries()) {
      for (const wrap of wraps) await talk.recipientStanza(file, wrap(fileKey));
    }
  } finally {
    for (const fileKey of fileKeys) fileKey.fill(0);
  }
}

/** @throws HsmError `AGE_KEY_INVALID` (usage), `AGE_KEY_VERSION`, `AGE_RECIPIENT_VAULT_KEY` (not-supported) */
function wrapOf(text: string): Wrap {
  if (text.startsWith("age1tag1")) {
    const point = parseP256TagRecipient(text);
    return (fileKey) => wrapP256Tag(fileKey, point);
  }
  const recipient = parsePluginRecipient(text);
  if (recipient.kind === "ec") return (fileKey) => wrapEcdh(fileKey, recipient);
  throw new HsmError(
    "AGE_RECIPIENT_VAULT_KEY",
    "not-supported",
    "that is the key of a vault's slot: it opens the vault, and no other file",
    { advice: "encrypt to the vault's own recipient, which `hsmadm vault open` shows" },
  );
}

async function wrapOfIdentity(context: CommandContext, text: string): Promise<Wrap> {
  const identity = parsePluginIdentity(text);
  if (identity.kind === "any") {
    throw new HsmError("AGE_IDENTITY_ANY", "usage", "`-j hsmadm` names no key to encrypt to", {
      advice: "encrypt to what `hsmadm age recipients` prints",
    });
  }
  const { leaf } = await keyOf(context, identity.tag, identity.serial);
  if (leaf.kind === "card-rsa") return (fileKey) => wrapSshRsa(fileKey, leaf);
  return (fileKey) => (leaf.curve === "secp256r1" ? wrapP256Tag(fileKey, leaf.point) : wrapEcdh(fileKey, leaf));
}

async function keyOf(context: CommandContext, tag: Uint8Array, serial: string | undefined): Promise<AgeKey> {
  const where = serial === undefined ? "its token" : `card ${serial}`;
  const policy = devicePolicy(context, true);
  return withDevices(context, new PluginSecrets(context), policy, async ({ tokens, problem }) => {
    let first = problem;
    for (const token of tokens) {
      try {
        const { device, options } = await token.hold();
        const { keys } = await ageKeys(device.card, options.title);
        const key = keys.find(({ leaf }) => keyTag(leaf).every((byte, i) => byte === tag[i]));
        if (key !== undefined) return key;
      } catch (error) {
        if (!(error instanceof HsmError) || error.kind === "interrupted") throw error;
        first ??= error;
      }
    }
    const why =
      policy.named.length === 0 ? `no device was contacted: ${policy.why}` : "it is on none of the cards here";
    throw new HsmError("AGE_KEY_NOT_HERE", "device", `the public key of this identity is on ${where}, and ${why}`, {
      advice: "attach the token, or encrypt to what `hsmadm age recipients` printed for it",
      cause: first,
    });
  });
}
