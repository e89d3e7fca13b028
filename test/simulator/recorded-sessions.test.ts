import { createDecipheriv } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { fromHex } from "../../src/bytes/hex.ts";
import { parseKeyBlob } from "../../src/crypto/keys/key-blob.ts";
import { deriveDkekKeys } from "../../src/crypto/shares/dkek.ts";
import { repeatableWorld } from "../../src/simulator/repeatable-world.ts";
import { SimulatedToken } from "../../src/simulator/simulator.ts";
import { send } from "./support/token.ts";

/**
 * The pico profile against the recorded card that it imitates. Neither side of the recordings was written here.
 *
 * The keys that the recorded card wrapped (sessions 12, 19, 22) are given to the simulated one before they are used: so
 * decryptions, RSA signatures, ECDH and AES results must be the recorded ones to the byte, and wrapped keys too.
 */
interface Session {
  readonly session: string;
  readonly steps: readonly { readonly exchange: readonly { readonly c: string; readonly r: string }[] }[];
}

/** In the order of their numbers: they ran on one card, whose state carries through. */
function sessionsOf(version: string): Session[] {
  const folder = fileURLToPath(new URL(`../recordings/opensc-${version}-pico-hsm/`, import.meta.url));
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => JSON.parse(readFileSync(`${folder}${name}`, "utf8")) as Session);
}

describe("the recorded commands of OpenSC, sent to a simulated pico", () => {
  test.each([
    ["0.23.0", { compared: 4191, exact: 12, blobs: 4 }],
    ["0.27.1", { compared: 3943, exact: 12, blobs: 4 }],
  ])("of version %s are answered as the recorded card answered", async (version, expected) => {
    const sessions = sessionsOf(version);
    const blobOf = (number: string, header: string) => recordedBlob(sessions, number, header);
    const world = { ...repeatableWorld("test") };
    const token = SimulatedToken.create(world, { profile: "pico" });
    const { random } = world;
    const counts = { compared: 0, exact: 0, blobs: 0 };
    for (const { session, steps } of sessions) {
      // Made on the card in session 06 and wrapped in 12: from here on the simulated token has the very same keys.
      if (session.startsWith("08")) {
        await takeKey(token, 1, blobOf("12", "80720192"));
        await takeKey(token, 2, blobOf("12", "80720292"));
      }
      for (const [step, { exchange }] of steps.entries()) {
        for (const [index, { c, r }] of exchange.entries()) {
          const command = c.toUpperCase();
          const recorded = r.toUpperCase();
          const wraps = command.slice(2, 4) === "72" && recorded.length > 4;
          if (wraps) world.random = () => prefixOf(token, recorded);
          const answer = await send(token, command);
          world.random = random;
          const where = `${session}, step ${step + 1}, exchange ${index + 1}: ${command.slice(0, 60)}`;
          counts.compared++;
          if (wraps || usesRecordedKey(session, command)) {
            expect(answer, where).toBe(recorded);
            if (wraps) counts.blobs++;
            else counts.exact++;
          }
          compare(where, command.slice(2, 4), answer, recorded);
          if (command.slice(2, 6) === "4803") await takeKey(token, 3, blobOf("22", "80720392"));
          // The key that session 19 makes and wraps.
          if (session.startsWith("19") && command.slice(2, 6) === "4601") {
            await takeKey(token, 1, blobOf("19", "80720192"));
          }
        }
      }
    }
    expect(counts).toEqual(expected);
  });
});

/** Keys 01 (RSA) and 02 (EC) of sessions 08 to 12, key 03 (AES) of 22: what is no signature with a random number. */
function usesRecordedKey(session: string, command: string): boolean {
  if (session.startsWith("22")) return command.slice(2, 6) === "7803";
  const operation = command.slice(2, 6);
  const algorithm = command.slice(6, 8);
  if (!/^(08|1[0-2])/.test(session)) return false;
  return (operation === "6801" && /^[23]/.test(algorithm)) || operation === "6201" || operation === "6202";
}

/** The blob that the recorded card answered to a WRAP KEY. */
function recordedBlob(sessions: readonly Session[], number: string, header: string): string {
  const session = sessions.find((candidate) => candidate.session.startsWith(number));
  for (const { exchange } of session?.steps ?? []) {
    for (const { c, r } of exchange) {
      if (c.toUpperCase().startsWith(header) && r.length > 4) return r.slice(0, -4);
    }
  }
  throw new Error(`no blob ${header} in ${number}`);
}

/** Gives the token a key of the recorded card. What describes the key stays as it was. */
async function takeKey(token: SimulatedToken, id: number, blob: string): Promise<void> {
  const { userLogin, currentFile } = token.session;
  const description = token.state.files.get(0xc400 + id);
  const request = token.state.files.get(0xce00 + id);
  token.session.userLogin = true;
  const length = (blob.length / 2).toString(16).padStart(4, "0");
  expect(await send(token, `8074${id.toString(16).padStart(2, "0")}9300${length}${blob}`)).toBe("9000");
  Object.assign(token.session, { userLogin, currentFile });
  if (description !== undefined) token.state.files.set(0xc400 + id, description);
  if (request !== undefined) token.state.files.set(0xce00 + id, request);
}

/** The eight random bytes that the recorded card put into its blob: with them, ours must be the same to the byte. */
function prefixOf(token: SimulatedToken, recorded: string): Uint8Array {
  const { encryption } = deriveDkekKeys(token.state.keyDomains[0]?.key ?? new Uint8Array());
  const { ciphertext } = parseKeyBlob(fromHex(recorded.slice(0, -4)));
  const decipher = createDecipheriv("aes-256-cbc", encryption, new Uint8Array(16)).setAutoPadding(false);
  return new Uint8Array(decipher.update(ciphertext)).slice(0, 8);
}

function compare(where: string, instruction: string, answer: string, recorded: string): void {
  expect(answer.slice(-4), where).toBe(recorded.slice(-4));
  switch (instruction) {
    case "58":
      // The recorded card lists files in the order in which its flash holds them.
      expect(fileIds(answer), where).toEqual(fileIds(recorded));
      break;
    case "46":
    case "84":
    case "B1":
    case "C0":
      // Keys and random bytes are others; their lengths, and all that stands around them, must agree.
      expect(answer.length, where).toBe(recorded.length);
      expect(answer.slice(0, 8), where).toBe(instruction === "84" ? answer.slice(0, 8) : startOf(recorded, answer));
      break;
    case "68":
      // An ECDSA signature in DER may be a few bytes shorter or longer.
      expect(Math.abs(answer.length - recorded.length), where).toBeLessThanOrEqual(8);
      break;
    default:
      expect(answer, where).toBe(recorded);
  }
}

function fileIds(answer: string): string[] {
  return (answer.slice(0, -4).match(/.{4}/g) ?? []).sort();
}

/** Later pieces of a file may begin in the middle of a key: only the first four bytes of its start are compared. */
function startOf(recorded: string, answer: string): string {
  const structured = /^(?:67|7F21|30|A0|6117)/.test(recorded);
  return structured ? recorded.slice(0, 8) : answer.slice(0, 8);
}
