import type { TokenStatus } from "../../src/cards/smartcard-hsm/token-status.ts";
import type { DeviceReport } from "../../src/services/device-report.ts";
import { statusOf } from "./statuses.ts";

/** Report of a genuine token in good health, with a complete DKEK, changed as given. */
export function reportOf(status: TokenStatus = statusOf(3, 15), changes: Partial<DeviceReport> = {}): DeviceReport {
  const dkek =
    status.dkek.state === "none"
      ? { ...status.dkek, state: "complete" as const, shares: 2, outstanding: 0 }
      : status.dkek;
  const pin = ({ state, triesLeft }: TokenStatus["userPin"]) => ({ state, triesLeft, sw: "9000" });
  return {
    where: "reader",
    serial: "DENK0404144",
    chr: "DENK040414400000",
    key: "AA".repeat(32),
    label: "demo",
    simulated: false,
    maker: "genuine",
    version: "4.1",
    platform: "production",
    options: "0001",
    optionNames: [],
    pinReset: "with-new-pin",
    chain: {
      status: "verified",
      root: "DESRCACC100001",
      rootTitle: "SmartCard-HSM",
      path: ["DENK040414400000"],
      reason: null,
    },
    state: status.state,
    userPin: pin(status.userPin),
    soPin: pin(status.soPin),
    dkek,
    keyDomains: status.keyDomains,
    ...changes,
  };
}
