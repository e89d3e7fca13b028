import { withKeys } from "../../services/pico-fido/lock.ts";
import { type LockState, probeLock } from "../../services/pico-fido/lock-state.ts";
import type { CommandContext } from "../context.ts";
import { aligned } from "../wording.ts";
import { type OpenPicoFido, withPicoFido } from "./pico-session.ts";
import { picoWords } from "./pico-words.ts";

type StateName = "never-enabled" | "locked" | "unlocked" | "other-key" | "unplug-first" | "key-lost";

/** In which state the lock is, by what costs no PIN and harms nothing. A key of ours that fits unlocks the token. */
export async function run(context: CommandContext): Promise<undefined> {
  await withPicoFido(context, async (pico) => {
    const { token, store, open, document } = pico;
    const tryKeys = !context.globals.dryRun;
    await withKeys(store, async (keys) => {
      const state = await probeLock(token, keys, { tryKeys });
      const name = nameOf(state, pico, tryKeys);
      const hostKey = "key" in state ? (state.key?.id ?? null) : null;
      const nowUnlocked = state.kind === "unlocked" || (state.kind === "locked" && state.key !== null);
      const { words, next } = meaning(name, pico, nowUnlocked);
      context.output.result({ ...document, state: name, nowUnlocked, hostKey, hostKeysHere: keys.length, next }, [
        ...aligned([
          ["Authenticator", open.title],
          ["Firmware", `${token.firmware.version}: ${lockWords[token.firmware.lock]}`],
          ["Lock", words],
          ["Host keys here", String(keys.length)],
        ]),
        "",
        ...next.map((line) => `- ${line}`),
      ]);
    });
  });
}

const lockWords = {
  keeps: "lock and backup work",
  "may-change": "on chips with OTP the lock changes the key in effect",
  changes: "the lock changes the key in effect: old credentials stop while it is enabled",
  destroys: "the lock DESTROYS the device key; there is no backup",
  unproven: "nobody has seen its lock work",
} as const;

function nameOf(state: LockState, { token }: OpenPicoFido, tryKeys: boolean): StateName {
  switch (state.kind) {
    case "unlocked":
      return state.key === null ? "other-key" : "unlocked";
    case "locked":
      if (token.firmware.lock === "destroys") return "key-lost";
      return state.key !== null || !tryKeys ? "locked" : "other-key";
    default:
      return state.kind;
  }
}

/** The state in words, and what to do next. */
function meaning(name: StateName, { token }: OpenPicoFido, nowUnlocked: boolean): { words: string; next: string[] } {
  const { lock } = token.firmware;
  switch (name) {
    case "never-enabled":
      return {
        words: "never enabled: everything works, and there is nothing to unlock or to save",
        next:
          lock === "keeps"
            ? ["for a backup: `hsmadm fido secure enable`, then `hsmadm fido backup save FILE`", picoWords.alternative]
            : ["do not enable it with any program", picoWords.alternative],
      };
    case "locked":
      return nowUnlocked
        ? {
            words: "was locked; a host key of this computer fits, and it is unlocked until it is unplugged",
            next: ["`hsmadm fido backup save FILE` writes a backup", picoWords.notHeld],
          }
        : { words: "enabled and locked", next: ["`hsmadm fido secure unlock`"] };
    case "unlocked":
      return {
        words: "unlocked with a host key of this computer, until it is unplugged",
        next: ["`hsmadm fido backup save FILE` writes a backup", picoWords.notHeld],
      };
    case "other-key":
      return {
        words: nowUnlocked
          ? "unlocked, with a host key that is not on this computer"
          : "enabled and locked with a host key that is not on this computer",
        next: [
          "`hsmadm fido secure unlock --words SOURCE`; words of the older tool need `--word-list FILE`",
          "or `--host-key SOURCE` with the key of the older tool's keyring (PEM)",
        ],
      };
    case "unplug-first":
      return { words: "disabled or reset, and not unplugged since: no key in memory", next: [picoWords.unplugNow] };
    case "key-lost":
      return {
        words: "the device key is lost, and every credential with it",
        next: [
          lock === "destroys"
            ? "only a reset of the token makes it usable again"
            : "`hsmadm fido backup load FILE` brings back a backup; without one only a reset helps",
        ],
      };
  }
}
