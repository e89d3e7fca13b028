import type { DeviceEvidence } from "../../cards/smartcard-hsm/token-status.ts";
import { HsmError } from "../../errors.ts";
import { dateWords } from "./certificate-dates.ts";
import type { DeviceJudgement } from "./device-judgement.ts";

const unreadable = { code: "DEVICE_CERTIFICATE_UNREADABLE", says: "cannot be read" };
const chainProblems = {
  unreadable,
  order: { code: "DEVICE_CERTIFICATES_SWAPPED", says: "do not stand in their order" },
  signature: { code: "DEVICE_CERTIFICATE_FORGED", says: "are not signed as they claim" },
} as const;

const keepPin = "give this token no PIN before you know what it is";

/**
 * What speaks against a device, as the first error of several; `undefined`: nothing. That nobody can vouch for it is none.
 * @param options `wrongRoot`: the officer named the root it must chain to; `dates`: `false` leaves them out of it
 */
export function deviceRefusal(
  evidence: DeviceEvidence,
  { chain, dates, possession, memory }: DeviceJudgement,
  options: { readonly mustChainTo?: string | undefined; readonly dates: boolean },
): HsmError | undefined {
  const token = nameOf(evidence);
  const refused = (code: string, message: string, advice: string = keepPin) =>
    new HsmError(code, "check-failed", message, { advice, token });
  if (chain.status === "invalid") {
    const { code, says } = chainProblems[chain.problem];
    return refused(code, `the certificates of ${token} ${says}: ${chain.reason}`);
  }
  if (options.mustChainTo !== undefined && chain.status !== "verified") {
    return refused(
      "DEVICE_ROOT_WRONG",
      `${token} does not chain to the root "${options.mustChainTo}": ${chain.reason}`,
      "`hsmadm device verify` without `--root` tells where it chains to",
    );
  }
  if (possession.status === "failed") {
    return refused("DEVICE_KEY_NOT_THERE", `${token} shows a certificate that is not its own: ${possession.reason}`);
  }
  if (memory.status === "changed") {
    return refused(
      "DEVICE_KEY_CHANGED",
      `${token} has another device key than on ${memory.before.lastSeen.slice(0, 10)}; it may be ${memory.mayBe.join("; or ")}`,
      "when you know why, `hsmadm device verify --accept-new-key` takes the new key for this serial",
    );
  }
  if (options.dates && dates !== null) {
    return refused(
      dates.state === "expired" ? "DEVICE_CERTIFICATE_EXPIRED" : "DEVICE_CERTIFICATE_NOT_YET_VALID",
      `a certificate of ${token} does not hold today: ${dateWords(dates)}`,
      "tokens outlive their certificates: `--ignore-dates` leaves the dates out of it; check the clock of this machine",
    );
  }
  return undefined;
}

export function nameOf({ identity, where }: Pick<DeviceEvidence, "identity" | "where">): string {
  return identity.serial || where;
}
