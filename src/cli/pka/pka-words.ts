import type { AuthenticationStatus } from "../../cards/smartcard-hsm/public-key-authentication/authentication-commands.ts";

/** `2 of 3 keys registered, 2 must sign to log in`. */
export function countWords({ total, missing, required }: AuthenticationStatus): string {
  return `${total - missing} of ${total} keys registered, ${required} must sign to log in`;
}
