import type { PinState, TokenState, TokenStatus } from "../../cards/smartcard-hsm/token-status.ts";

/** Tries that must be left. The command's defaults are 2 and 4. */
export interface GuardFloors {
  readonly userPinTries: number;
  readonly soPinTries: number;
}

export interface GuardJudgement {
  readonly allowed: boolean;
  /** Why not, a sentence each; empty when allowed. */
  readonly reasons: readonly string[];
}

/**
 * Whether a risky step may run against a token in this state. Only what is known to be good is allowed: a state this
 * code has never heard of is refused like one that could not be read.
 */
export function judge(status: TokenStatus, floors: GuardFloors): GuardJudgement {
  const reasons = [
    ...stateReasons(status.state),
    ...counterReasons("user PIN", status.userPin, floors.userPinTries),
    ...counterReasons("SO-PIN", status.soPin, floors.soPinTries),
  ];
  const good = goodStates.has(status.state) && status.userPin.state === "ready" && status.soPin.state === "ready";
  // No complaint, and yet not good: answers that contradict each other.
  if (reasons.length === 0 && !good) reasons.push("the state of the token is unclear");
  return { allowed: reasons.length === 0, reasons };
}

const goodStates: ReadonlySet<TokenState> = new Set<TokenState>(["operational", "dkek-shares-pending"]);

function stateReasons(state: TokenState): string[] {
  switch (state) {
    case "uninitialised":
      return ["the token was never initialised"];
    case "transport-pin":
      return ["the token still has its transport PIN"];
    case "public-key-authentication":
      return ["the token is opened by public key authentication, its user PIN counter says nothing"];
    default:
      return []; // Of the others the PINs say enough.
  }
}

function counterReasons(name: string, pin: PinState, floor: number): string[] {
  switch (pin.state) {
    case "uninitialised":
    case "transport":
    case "public-key":
      return []; // Said once, of the whole token.
    case "blocked":
      return [`the ${name} is blocked`];
    case "verified":
      return [`the ${name} is logged in, and its counter cannot be read before the login ends`];
    case "ready":
      break;
    default:
      return [`the counter of the ${name} cannot be read`];
  }
  if (pin.triesLeft === null) return [`the counter of the ${name} cannot be read`];
  if (pin.triesLeft >= floor) return [];
  return [`the ${name} has ${tries(pin.triesLeft)} left, the floor is ${floor}`];
}

function tries(count: number): string {
  return count === 1 ? "1 try" : `${count} tries`;
}
