import { readFileSync } from "node:fs";
import { hostState } from "../../../../src/services/vault/host-state.ts";
import { openVault } from "../../../../src/services/vault/vault.ts";
import { watchFileSteps } from "./file-steps.ts";
import { recoveryOf } from "./recovery-key.ts";

/** Writes one generation of a vault, and dies of SIGKILL ahead of the step of this number: argv is vault, key file, state folder, number. */
const [, , vaultPath = "", keyFile = "", stateFolder = "", number = "0"] = process.argv;

const vault = await openVault(vaultPath, [recoveryOf(new Uint8Array(readFileSync(keyFile)))], {
  state: hostState(stateFolder),
});
vault.set("name", { value: new TextEncoder().encode("new") });
let left = Number(number);
const end = watchFileSteps(async (step) => {
  if (left-- > 0) return;
  await step.half();
  process.kill(process.pid, "SIGKILL");
  await new Promise(() => undefined);
});
await vault.save();
end();
await vault.close();
process.stdout.write("written\n");
