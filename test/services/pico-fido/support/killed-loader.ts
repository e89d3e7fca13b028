import { readFileSync } from "node:fs";
import type { CtapChannel } from "../../../../src/apdu/ctap-channel.ts";
import { Fido2Authenticator } from "../../../../src/cards/fido2/authenticator.ts";
import { PicoFidoToken } from "../../../../src/cards/fido2/pico-fido/pico-fido-token.ts";
import { loadBackup } from "../../../../src/services/pico-fido/backup.ts";
import { HostKeyStore } from "../../../../src/services/pico-fido/host-key-store.ts";
import { openAuthenticatorFile } from "../../../../src/simulator/fido2/authenticator-store.ts";
import { repeatableWorld } from "../../../../src/simulator/repeatable-world.ts";
import { watchFileSteps } from "../../vault/support/file-steps.ts";

/**
 * Loads a backup and dies of SIGKILL ahead of the step of this number: a step in the folder of host keys, or a message
 * to the token. argv is token file, folder of host keys, backup, file with the host key, number.
 */
const [, , tokenFile = "", folder = "", backup = "", keyFile = "", number = "0"] = process.argv;

let left = Number(number);
const die = async (half: () => Promise<void> = async () => undefined) => {
  if (left-- > 0) return;
  await half();
  process.kill(process.pid, "SIGKILL");
  await new Promise(() => undefined);
};
const { token } = await openAuthenticatorFile(tokenFile, { world: repeatableWorld("killed") });
const channel = (send: CtapChannel["send"]): CtapChannel => ({
  where: "sim-fido:killed",
  send: async (message, options) => {
    await die();
    return send(message, options);
  },
  close: async () => undefined,
});
const authenticator = await Fido2Authenticator.open(
  channel((message, options = {}) => token.ctap(message, options)),
  { vendorChannel: channel((message, options = {}) => token.vendor(message, options)) },
);
watchFileSteps(async ({ path, half }) => {
  if (path.startsWith(folder)) await die(half);
});
await loadBackup(new PicoFidoToken(authenticator), new HostKeyStore(folder), {
  file: new Uint8Array(readFileSync(backup)),
  hostKey: new Uint8Array(readFileSync(keyFile)),
  facts: { device: "sim-fido:killed", product: null, now: new Date("2026-11-20T12:00:00Z") },
  acceptKeyChange: false,
  confirm: async () => undefined,
});
process.stdout.write("loaded\n");
