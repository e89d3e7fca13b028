import { hexNumber } from "../bytes/hex.ts";
import { type ApplicationInfo, optionBits } from "../cards/smartcard-hsm/application.ts";
import type {
  DkekState,
  PinStateName,
  TokenIdentity,
  TokenState,
  TokenStatus,
} from "../cards/smartcard-hsm/token-status.ts";

/** What a report wants of a card: `SmartCardHsm` has it. */
export interface ReportableCard {
  readonly channel: { readonly where: string };
  readonly application: ApplicationInfo;
  identity(): Promise<TokenIdentity>;
  label(): Promise<string | null>;
  status(): Promise<TokenStatus>;
}

export interface ReportedPin {
  readonly state: PinStateName;
  /** `null` where the token does not tell it. */
  readonly triesLeft: number | null;
  /** Four hex digits. */
  readonly sw: string;
}

/** The facts behind `device status` and `device info`, ready for JSON. No secrets, nothing judged but the chain. */
export interface DeviceReport {
  readonly where: string;
  /** `null` where the token has no device certificate. Serials of independent cards collide, `key` does not. */
  readonly serial: string | null;
  readonly chr: string | null;
  readonly key: string | null;
  readonly label: string | null;
  /** Ends in the root of hsmadm's own simulator: no hardware. */
  readonly simulated: boolean;
  /** `genuine` and `simulated` are proved by the certificate chain; `pico` is what the token says of itself. */
  readonly maker: "genuine" | "simulated" | "pico" | "unknown";
  readonly version: string;
  readonly platform: string;
  /** Four hex digits; `null` on cards before version 2. */
  readonly options: string | null;
  readonly optionNames: readonly string[];
  /** What the SO-PIN may do to the user PIN; `null` where the token does not tell. */
  readonly pinReset: "with-new-pin" | "counter-only" | "never" | null;
  readonly chain: {
    readonly status: "verified" | "not-verifiable" | "invalid";
    readonly root: string | null;
    readonly rootTitle: string | null;
    readonly path: readonly string[];
    readonly reason: string | null;
  };
  readonly state: TokenState;
  readonly userPin: ReportedPin;
  readonly soPin: ReportedPin;
  readonly dkek: DkekState;
  readonly keyDomains: readonly DkekState[] | null;
}

/** Reads everything once; needs no login and spends no try. */
export async function reportDevice(card: ReportableCard): Promise<DeviceReport> {
  const identity = await card.identity();
  const label = await card.label();
  const status = await card.status();
  const { version, platform, options, optionNames } = card.application;
  return {
    where: card.channel.where,
    serial: identity.serial || null,
    chr: identity.chr || null,
    key: identity.key || null,
    label,
    simulated: identity.simulated,
    maker: makerOf(identity, card.application),
    version: `${version.major}.${version.minor}`,
    platform: typeof platform === "number" ? hexNumber(platform, 2) : platform,
    options: options === null ? null : hexNumber(options, 4),
    optionNames,
    pinReset: pinResetOf(options),
    chain: chainOf(identity),
    state: status.state,
    userPin: pinOf(status.userPin),
    soPin: pinOf(status.soPin),
    dkek: status.dkek,
    keyDomains: status.keyDomains,
  };
}

function makerOf({ chain, simulated }: TokenIdentity, { profile }: ApplicationInfo): DeviceReport["maker"] {
  if (simulated) return "simulated";
  if (chain.status === "verified") return chain.root.kind;
  return profile === "pico" ? "pico" : "unknown";
}

function pinResetOf(options: number | null): DeviceReport["pinReset"] {
  if (options === null) return null;
  if ((options & optionBits.pinReset) === 0) return "never";
  return (options & optionBits.counterReset) === 0 ? "with-new-pin" : "counter-only";
}

function chainOf({ chain }: TokenIdentity): DeviceReport["chain"] {
  return chain.status === "verified"
    ? { status: chain.status, root: chain.root.name, rootTitle: chain.root.title, path: chain.path, reason: null }
    : { status: chain.status, root: null, rootTitle: null, path: [], reason: chain.reason };
}

function pinOf({ state, triesLeft, sw }: TokenStatus["userPin"]): ReportedPin {
  return { state, triesLeft, sw: hexNumber(sw, 4) };
}
