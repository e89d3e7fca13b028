import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { concat, utf8Bytes } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { SimulatedAuthenticator } from "../../../src/simulator/fido2/authenticator.ts";
import { newCredential, type Protection } from "../../../src/simulator/fido2/credential.ts";
import type { Touch } from "../../../src/simulator/fido2/device.ts";
import { repeatableWorld } from "../../../src/simulator/repeatable-world.ts";
import { type RecordedSession, readSession, type Step, stepsOf, swOf } from "./support/recorded-session.ts";
import { readMap, Translator } from "./support/translator.ts";

/**
 * Every recorded command of other people's clients, sent to our authenticator with the profile of the recorded one: what
 * was encrypted for that one is encrypted for ours. Statuses, status words and the form of the answers must agree.
 */

const excused = new Map([
  ["card-removed-mid-session", "no APDU was answered in it"],
  ["libfido2-nopin-assert", "the client's private keys were not recorded: its salts cannot be encrypted anew"],
  ["libfido2-pin-assert", "as libfido2-nopin-assert"],
  ["libfido2-pin-makecred", "as libfido2-nopin-assert"],
]);

const folder = new URL("../../recordings/fido2-pcsc/", import.meta.url);
const names = readdirSync(folder).flatMap((file) => (file.endsWith(".json") ? [file.slice(0, -".json".length)] : []));
const select = fromHex("00A4040008A0000006472F000100");

test("all recordings are here", () => {
  expect(names).toHaveLength(90);
  expect([...excused.keys()].filter((name) => !names.includes(name))).toEqual([]);
});

describe("recorded sessions of other clients", () => {
  test.each(names.filter((name) => !excused.has(name)))("%s", async (name) => {
    const session = readSession(name);
    const steps = stepsOf(session);
    const polls = steps.flatMap((step) => (step.kind === "message" ? step.more : [])).filter(isPoll).length;
    const touch = touchOf(name, polls);
    const translator = new Translator(session.inputs.platformPrivateKeys);
    const authenticator = prepared(session, translator, touch.touch);
    let answered = 0;
    for (const step of steps) {
      if (step.kind === "event") {
        authenticator.powerOn();
        continue;
      }
      if (step.kind === "apdu") {
        expect(toHex(await authenticator.transceive(step.command))).toBe(toHex(step.response));
      } else {
        const message = translator.message(step.message);
        const answer = await exchange(authenticator, step, message, touch.polled);
        compare(step.message, answer, step.answer);
        translator.answered(step.message, step.answer, answer);
      }
      answered++;
    }
    expect(authenticator.lastFault).toBeUndefined();
    expect(answered).toBe(steps.filter(({ kind }) => kind !== "event").length);
    expect(answered).toBeGreaterThan(0);
  });
});

/** Our authenticator in the state in which the recorded one was. */
function prepared(session: RecordedSession, translator: Translator, touch: Touch): SimulatedAuthenticator {
  const { session: name, inputs } = session;
  const authenticator = SimulatedAuthenticator.create(repeatableWorld(name), { profile: "applet", touch });
  const { state } = authenticator;
  const noPin =
    /nopin|no-pin|^pin-set-(p1|p2|too)|pin-not-set|^(select-getinfo-short|getinfo-(extended|p1-00)|deselect)/.test(
      name,
    );
  if (!noPin) {
    // pin-change-p2 and others begin with the PIN that all sessions share.
    const hash = new Uint8Array(createHash("sha256").update(utf8Bytes("1234")).digest()).slice(0, 16);
    state.pin = { hash, triesLeft: triesBefore(name) };
  }
  state.alwaysUv = /^alwaysuv-(?!toggle)/.test(name);
  const protection = Number(/credprotect-(\d)/.exec(name)?.[1] ?? 1) as Protection;
  for (const id of ownIds(session)) {
    const traits = { protection, hmacSecret: true };
    translator.ids.set(id.toUpperCase(), newCredential(authenticator, "zkm.example", traits).id);
  }
  if (name === "assert-rk-no-allowlist") {
    const { id } = newCredential(authenticator, inputs.rpId ?? "", { protection: 2, hmacSecret: true });
    state.residents.push({
      id,
      rpId: inputs.rpId ?? "",
      user: { id: new Uint8Array(9), name: "u" },
    });
  }
  authenticator.powerOn();
  // A session begins in mid-connection unless it begins with power.
  if ("event" in (session.apdus[0] ?? {})) return authenticator;
  void authenticator.transceive(select);
  return authenticator;
}

function triesBefore(name: string): number {
  if (/^pin-blocked-/.test(name)) return 0;
  return name === "power-cycle-right-pin" ? 5 : 8;
}

/** Recorded ids of credentials of that very authenticator which it still knew. */
function ownIds({ session: name, inputs }: RecordedSession): string[] {
  if (/foreign|garbage|^pin-blocked-preflight$|^reset$/.test(name)) return [];
  if (name === "preflight-mixed-list") return inputs.allowList?.slice(1) ?? [];
  // These name it only in their last command.
  if (name === "preflight-two-tokens-batch") return [lastListed(name, 3)];
  if (name === "makecred-excludelist") return [lastListed(name, 5)];
  return inputs.allowList === undefined ? [inputs.credentialId ?? []].flat() : [...inputs.allowList];
}

function lastListed(name: string, key: number): string {
  const last = stepsOf(readSession(name)).at(-1);
  if (last?.kind !== "message") throw new Error("no message");
  const [entry] = readMap(last.message.subarray(1)).get(key) as Map<string, Uint8Array>[];
  return toHex(entry?.get("id") ?? new Uint8Array(0));
}

