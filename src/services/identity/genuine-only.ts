import type { AttemptPolicy } from "../../cards/smartcard-hsm/attempt-policy.ts";
import { HsmError } from "../../errors.ts";
import { type JudgingOptions, judgeDevice, rememberDevice } from "./device-judgement.ts";
import { deviceRefusal, nameOf } from "./device-refusals.ts";

/**
 * `--require-genuine`: no PIN to a token unless its chain ends in a root its maker or the officer stands for, it has
 * proved that the key is its own, and it is the key known for its serial. Dates are left out of it: tokens outlive them.
 * @param options read when the first PIN is about to be sent
 */
export function genuineOnly(options: () => Promise<JudgingOptions>): NonNullable<AttemptPolicy["admit"]> {
  return async (evidence, prove) => {
    const judging = await options();
    const judgement = await judgeDevice(evidence, prove, judging);
    const token = nameOf(evidence);
    const problem = deviceRefusal(evidence, judgement, { dates: false }) ?? notProved(token, judgement);
    if (problem !== undefined) {
      throw new HsmError(problem.code, "refused", `no PIN was sent: ${problem.message}`, {
        advice: problem.advice,
        token,
        cause: problem,
      });
    }
    await rememberDevice(evidence, judgement, judging);
  };
}

type Judgement = Awaited<ReturnType<typeof judgeDevice>>;

function notProved(token: string, { trust, chain, possession }: Judgement): HsmError | undefined {
  const refused = (message: string) =>
    new HsmError("DEVICE_NOT_GENUINE", "refused", message, {
      advice: "`hsmadm device verify` shows what was checked; leave out `--require-genuine` to trust it all the same",
    });
  if (trust === "simulated") return refused(`${token} is SIMULATED, its keys are protected by nothing`);
  if (chain.status !== "verified") return refused(`${token} cannot be verified: ${chain.reason}`);
  if (possession.status !== "proved") {
    return refused(`${token} did not prove that it has the key of its certificate: ${possession.reason}`);
  }
  return undefined;
}
