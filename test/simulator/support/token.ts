import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import type { ProfileName } from "../../../src/simulator/profile.ts";
import { repeatableWorld } from "../../../src/simulator/repeatable-world.ts";
import { SimulatedToken } from "../../../src/simulator/simulator.ts";

export const bothProfiles: readonly ProfileName[] = ["genuine", "pico"];

export const userPin = "363438323139"; // "648219"
export const soPin = "3537363231383830";
export const selectApplet = "00A404000BE82B0601040181C31F020100";
export const verifyPin = `0020008106${userPin}`;

/** GENERATE ASYMMETRIC KEY PAIR, RSA 2048, key 01 (vectors/apdus.json, there key 02). */
export const generateRsa =
  "0046010000003A5F29010042095554434130303030317F4915060A04007F000702020201028203010001020208005F2010555443433030303030303130303030320000";

/** A token in memory, powered on and selected. */
export async function selected(profile: ProfileName, seed = "test"): Promise<SimulatedToken> {
  const token = SimulatedToken.create(repeatableWorld(seed), { profile });
  token.powerOn();
  await send(token, selectApplet);
  return token;
}

/** INITIALIZE DEVICE with user PIN 648219, SO-PIN 3537363231383830 and these tags behind them. */
export function initialize({ options = "0001", tags = "910103", pin = userPin, so = soPin } = {}): string {
  const pinTag = pin === "" ? "" : `81${length(pin)}${pin}`;
  const data = `8002${options}${pinTag}8208${so}${tags}`;
  return `80500000${length(data)}${data}`;
}

/** Initialised, applet selected anew, nobody logged in. */
export async function initialised(
  profile: ProfileName,
  settings?: Parameters<typeof initialize>[0],
): Promise<SimulatedToken> {
  const token = await selected(profile);
  const answer = await send(token, initialize(settings));
  if (answer !== "9000") throw new Error(`INITIALIZE answered ${answer}`);
  await send(token, selectApplet);
  return token;
}

/** Initialised and logged in. */
export async function loggedIn(
  profile: ProfileName,
  settings?: Parameters<typeof initialize>[0],
): Promise<SimulatedToken> {
  const token = await initialised(profile, settings);
  await send(token, verifyPin);
  return token;
}

/** Answer in hex. Spaces in the command are for the reader. */
export async function send(token: SimulatedToken, command: string): Promise<string> {
  const answer = toHex(await token.transceive(fromHex(command)));
  if (token.lastFault !== undefined) throw token.lastFault;
  return answer;
}

/** The answers to several commands. */
export async function sendAll(token: SimulatedToken, ...commands: readonly string[]): Promise<string[]> {
  const answers: string[] = [];
  for (const command of commands) answers.push(await send(token, command));
  return answers;
}

export function length(hex: string): string {
  return (hex.length / 2).toString(16).toUpperCase().padStart(2, "0");
}