function touchOf(name: string, polls: number): { touch: Touch; polled: () => void } {
  let touched: () => void = () => {};
  let left = polls;
  const waiting = new Promise<"touched">((resolve) => {
    touched = () => resolve("touched");
  });
  const polled = () => {
    left -= 1;
    if (left === 0 && name === "synthetic-keepalive-touch") touched();
  };
  if (name.startsWith("synthetic-keepalive")) return { touch: () => waiting, polled };
  if (name === "synthetic-denied") return { touch: async () => "denied", polled };
  if (name === "synthetic-touch-timeout") return { touch: async () => "timeout", polled };
  return { touch: async () => "touched", polled };
}

function isPoll({ command }: { readonly command: Uint8Array }): boolean {
  return command[1] === 0x11;
}

/** Sends it in parts of the recorded sizes and fetches the answer as the recorded client did. */
async function exchange(
  authenticator: SimulatedAuthenticator,
  step: Step & { readonly kind: "message" },
  message: Uint8Array,
  polled: () => void,
): Promise<Uint8Array> {
  let response: Uint8Array = new Uint8Array(0);
  let at = 0;
  for (const [i, size] of step.parts.entries()) {
    const last = i === step.parts.length - 1;
    // Where ours is shorter or longer, an id is: the last part takes it.
    const part = message.subarray(at, last ? undefined : at + size);
    at += part.length;
    const head = Uint8Array.of(last ? 0x80 : 0x90, 0x10, step.p1, 0);
    const lc = step.extended ? Uint8Array.of(0, part.length >> 8, part.length & 0xff) : Uint8Array.of(part.length);
    const le = last ? new Uint8Array(step.extended ? 2 : 1) : new Uint8Array(0);
    response = await authenticator.transceive(concat(head, lc, part, le));
    if (!last) expect(toHex(response)).toBe("9000");
  }
  const recordedPolls = step.more.filter(isPoll);
  if (recordedPolls.length > 0) expect(toHex(response)).toBe(toHex(step.first));
  for (const { command, response: recorded } of recordedPolls) {
    polled();
    response = await authenticator.transceive(command);
    if (swOf(recorded) === 0x9100) expect(toHex(response)).toBe(toHex(recorded));
  }
  const parts = [response.subarray(0, -2)];
  const fetch = step.more.find((more) => !isPoll(more))?.command ?? fromHex("00C0000000");
  while (swOf(response) >> 8 === 0x61) {
    response = await authenticator.transceive(concat(fetch.subarray(0, 4), Uint8Array.of(response.at(-1) ?? 0)));
    parts.push(response.subarray(0, -2));
  }
  expect(swOf(response)).toBe(0x9000);
  return concat(...parts);
}

function compare(command: Uint8Array, ours: Uint8Array, recorded: Uint8Array): void {
  expect(ours[0]?.toString(16)).toBe(recorded[0]?.toString(16));
  if (recorded.length === 0) {
    expect(toHex(ours)).toBe("");
    return;
  }
  const theirs = command[0] === 0x04 ? readInfo(recorded) : readMap(recorded.subarray(1));
  if (theirs === null) return;
  const mine = readMap(ours.subarray(1));
  if (command[0] === 0x04) {
    compareInfo(mine, theirs);
    return;
  }
  expect(formOf(mine)).toEqual(formOf(theirs));
  if (command[0] === 0x01 || command[0] === 0x02) {
    const [a, b] = [mine.get(2), theirs.get(2)] as [Uint8Array | undefined, Uint8Array | undefined];
    if (a === undefined || b === undefined) return;
    // rpIdHash and flags; the counter behind them is each one's own.
    expect(toHex(a.subarray(0, 33))).toBe(toHex(b.subarray(0, 33)));
    const after = command[0] === 0x01 ? 55 + 112 + 77 : 37;
    expect(formOf(readMap(a.subarray(after)))).toEqual(formOf(readMap(b.subarray(after))));
  }
}

/** `null`: only the beginning was fetched. */
function readInfo(recorded: Uint8Array): Map<unknown, unknown> | null {
  try {
    return readMap(recorded.subarray(1));
  } catch {
    return null;
  }
}

/** The recorded one can do more; what both tell must say the same where a driver decides by it. */
function compareInfo(mine: Map<unknown, unknown>, theirs: Map<unknown, unknown>): void {
  for (const [key, value] of mine) {
    if (theirs.has(key)) expect(typeof value, `getInfo ${key}`).toBe(typeof theirs.get(key));
  }
  const [a, b] = [mine.get(4), theirs.get(4)] as [Map<string, boolean>, Map<string, boolean>];
  for (const name of ["rk", "up", "clientPin", "alwaysUv", "pinUvAuthToken", "makeCredUvNotRqd", "authnrCfg"]) {
    expect(a.get(name), name).toBe(b.get(name));
  }
  expect(mine.get(6)).toEqual(theirs.get(6));
  expect(mine.get(0x0d)).toBe(theirs.get(0x0d));
}

/** Everything but the content of bytes; signatures in DER have no fixed length. */
function formOf(value: unknown): unknown {
  if (value instanceof Map) return [...value].map(([key, item]) => [key, formOf(item)]);
  if (Array.isArray(value)) return value.map(formOf);
  if (!(value instanceof Uint8Array)) return value;
  return value.length >= 68 && value.length <= 72 && value[0] === 0x30 ? "signature" : `${value.length} bytes`;
}
