import {
  type DkekState,
  type PinState,
  type PinStateName,
  type TokenState,
  type TokenStatus,
  tokenState,
} from "../../src/cards/smartcard-hsm/token-status.ts";

/** A PIN with this many tries left, or in this state. */
export function pinIn(state: number | PinStateName): PinState {
  return typeof state === "number"
    ? { state: "ready", triesLeft: state, sw: 0x63c0 + state }
    : { state, triesLeft: state === "blocked" ? 0 : null, sw: 0x6f00 };
}

export const noDkek: DkekState = {
  index: 0,
  state: "none",
  shares: null,
  outstanding: null,
  kcv: null,
  kcvNote: null,
};

/** A token's status; `state` is what the driver makes of the PINs unless given. */
export function statusOf(
  userPin: number | PinStateName,
  soPin: number | PinStateName,
  options: { dkek?: Partial<DkekState>; keyDomains?: DkekState[]; state?: TokenState } = {},
): TokenStatus {
  const dkek = { ...noDkek, ...options.dkek };
  const [user, so] = [pinIn(userPin), pinIn(soPin)];
  return {
    state: options.state ?? tokenState(user, so, options.keyDomains ?? [dkek]),
    userPin: user,
    soPin: so,
    dkek,
    keyDomains: options.keyDomains ?? null,
  };
}
