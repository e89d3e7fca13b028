import { optionBits } from "../../cards/smartcard-hsm/application.ts";
import type { CommandContext } from "../context.ts";
import { withDevice } from "../devices/device-session.ts";
import { tokenFacts } from "../facts.ts";
import { aligned, tokenName } from "../wording.ts";
import { countWords } from "./pka-words.ts";

/** Whether custodians log in, who is registered, and how many it takes. Needs no PIN. */
export async function run(context: CommandContext): Promise<undefined> {
  await withDevice(context, "shared", async (device) => {
    const { card } = device;
    const token = await tokenFacts(device);
    const status = await card.publicKeys.status();
    const keys = status === null ? null : await card.publicKeys.keys(status.total);
    const pinToo = status !== null && ((card.application.options ?? 0) & optionBits.combined) !== 0;
    const name = await tokenName(device);
    if (status === null) {
      context.output.result({ token, setUp: false, status, keys, pinToo }, [`${name} is not set up for login by keys`]);
      return;
    }
    const rows: [string, string][] = [
      ["Token", name],
      ["Login", `${countWords(status)}${pinToo ? ", and the user PIN is wanted as well" : ""}`],
      ["Signed now", String(status.authenticated)],
    ];
    const listed = keys?.map(({ chr }) => `- ${chr}`) ?? ["- this token does not tell which keys"];
    context.output.result({ token, setUp: true, status, keys, pinToo }, [...aligned(rows), "", ...listed]);
  });
  return undefined;
}
