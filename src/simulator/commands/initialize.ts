import { SW } from "../../apdu/status-word.ts";
import { equal } from "../../bytes/bytes.ts";
import { findTlv, readTlvs } from "../../bytes/tlv.ts";
import { type Card, type CommandHandler, dataOf, ok, refuse } from "../card.ts";
import { selfMadeIdentity } from "../device-identity.ts";
import { newKeyDomain } from "../key-domain.ts";
import { isRight, mostTries, soPinLength, soPinTries, storedPin, userPinLength } from "../pin.ts";
import { forgetLogins } from "../session.ts";
import { blankState, type DeviceIdentity, options, type PublicKeyLogin, type TokenState } from "../token-state.ts";

/** What INITIALIZE DEVICE asks for, checked. */
interface Settings {
  readonly options: number;
  readonly userPin: Uint8Array | null;
  readonly soPin: Uint8Array;
  readonly tries: number;
  /** `null`: no tag 92. */
  readonly shares: number | null;
  readonly publicKeys: PublicKeyLogin | null;
  /** `null`: no tag 97. */
  readonly domains: number | null;
}

const maxDomains = 16;
const freeMemory = Uint8Array.of(0x00, 0x10, 0x00, 0x00, 0x00);

/** INITIALIZE DEVICE, or without data the query for memory and version (reference 02 section 2.9, 06 section 6.2). */
export const initializeDevice: CommandHandler = async (card, command) => {
  if (command.p1 !== 0 || command.p2 !== 0) refuse(SW.wrongP1P2);
  const data = dataOf(command);
  if (data.length === 0) return ok(Uint8Array.of(...freeMemory, ...card.profile.version));
  const settings = readSettings(card, data);
  const { state } = card;
  if (state.initialised && state.soPin !== null && card.profile.initializeChecksSoPin) {
    card.session.soLogin = false;
    if (!(await isRight(card, state.soPin, settings.soPin))) refuse(card.profile.sw.initializeWrongSoPin);
  }
  const blank = blankState(state.profile, deviceAfter(card, settings));
  Object.assign(state, blank, stateFor(card, settings));
  forgetLogins(card.session);
  card.session.currentFile = null;
  if (card.profile.oneLogin) card.session.userLogin = settings.publicKeys === null;
  card.changed();
  return ok();
};

function stateFor(card: Card, settings: Settings): Partial<TokenState> {
  const { shares, domains } = settings;
  const one = shares === null ? [] : [newKeyDomain(shares, card.world)];
  return {
    initialised: true,
    options: settings.options,
    transportPin: (settings.options & options.transportPin) !== 0,
    userPin: settings.userPin === null ? null : storedPin(settings.userPin, settings.tries),
    soPin: storedPin(settings.soPin, soPinTries),
    publicKeys: settings.publicKeys,
    keyDomains: domains === null ? one : Array.from({ length: domains }, () => null),
  };
}

/**
 * A genuine token keeps its identity. A pico keeps it when its master key can still be opened: in a session that is
 * logged in, or when one of the PINs stays what it was.
 */
function deviceAfter(card: Card, settings: Settings): DeviceIdentity | null {
  const { state, session, world } = card;
  if (card.profile.name === "genuine") return state.device;
  const samePin =
    (state.soPin !== null && equal(state.soPin.value, settings.soPin)) ||
    (state.userPin !== null && settings.userPin !== null && equal(state.userPin.value, settings.userPin));
  return state.device !== null && (samePin || session.userLogin) ? state.device : selfMadeIdentity(world);
}

function readSettings(card: Card, data: Uint8Array): Settings {
  const objects = readTlvs(data, "INITIALIZE DEVICE");
  const malformed = card.profile.sw.malformed;
  const value = (tag: number) => findTlv(objects, tag)?.value ?? null;
  const byte = (tag: number): number | null => {
    const bytes = value(tag);
    if (bytes === null) return null;
    return bytes.length === 1 ? (bytes[0] as number) : refuse(malformed);
  };
  const optionBytes = value(0x80);
  const soPin = value(0x82);
  if (optionBytes?.length !== 2 || soPin?.length !== soPinLength) refuse(malformed);
  const userPin = value(0x81);
  const keyCounts = value(0x93);
  const tries = byte(0x91) ?? 3;
  const publicKeys = keyCounts === null ? null : readKeyCounts(card, keyCounts);
  if (userPin === null ? card.profile.checksPinRules && publicKeys === null : userPin.length > userPinLength.max) {
    refuse(malformed);
  }
  if (tries < 1 || tries > 15) refuse(malformed);
  if (card.profile.checksPinRules && userPin !== null) {
    if (userPin.length < userPinLength.min || tries > mostTries(userPin.length)) refuse(malformed);
  }
  for (const tag of [0x95, 0x96]) {
    const length = value(tag)?.length;
    if (length !== undefined && (length < 1 || length > 16)) refuse(malformed);
  }
  const domains = byte(0x97);
  const shares = byte(0x92);
  if (domains !== null && (domains > maxDomains || (shares !== null && card.profile.name === "genuine"))) {
    refuse(malformed);
  }
  return {
    options: (optionBytes[0] as number) * 256 + (optionBytes[1] as number),
    userPin,
    soPin,
    tries,
    shares,
    publicKeys,
    domains,
  };
}

function readKeyCounts({ profile }: Card, counts: Uint8Array): PublicKeyLogin {
  const { malformed } = profile.sw;
  const [total, required] = counts;
  if (total === undefined || required === undefined || counts.length !== 2) return refuse(malformed);
  if (total < 1 || total > profile.mostPublicKeys || required < 1 || required > total) return refuse(malformed);
  return { total, required, registered: [] };
}
