import { smartCardHsmContract } from "./smartcard-hsm-contract.ts";
import { onReplay, onSimulator } from "./subject.ts";

const soPin = "3537363231383830";

for (const profile of ["genuine", "pico"] as const) {
  const traits = { profile, fresh: true, expendable: true };
  smartCardHsmContract(`simulator, ${profile} profile`, onSimulator(profile), traits, soPin);
  smartCardHsmContract(`replay, ${profile} profile`, onReplay(profile), traits, soPin);
}
