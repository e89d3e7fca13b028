import { join } from "node:path";
import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import { fileKeyMemory, type KeyMemory, noKeyMemory } from "../../services/keys/keys-memory.ts";
import type { CommandContext } from "../context.ts";
import { type OpenDevice, withDevice } from "../devices/device-session.ts";
import { type TokenFacts, tokenFacts } from "../facts.ts";
import { pinWishes } from "../secrets/pin-wishes.ts";
import { type Secret, SecretReader } from "../secrets/secrets.ts";
import { stakeWords, tokenName, tokenTitle } from "../wording.ts";

/** A token whose keys are worked with. */
export interface KeySession {
  readonly card: SmartCardHsm;
  readonly device: OpenDevice;
  readonly token: TokenFacts;
  /** As messages name it. */
  readonly name: string;
  readonly memory: KeyMemory;
  /** The list that is remembered does not hold any more. */
  forgetKeys(): Promise<void>;
  /** Presents the user PIN, once. */
  login(): Promise<void>;
}

/** Opens the token for commands that only read. */
export async function withKeys<T>(context: CommandContext, work: (session: KeySession) => Promise<T>): Promise<T> {
  return openKeys(context, "shared", undefined, work);
}

/** Opens the token for commands that need a login; the PIN is read first where nobody has to be asked. */
export async function withKeysAndPin<T>(
  context: CommandContext,
  work: (session: KeySession) => Promise<T>,
  secrets = new SecretReader(context),
): Promise<T> {
  return openKeys(context, "exclusive", await secrets.open(pinWishes.pin), work);
}

async function openKeys<T>(
  context: CommandContext,
  access: "shared" | "exclusive",
  pin: Secret | undefined,
  work: (session: KeySession) => Promise<T>,
): Promise<T> {
  return withDevice(context, access, async (device) => {
    const { card } = device;
    const memory = keyMemoryOf(context);
    return work({
      card,
      device,
      token: await tokenFacts(device),
      name: await tokenName(device),
      memory,
      forgetKeys: async () => memory.forget((await card.identity()).key),
      async login() {
        if (pin === undefined) return;
        const title = await tokenTitle(device);
        await card.verifyUserPin((counter) => pin.value({ token: title, stake: stakeWords("user-pin", counter) }));
      },
    });
  });
}

/**
 * The keys that were last seen on tokens. A recording must not depend on what this machine remembers, so with `--trace`
 * and `trace:FILE` nothing is recalled; `HSMADM_KEY_CACHE=on` recalls also while recording, `off` never.
 */
function keyMemoryOf({ globals, paths, io }: CommandContext): KeyMemory {
  const wish = io.env["HSMADM_KEY_CACHE"];
  const memory = fileKeyMemory(join(paths.state, "keys.json"));
  if (wish === "on") return memory;
  const recorded = globals.trace !== undefined || globals.device?.startsWith("trace:") === true;
  return wish === "off" || recorded ? { ...noKeyMemory, forget: memory.forget } : memory;
}
