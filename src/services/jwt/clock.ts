import { HsmError } from "../../errors.ts";

/** The day this version was made; set anew with each release. No clock that is right shows an earlier one. */
export const madeOn = new Date("2026-11-20T00:00:00Z");

/**
 * The time, unless it cannot be: a machine without a battery starts in 1970, and what it dates would be refused everywhere
 * or be valid for decades.
 * @throws HsmError `CLOCK_WRONG` (service)
 */
export function plausibleNow(now: Date): Date {
  if (now.getTime() >= madeOn.getTime()) return now;
  const shown = Number.isNaN(now.getTime()) ? "nothing" : now.toISOString();
  throw new HsmError("CLOCK_WRONG", "service", `the clock of this machine is wrong: it shows ${shown}`, {
    advice: `this version was made on ${madeOn.toISOString().slice(0, 10)}: set the clock (\`timedatectl set-ntp true\`) and run the command again`,
  });
}
