import type { CardCommand } from "../../apdu/card-command.ts";
import { describeSw, SW } from "../../apdu/status-word.ts";
import { HsmError } from "../../errors.ts";

/** AID of the FIDO applet, the same for U2F and CTAP2. */
export const fidoApplicationId: Uint8Array = Uint8Array.of(0xa0, 0x00, 0x00, 0x06, 0x47, 0x2f, 0x00, 0x01);

/**
 * SELECT of the FIDO applet. Its answer, `FIDO_2_0` or `U2F_V2`, is not looked at: `U2F_V2` is no proof that CTAP2 is
 * missing, getInfo is what tells.
 * @param where for messages
 */
export function selectFido(where: string): CardCommand<void> {
  return {
    name: "SELECT",
    apdu: { cla: 0x00, ins: 0xa4, p1: 0x04, p2: 0x00, data: fidoApplicationId, le: 256 },
    parse({ sw }) {
      if (sw !== SW.ok) throw notFido(where, sw);
    },
  };
}

function notFido(where: string, sw: number): HsmError {
  return new HsmError(
    "NOT_A_FIDO2_TOKEN",
    "not-supported",
    `no FIDO2 is reachable through ${where} (${describeSw(sw)})`,
    {
      advice:
        "many USB keys hide FIDO2 from card readers and show it over USB HID alone: look with `hsmadm fido list`, or hold the key to an NFC reader",
    },
  );
}

/** A status word where a CTAP answer belongs: the request never reached the authenticator's own logic. */
export function apduRefused(where: string, sw: number): HsmError {
  const said = `(${describeSw(sw)})`;
  switch (sw) {
    case SW.noCurrentFile:
    case SW.insNotSupported:
    case SW.claNotSupported:
      return new HsmError(
        "APPLET_NOT_SELECTED",
        "service",
        `the card in ${where} does not know CTAP2 any more ${said}: another program has selected another applet, or it is an old U2F key`,
        { advice: "stop the other program (scdaemon and PIV users are the usual ones), then run the command again" },
      );
    case SW.wrongLength:
      return new HsmError("FIDO_APDU_REFUSED", "unexpected", `${where} refused the length of a message ${said}`, {
        advice: "leave extended length off for this reader",
      });
    default:
      return new HsmError("FIDO_APDU_REFUSED", "unexpected", `the card in ${where} refused a CTAP2 message ${said}`, {
        advice: "take the token out and insert it again; `--trace FILE` records what it answers",
      });
  }
}
