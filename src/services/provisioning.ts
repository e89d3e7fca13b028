import type { OnceCounted } from "../cards/smartcard-hsm/attempt.ts";
import type { InitializeSettings } from "../cards/smartcard-hsm/initialize.ts";
import { encodeTokenInfo } from "../cards/smartcard-hsm/pkcs15-token-info.ts";
import type { TokenIdentity, TokenStatus } from "../cards/smartcard-hsm/token-status.ts";
import { HsmError, messageOf } from "../errors.ts";

/** What provisioning wants of a card: `SmartCardHsm` has it. */
export interface ProvisionableCard {
  identity(): Promise<TokenIdentity>;
  status(): Promise<TokenStatus>;
  initialize(settings: OnceCounted<InitializeSettings>): Promise<InitializeSettings>;
  verifyUserPin(pin: Uint8Array): Promise<void>;
  writeLabel(label: string): Promise<void>;
}

export interface InitialisePlan {
  readonly label?: string | undefined;
  /** Asked for once the SO-PIN's counter is known, it can ask for PINs and whether the keys may go. */
  readonly settings: OnceCounted<InitializeSettings>;
}

export type InitialiseStep = "status" | "login" | "label";

export interface InitialiseOutcome {
  readonly identity: TokenIdentity;
  /** As read right after INITIALIZE, before any login hides the counters. */
  readonly status: TokenStatus;
  readonly labelWritten: boolean;
  /** Why the label that was asked for could not be written yet, and what writes it; `null` otherwise. */
  readonly labelNote: string | null;
  /** Whether keys made on the token can be carried to another one. */
  readonly exportable: boolean;
  readonly exportNote: string;
}

/**
 * Erases a token and sets it up. There is no state to clean up after an interruption: before the token has done
 * INITIALIZE it is what it was, afterwards it is initialised and perhaps without its label, `device status` tells which,
 * and the same plan may be run again.
 *
 * @param progress told before each step
 * @throws HsmError `LABEL_MALFORMED` and the errors of `SmartCardHsm.initialize`, all before the token is changed
 * @throws HsmError `INITIALISED_IN_PART` (partial): the token is initialised, a later step failed
 */
export async function initialiseToken(
  card: ProvisionableCard,
  plan: InitialisePlan,
  progress: (step: InitialiseStep) => void = () => undefined,
): Promise<InitialiseOutcome> {
  const { label } = plan;
  if (label !== undefined) encodeTokenInfo(label); // A label that cannot be written must not cost the keys first.

  const settings = await card.initialize(plan.settings);
  return inPart(plan, async () => {
    progress("status");
    const identity = await card.identity();
    const status = await card.status();
    const labelNote =
      label === undefined ? null : (cannotLabelYet(settings) ?? (await writeLabel(card, label, settings, progress)));
    return {
      identity,
      status,
      labelWritten: label !== undefined && labelNote === null,
      labelNote,
      ...exportability(settings.dkek.kind),
    };
  });
}

/** Why nobody can log in to a token set up like this before something else is done. */
function cannotLabelYet({ transportPin, publicKeyAuthentication, userPin }: InitializeSettings): string | null {
  if (transportPin === true) {
    return "the label cannot be written before the transport PIN is changed: then `hsmadm device label NAME` does";
  }
  if (publicKeyAuthentication !== undefined || userPin === undefined) {
    return "the label cannot be written before the authentication keys are registered and log in: then `hsmadm pka run … -- device label NAME` does";
  }
  return null;
}

async function writeLabel(
  card: ProvisionableCard,
  label: string,
  { userPin }: InitializeSettings,
  progress: (step: InitialiseStep) => void,
): Promise<string | null> {
  if (userPin === undefined) return null;
  progress("login");
  try {
    await card.verifyUserPin(userPin);
  } catch (error) {
    // A single try, and a floor that keeps it: what the operator asked for, both times.
    if (error instanceof HsmError && error.code === "TRIES_FLOOR") {
      return "the label was not written: the user PIN has too few tries to be presented under the floor; `hsmadm device label NAME --min-tries 0` does it";
    }
    throw error;
  }
  progress("label");
  await card.writeLabel(label);
  return null;
}

function exportability(dkek: InitializeSettings["dkek"]["kind"]): { exportable: boolean; exportNote: string } {
  switch (dkek) {
    case "shares":
      return { exportable: true, exportNote: "keys can be backed up and moved once all DKEK shares are imported" };
    case "key-domains":
      return { exportable: true, exportNote: "keys of a key domain can be backed up and moved once it has its shares" };
    case "random":
      return {
        exportable: false,
        exportNote:
          "the DKEK was made inside: wrapped keys can be restored on this token only, until it is initialised again",
      };
    case "none":
      return { exportable: false, exportNote: "there is no DKEK: keys made on this token can never leave it" };
  }
}

/** Whatever fails after INITIALIZE must not read as if nothing had happened: the keys are gone. */
async function inPart<Result>({ label }: InitialisePlan, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const known = error instanceof HsmError ? error : undefined;
    const rest = label === undefined ? "its state could not be read" : "not everything after that was done";
    throw new HsmError("INITIALISED_IN_PART", "partial", `the token is initialised, but ${rest}: ${messageOf(error)}`, {
      advice: `\`hsmadm device status\` shows its state${label === undefined ? "" : ", `hsmadm device label NAME` writes the label"}`,
      token: known?.token,
      triesLeft: known?.triesLeft,
      which: known?.which,
      details: known === undefined ? undefined : { after: "initialise", code: known.code, kind: known.kind },
      cause: error,
    });
  }
}
