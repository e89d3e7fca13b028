import type { DeviceCertificates } from "../../crypto/cvc/cvc.ts";
import type { ChainVerdict } from "../../crypto/cvc/cvc-chain.ts";
import type { ApplicationInfo } from "./application.ts";

export type PinStateName =
  | "ready"
  | "verified"
  | "blocked"
  | "transport"
  | "uninitialised"
  | "public-key"
  | "unreadable";

/** What the token says of one PIN when asked without presenting it. */
export interface PinState {
  readonly state: PinStateName;
  /** `null` where the answer does not tell it (verified, transport, uninitialised, public key, unreadable). */
  readonly triesLeft: number | null;
  /** The status word it was read from. */
  readonly sw: number;
}

/** The DKEK, or the key domain with this index. */
export interface DkekState {
  readonly index: number;
  readonly state: "none" | "pending" | "complete" | "random" | "not-created" | "unknown";
  /** Key shares in all, and still to be imported. */
  readonly shares: number | null;
  readonly outstanding: number | null;
  /** Key check value, 16 hex digits; `null` where there is none or it cannot be read now. */
  readonly kcv: string | null;
  /** The token shows zeros before a login, although the key is complete. */
  readonly kcvNote: "before-login" | null;
}

export type TokenState =
  | "uninitialised"
  | "operational"
  | "transport-pin"
  | "user-pin-blocked"
  | "so-pin-blocked"
  | "both-blocked"
  | "dkek-shares-pending"
  | "public-key-authentication"
  | "unreadable";

export interface TokenStatus {
  readonly state: TokenState;
  readonly userPin: PinState;
  readonly soPin: PinState;
  /** Key domain 0, which is the DKEK of a token without key domains. */
  readonly dkek: DkekState;
  /** All key domains, where the token was seen to have them; `null` where it has none or they were not asked for. */
  readonly keyDomains: readonly DkekState[] | null;
}

export interface TokenIdentity {
  /** Hex SHA-256 of the device public key point; empty when the token has no device certificate yet. */
  readonly key: string;
  /** CHR without its last five characters; empty without a certificate. */
  readonly serial: string;
  readonly chr: string;
  readonly chain: ChainVerdict;
  /** The chain ends in hsmadm's own simulator root. */
  readonly simulated: boolean;
}

/** What a token gives of itself, for whoever judges it. */
export interface DeviceEvidence {
  readonly identity: TokenIdentity;
  /** `null`: none, or none that can be read. */
  readonly certificates: DeviceCertificates | null;
  readonly application: ApplicationInfo;
  /** Where it is, as messages say it. */
  readonly where: string;
}

/** The one word for a token (reference 06, section 6.1). */
export function tokenState(
  userPin: PinState,
  soPin: PinState,
  domains: readonly Pick<DkekState, "state">[],
): TokenState {
  const user = userPin.state;
  const so = soPin.state;
  // v1.x says 6984 for a user PIN that was never set and knows no query of the SO-PIN.
  if (user === "uninitialised" && (so === "uninitialised" || so === "unreadable")) return "uninitialised";
  if (user === "blocked") return so === "blocked" ? "both-blocked" : "user-pin-blocked";
  if (so === "blocked") return "so-pin-blocked";
  if (user === "unreadable" || so === "unreadable" || so === "uninitialised") return "unreadable";
  // An initialised token without a user PIN was set up for public key authentication alone.
  if (user === "public-key" || user === "uninitialised") return "public-key-authentication";
  if (user === "transport") return "transport-pin";
  return domains.some((domain) => domain.state === "pending") ? "dkek-shares-pending" : "operational";
}
