import { SW } from "../../apdu/status-word.ts";
import { readTlvs } from "../../bytes/tlv.ts";
import { type CommandHandler, dataOf, ok, refuse, requireLogin } from "../card.ts";
import { readRules, requireRoomFor } from "../key-rules.ts";
import { storeKey } from "../key-store.ts";

/** Key length in bytes by P2. A pico's B3 (512 bits, for XTS) is left out. */
const lengths = new Map([
  [0xb0, 16],
  [0xb1, 24],
  [0xb2, 32],
]);

/** GENERATE SYMMETRIC KEY: makes AES key P1 (reference 02 section 2.11). */
export const generateSymmetricKey: CommandHandler = (card, command) => {
  requireLogin(card);
  const length = lengths.get(command.p2) ?? refuse(SW.wrongP1P2);
  const rules = readRules(card, readTlvs(dataOf(command), "key generation template"));
  requireRoomFor(card, command.p1);
  storeKey(card, command.p1, { kind: "aes", value: card.world.random(length), rules });
  return ok();
};
