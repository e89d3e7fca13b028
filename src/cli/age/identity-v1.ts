import { type PluginIdentity, parsePluginIdentity } from "../../crypto/age/plugin-keys.ts";
import type { Stanza } from "../../crypto/age/stanza.ts";
import { leavesOf } from "../../crypto/vault/leaf.ts";
import { HsmError } from "../../errors.ts";
import type { KeySource } from "../../services/vault/key-source.ts";
import type { CommandContext } from "../context.ts";
import { asHsmError } from "../failure.ts";
import { openerWords } from "../vaults/vault-facts.ts";
import { type AgeTalk, type Blame, indexIn, inOneLine } from "./age-talk.ts";
import { type FileWish, type Slots, slotsForKeys, wishOf } from "./file-keys.ts";
import { devicePolicy, type PluginDevices, withDevices } from "./plugin-devices.ts";
import { PluginSecrets } from "./plugin-secrets.ts";

/**
 * Finds file keys (C2SP age-plugin.md, "Unwrapping with identity plugins"). The Go client starts one process for each
 * identity, hands over all stanzas of the file, foreign ones too, and gives up at the first `error`: so everything is
 * tried first, and an error comes only where something was tried, went wrong, and nothing else opened the file. A device
 * that is not here is no error but a message: the next identity may open the file.
 */
export async function answerIdentities(context: CommandContext, talk: AgeTalk): Promise<void> {
  const identities: PluginIdentity[] = [];
  const files = new Map<number, Stanza[]>();
  let unread: readonly [Blame, HsmError] | undefined;
  for (const { type, args } of await readCommands(talk, files)) {
    if (type !== "add-identity") continue;
    try {
      identities.push(parsePluginIdentity(args[0] ?? ""));
    } catch (error) {
      unread ??= [["identity", identities.length], asHsmError(error)];
    }
  }
  if (unread !== undefined) {
    await talk.error(...unread);
    return;
  }
  for (const [file, stanzas] of files) {
    if (!(await answerFile(context, talk, identities, file, stanzas))) return;
  }
}

async function readCommands(talk: AgeTalk, files: Map<number, Stanza[]>): Promise<readonly Stanza[]> {
  const commands = await talk.commands("add-identity", "recipient-stanza");
  for (const { type: command, args, body } of commands) {
    if (command !== "recipient-stanza") continue;
    const [index, type = "", ...rest] = args;
    const file = indexIn(index);
    files.set(file, [...(files.get(file) ?? []), { type, args: rest, body }]);
  }
  return commands;
}

/** @returns whether another file may be tried: a PIN that was refused is not asked for again */
async function answerFile(
  context: CommandContext,
  talk: AgeTalk,
  identities: readonly PluginIdentity[],
  file: number,
  stanzas: readonly Stanza[],
): Promise<boolean> {
  let wish: FileWish;
  try {
    wish = wishOf(stanzas, identities);
  } catch (error) {
    await talk.error(["stanza", file, 0], asHsmError(error));
    return true;
  }
  if (wish.kind === "nothing") return true;
  try {
    const fileKey = await openFile(context, talk, wish);
    if (fileKey === null) return true;
    try {
      await talk.fileKey(file, fileKey);
    } finally {
      fileKey.fill(0);
    }
    return true;
  } catch (error) {
    const known = asHsmError(error);
    if (known.kind === "interrupted" || known.code === "AGE_PLUGIN_PROTOCOL") throw known;
    if (!isAbsence(known)) await talk.error(["identity", 0], known);
    else talk.say(inOneLine(known));
    return isAbsence(known);
  }
}

/** Nothing was tried, because it is not here or cannot be reached. */
function isAbsence({ code, kind, cause }: HsmError): boolean {
  if (kind !== "device" && kind !== "service" && kind !== "timeout") return false;
  return code !== "VAULT_NO_OPENER" || !(cause instanceof HsmError) || isAbsence(cause);
}

type Wanted = Exclude<FileWish, { kind: "nothing" }>;

async function openFile(context: CommandContext, talk: AgeTalk, wish: Wanted): Promise<Uint8Array | null> {
  const policy = devicePolicy(context, wish.kind === "vault" || wish.certain);
  const secrets = new PluginSecrets(context);
  const passphrases = wish.kind === "vault" ? await passphraseSources(secrets, wish) : [];
  if (policy.named.length === 0) {
    talk.say(`no device was contacted: ${policy.why}; ${howToAllow(wish)}`);
    if (passphrases.length === 0) return null;
  }
  return withDevices(context, secrets, policy, async (devices) => {
    const slots = wish.kind === "vault" ? { ...wish, problems: [] } : await slotsForKeys(devices.tokens, wish.stanzas);
    if (slots.slots.length === 0) return noneOf(talk, devices, slots);
    const { unlock } = await import("../../services/vault/unlock/unlock.ts");
    try {
      const sources = [...devices.sources, ...passphrases];
      const { fileKey } = await unlock({ file: "the file", slots: slots.slots, stanzas: slots.stanzas, sources });
      return fileKey;
    } catch (error) {
      throw error instanceof HsmError ? reasonOf(error, wish, devices) : error;
    } finally {
      for (const source of passphrases) await source.close();
    }
  });
}

function reasonOf(error: HsmError, { kind }: Wanted, { problem }: PluginDevices): HsmError {
  // Without a device that could be looked at, that is the reason.
  if (problem !== undefined && error.code === "VAULT_NO_OPENER") return problem;
  // What is added there speaks of slots, which a plain file has none of.
  const { cause } = error;
  return kind === "keys" && cause instanceof HsmError && cause.code === error.code ? cause : error;
}

async function passphraseSources(secrets: PluginSecrets, { slots }: Extract<Wanted, { kind: "vault" }>) {
  const sources: KeySource[] = [];
  if (!slots.some(({ holder }) => leavesOf(holder).some(({ kind }) => kind === "passphrase"))) return sources;
  const { passphraseSource } = await import("../../services/vault/openers/passphrase-source.ts");
  const wish = { option: "passphrase", name: "passphrase", isNew: false, check: (bytes: Uint8Array) => bytes };
  const subject = { token: "the vault", stake: "no tries are counted" };
  sources.push(passphraseSource(async () => (await (await secrets.openFrom(wish, undefined)).value(subject)).slice()));
  return sources;
}

/** None of the keys that were looked at is one of the file's recipients: that is no error, another identity may be. */
function noneOf(talk: AgeTalk, { problem, tokens }: PluginDevices, { problems }: Slots): null {
  const [first] = problem === undefined ? problems : [problem];
  if (first !== undefined) throw first;
  const titles = tokens.map(({ title }) => title).join(", ");
  talk.say(titles === "" ? "no card was named" : `the file is for no key on ${titles}`);
  return null;
}

function howToAllow(wish: Wanted): string {
  if (wish.kind === "keys") {
    return "set HSMADM_DEVICE=auto, or give age the identity of the key that `hsmadm age identity` prints";
  }
  const slots = wish.slots.filter(({ holder }) =>
    leavesOf(holder).some((leaf) => "card" in leaf || leaf.kind === "fido2"),
  );
  const words = slots.map((slot) => `slot ${slot.id} (${openerWords(slot)})`).join(", ");
  return `with HSMADM_DEVICE=auto or a device's name ${words} could open it`;
}
