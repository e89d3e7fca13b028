import type { CommandApdu } from "../apdu/command.ts";
import type { ResponseApdu } from "../apdu/response.ts";
import { SW } from "../apdu/status-word.ts";
import type { CardProfile } from "./profile.ts";
import type { Session } from "./session.ts";
import type { TokenState } from "./token-state.ts";
import type { SimulatorWorld } from "./world.ts";

/** What a command has to work with. */
export interface Card {
  readonly profile: CardProfile;
  readonly world: SimulatorWorld;
  readonly state: TokenState;
  readonly session: Session;
  /** The state was changed: it is saved before the command answers. */
  changed(): void;
  /**
   * Saves the state now.
   * @throws Refusal 6581 when it could not be saved; the state is then what it was at the last save
   */
  save(): Promise<void>;
}

/** One command of the card. Refuses by throwing {@link Refusal}. */
export type CommandHandler = (card: Card, command: CommandApdu) => ResponseApdu | Promise<ResponseApdu>;

/** A status word other than 9000: how a command ends early. */
export class Refusal extends Error {
  readonly sw: number;

  constructor(sw: number) {
    super(`SW ${sw.toString(16)}`);
    this.name = "Refusal";
    this.sw = sw;
  }
}

const nothing = new Uint8Array(0);

export function ok(data: Uint8Array = nothing): ResponseApdu {
  return { data, sw: SW.ok };
}

export function refuse(sw: number): never {
  throw new Refusal(sw);
}

export function dataOf(command: CommandApdu): Uint8Array {
  return command.data ?? nothing;
}

/** @throws Refusal 6982 */
export function requireLogin(card: Card): void {
  if (!card.session.userLogin) refuse(SW.securityStatusNotSatisfied);
}
