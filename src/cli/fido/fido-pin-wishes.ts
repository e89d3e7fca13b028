import { fidoPinBytes } from "../../cards/fido2/pin-bytes.ts";
import type { SecretWish } from "../secrets/secrets.ts";

/** The PINs of an authenticator, checked on the host before it is touched. */
export const fidoPinWishes = {
  current: {
    option: "fido-pin",
    name: "FIDO2 PIN",
    isNew: false,
    unprovable: true,
    check: (bytes) => fidoPinBytes(bytes),
  },
  next: {
    option: "new-pin",
    name: "new FIDO2 PIN",
    isNew: true,
    unprovable: true,
    check: (bytes) => fidoPinBytes(bytes),
  },
} as const satisfies Record<string, SecretWish>;
