import type { AuthenticatorInfo } from "../../cards/fido2/authenticator-info.ts";
import type { CommandContext } from "../context.ts";
import {
  aaguidText,
  authenticatorFacts,
  type FidoPinFacts,
  fidoPinWords,
  pinFacts,
  uvFacts,
} from "../fido/authenticator-facts.ts";
import { type OpenAuthenticator, withAuthenticator } from "../fido/authenticator-session.ts";
import { aligned, simulatedMark } from "../wording.ts";

/** What an authenticator says of itself, and what that means for its use with a vault. */
export async function run(context: CommandContext): Promise<undefined> {
  await withAuthenticator(context, async (open) => {
    const { info } = open.authenticator;
    const pin = await pinFacts(open);
    const uv = await uvFacts(open);
    const notes = notesOf(open, pin);
    context.output.result(
      { authenticator: authenticatorFacts(open), ...toldFacts(info), pin: { ...pin, ...pinRules(info) }, uv, notes },
      [...aligned(rows(open, pin, uv)), "", ...notes.map((note) => `- ${note}`)],
    );
  });
}

function toldFacts(info: AuthenticatorInfo) {
  const { versions, extensions, options, transports, algorithms, maxMsgSize } = info;
  return {
    versions,
    extensions,
    options,
    transports,
    algorithms,
    pinUvAuthProtocols: info.pinUvAuthProtocols,
    firmwareVersion: info.firmwareVersion ?? null,
    maxMsgSize,
    maxCredentialCountInList: info.maxCredentialCountInList,
    maxCredentialIdLength: info.maxCredentialIdLength ?? null,
    hmacSecret: info.extensions.includes("hmac-secret"),
    credProtect: info.extensions.includes("credProtect"),
    alwaysUv: options["alwaysUv"] === true,
  };
}

function pinRules({ minPinLength, forcePinChange }: AuthenticatorInfo) {
  return { minLength: minPinLength, mustChange: forcePinChange };
}

function rows({ authenticator, device, product, simulated }: OpenAuthenticator, pin: FidoPinFacts, uv: FidoPinFacts) {
  const { info, where } = authenticator;
  const words = (list: readonly (string | number)[]) => (list.length === 0 ? "not told" : list.join(", "));
  const told: [string, string][] = [
    ["Authenticator", `${product ?? device}${simulated ? `  ${simulatedMark}` : ""}`],
    ["Where", where],
    ["AAGUID", aaguidText(info.aaguid)],
    ["Versions", words(info.versions)],
    ["Extensions", words(info.extensions)],
    ["Options", words(Object.entries(info.options).map(([name, on]) => (on ? name : `no ${name}`)))],
    ["PIN", fidoPinWords(pin)],
    ["Built-in UV", fidoPinWords(uv)],
    ["PIN protocols", words(info.pinUvAuthProtocols)],
    ["Message size", `${info.maxMsgSize} bytes`],
  ];
  if (info.firmwareVersion !== undefined) told.push(["Firmware", String(info.firmwareVersion)]);
  return told;
}

/** What the facts mean and what can be done. */
function notesOf({ authenticator, simulated }: OpenAuthenticator, pin: FidoPinFacts): string[] {
  const { extensions, options, forcePinChange } = authenticator.info;
  const notes = [
    extensions.includes("hmac-secret")
      ? "it can open vaults (hmac-secret)"
      : "it cannot open vaults: it has no hmac-secret",
  ];
  if (pin.state === "unset") notes.push("no PIN is set: `hsmadm fido pin set` sets one");
  if (pin.state === "paused") notes.push("after three wrong PINs it wants to be taken out and put back");
  if (pin.state === "blocked")
    notes.push("its PIN is blocked: only a reset helps, which destroys every credential on it");
  if (forcePinChange) notes.push("its PIN must be changed before it can be used: `hsmadm fido pin change`");
  if (options["alwaysUv"] === true) notes.push("it wants its PIN for everything (alwaysUv)");
  if (simulated) notes.push(`${simulatedMark}: a file on a computer, its keys are protected by nothing else`);
  return notes;
}
