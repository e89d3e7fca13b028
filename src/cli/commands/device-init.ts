import type { InitializeSettings } from "../../cards/smartcard-hsm/initialize.ts";
import type { PinState } from "../../cards/smartcard-hsm/token-status.ts";
import { exitCodes } from "../../errors.ts";
import { type InitialiseStep, initialiseToken } from "../../services/provisioning.ts";
import type { CommandContext } from "../context.ts";
import { rememberDevices } from "../devices/device-cache.ts";
import { type OpenDevice, withDevice } from "../devices/device-session.ts";
import { chooseDkek, dkekWords } from "../dkek-choice.ts";
import { pinFacts, tokenFacts } from "../facts.ts";
import { type InitOptions, planRows, readInitOptions } from "../init-plan.ts";
import { pinWishes } from "../secrets/pin-wishes.ts";
import { SecretReader } from "../secrets/secrets.ts";
import { confirmDestruction } from "../terminal/confirm.ts";
import { refuseLastOpener } from "../vaults/vault-guarded.ts";
import { aligned, pinWords, simulatedMark, stakeWords, stateWords, tokenName, tokenTitle } from "../wording.ts";

/** Erases the token and sets it up anew. */
export async function run(context: CommandContext): Promise<number | undefined> {
  const { output, globals } = context;
  const options = readInitOptions(context.args);
  const secrets = new SecretReader(context);
  const soPin = await secrets.open(pinWishes.soPin);
  // With public key authentication a token may do without a user PIN.
  const optional = options.publicKeyAuthentication !== undefined;
  const userPin = optional ? await secrets.openIfGiven(pinWishes.firstPin) : await secrets.open(pinWishes.firstPin);
  const chosen = await chooseDkek(context);
  const dkek = chosen ?? ({ kind: "none" } as const);
  if (chosen === undefined) {
    output.warn(
      "without --dkek-shares keys can never leave this token, not even as a backup; that cannot be changed later",
    );
  }
  return withDevice(context, "exclusive", async (device) => {
    if (globals.dryRun) {
      const isNew = (await device.card.pinState("so-pin")).state === "uninitialised";
      const vaults = isNew ? [] : await refuseLastOpener(context, device.card, await tokenName(device));
      const plan = {
        ...options,
        label: options.label ?? null,
        publicKeyAuthentication: options.publicKeyAuthentication ?? null,
        dkek,
      };
      const verb = isNew ? "initialise" : "ERASE and initialise again";
      output.result(
        {
          dryRun: true,
          token: await tokenFacts(device),
          erases: !isNew,
          plan,
          exportable: dkek.kind === "shares" || dkek.kind === "key-domains",
        },
        [`would ${verb} ${await tokenName(device)}; nothing was sent`, ...aligned(planRows(options, dkek)), ...vaults],
      );
      return undefined;
    }
    return initialise(context, device, options, dkek, async (soState) => {
      const isNew = soState.state === "uninitialised";
      if (!isNew) await confirmLoss(context, device);
      const title = isNew ? `${await tokenName(device)}, uninitialised` : await tokenTitle(device);
      const soStake = isNew ? "to set; write it down, it can never be unblocked" : stakeWords("so-pin", soState);
      const soValue = await soPin.value({ token: title, stake: soStake, isNew });
      const pinValue = await userPin?.value({ token: title, stake: "6 to 15 characters" });
      output.progress("initialising, this takes some seconds …");
      return chosenSettings(options, dkek, soValue, pinValue);
    });
  });
}

const stepWords: Readonly<Record<InitialiseStep, string>> = {
  status: "reading its state …",
  login: "logging in …",
  label: "writing the label …",
};

function chosenSettings(
  options: InitOptions,
  dkek: InitializeSettings["dkek"],
  soPin: Uint8Array,
  userPin: Uint8Array | undefined,
): InitializeSettings {
  const { retries, transportPin, pinReset, publicKeyAuthentication } = options;
  return { soPin, userPin, retries, dkek, transportPin, pinReset, publicKeyAuthentication };
}

async function confirmLoss(context: CommandContext, device: OpenDevice): Promise<void> {
  const { serial } = await device.card.identity();
  await confirmDestruction(context, {
    losses: [
      `all keys, certificates and data on ${await tokenTitle(device)}`,
      "its user PIN, label and DKEK",
      ...(await refuseLastOpener(context, device.card, await tokenName(device))),
    ],
    serial: serial || device.card.channel.where,
    exact: device.exact,
  });
}

async function initialise(
  context: CommandContext,
  device: OpenDevice,
  { label, transportPin, publicKeyAuthentication }: InitOptions,
  dkek: InitializeSettings["dkek"],
  settings: (soPin: PinState) => Promise<InitializeSettings>,
): Promise<number | undefined> {
  const { output } = context;
  const outcome = await initialiseToken(device.card, { label, settings }, (step) => output.progress(stepWords[step]));
  const { status, labelWritten, labelNote, exportable, exportNote } = outcome;
  const token = await tokenFacts(device, labelWritten ? label : undefined);
  await rememberDevices(context, [token]);
  const identity = await device.card.identity();
  const rows: [string, string][] = [
    ["Token", `${identity.serial || device.card.channel.where}${device.simulated ? ` (${simulatedMark})` : ""}`],
    ["State", stateWords[status.state]],
    ["Label", labelWritten ? (label ?? "") : "none"],
    ["User PIN", pinWords(status.userPin)],
    ["SO-PIN", pinWords(status.soPin)],
    ["DKEK", dkekWords(dkek)],
  ];
  output.result(
    {
      token,
      initialised: true,
      state: status.state,
      userPin: pinFacts(status.userPin),
      soPin: pinFacts(status.soPin),
      dkek,
      labelWritten,
      labelNote,
      exportable,
      exportNote,
    },
    [...aligned(rows), "", `- ${exportNote}`],
  );
  if (labelNote === null) return undefined;
  output.warn(labelNote);
  // Before the transport PIN is changed, or without keys to log in with, nobody can write it; that was clear beforehand.
  const expected = transportPin === true || publicKeyAuthentication !== undefined;
  return expected ? undefined : exitCodes.partial;
}
