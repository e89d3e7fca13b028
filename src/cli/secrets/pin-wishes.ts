import { checkSoPin, checkUserPin } from "../../cards/smartcard-hsm/pins.ts";
import type { SecretWish } from "./secrets.ts";

const soPinForm = "16 hex digits";

/** The PINs a command may want, checked on the host before a card is touched. */
export const pinWishes = {
  pin: { option: "pin", name: "user PIN", isNew: false, check: (bytes) => checkUserPin(bytes, "current") },
  /** `device init --pin`: a PIN that is set, not presented. */
  firstPin: { option: "pin", name: "user PIN to set", isNew: true, check: (bytes) => checkUserPin(bytes, "new") },
  newPin: { option: "new-pin", name: "new user PIN", isNew: true, check: (bytes) => checkUserPin(bytes, "new") },
  soPin: { option: "so-pin", name: "SO-PIN", isNew: false, form: soPinForm, check: checkSoPin },
  newSoPin: { option: "new-so-pin", name: "new SO-PIN", isNew: true, form: soPinForm, check: checkSoPin },
} as const satisfies Record<string, SecretWish>;
