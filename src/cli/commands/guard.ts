import { HsmError } from "../../errors.ts";
import { judge } from "../../services/guard.ts";
import type { CommandContext } from "../context.ts";
import { withDevice } from "../device-session.ts";
import { pinFacts, tokenFacts } from "../facts.ts";
import { asHsmError } from "../failure.ts";
import { runChild } from "../run-child.ts";
import { pinWords, tokenName } from "../wording.ts";

const defaults = { userPinTries: 2, soPinTries: 4, refusedExit: 5 } as const;

/**
 * Runs COMMAND only while the token has enough tries left. Whatever keeps the guard from knowing that is a refusal:
 * no token, a blocked one, a reader that does not answer. The card is given back before COMMAND starts.
 */
export async function run(context: CommandContext): Promise<number> {
  const { args, globals, output } = context;
  const floors = {
    userPinTries: args.integer("user-pin-tries", 0, 15) ?? defaults.userPinTries,
    soPinTries: args.integer("so-pin-tries", 0, 15) ?? defaults.soPinTries,
  };
  const refusedExit = args.integer("refused-exit", 1, 255) ?? defaults.refusedExit;
  const refuse = (reasons: readonly string[], extra: ConstructorParameters<typeof HsmError>[3] = {}): HsmError => {
    for (const reason of reasons) output.say(`guard: refused: ${reason}`);
    return new HsmError("GUARD_REFUSED", "refused", `the guard refused: ${reasons.join("; ")}`, {
      ...extra,
      details: { ...extra.details, reasons, exitCode: refusedExit },
    });
  };

  const judged = await withDevice(context, "shared", async (device) => {
    const token = await tokenFacts(device);
    const name = await tokenName(device);
    const status = await device.card.status();
    return { token, name, status, ...judge(status, floors) };
  }).catch((error: unknown) => {
    const known = asHsmError(error);
    // The command line was wrong, or the operator stopped it: nothing was judged.
    if (known.kind === "usage" || known.kind === "interrupted") throw known;
    throw refuse([known.message], {
      advice: known.advice,
      token: known.token,
      details: { cause: { kind: known.kind, code: known.code } },
      cause: known,
    });
  });
  if (!judged.allowed) {
    throw refuse(judged.reasons, { advice: "`hsmadm device status` shows the token", token: judged.name });
  }
  const [command, ...words] = args.rest;
  const { token, name, status } = judged;
  if (command === undefined || globals.dryRun) {
    output.result(
      {
        token,
        allowed: true,
        floors,
        userPin: pinFacts(status.userPin),
        soPin: pinFacts(status.soPin),
        ...(globals.dryRun ? { dryRun: true } : {}),
      },
      [`${name}: allowed (user PIN: ${pinWords(status.userPin)}; SO-PIN: ${pinWords(status.soPin)})`],
    );
    return 0;
  }
  // From here on standard output and signals are COMMAND's.
  context.handOverSignals();
  return runChild(context.io, command, words);
}
