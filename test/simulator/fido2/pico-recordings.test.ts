import { describe, expect, test } from "vitest";
import { bigEndian } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { SimulatedAuthenticator } from "../../../src/simulator/fido2/authenticator.ts";
import type { AuthenticatorProfileName } from "../../../src/simulator/fido2/profile-names.ts";
import { repeatableWorld } from "../../../src/simulator/repeatable-world.ts";
import { HidHost, type HidMessage } from "./support/hid-host.ts";
import { LockClient, lockPin } from "./support/lock-client.ts";
import {
  credentialsAskedFor,
  type LockRecording,
  lockRecordings,
  readLockRecording,
} from "./support/lock-recording.ts";
import {
  type Before,
  credentialsOf,
  excused,
  hanging,
  hostKeyOf,
  type Preparation,
  timeline,
  userUnknown,
} from "./support/lock-timeline.ts";
import { readMap, Translator } from "./support/translator.ts";

/**
 * The recorded host's messages to Pico FIDO, in their order, sent over CTAPHID to our authenticator with the profile of
 * that version: what was encrypted for the recorded token is encrypted for ours.
 *
 * | compared | how |
 * |---|---|
 * | CTAPHID command of the answer | the same: an answer, or an ERROR packet in its place |
 * | status | the same byte |
 * | INIT | protocol, firmware version, capabilities; not the channel, nor the build byte, which is not constant |
 * | getInfo | AAGUID, versions, PIN protocols, firmware version, vendor ids, sizes, the options that a driver reads; not `alwaysUv` of v6.6 and v7.6, where it changes within a power session although nobody changed it |
 * | makeCredential | RP id hash, flags, form of the statement; not the id's length, nor `epAtt`, which ours leaves out |
 * | getAssertion | RP id hash, flags, whether the id is the one asked for, a signature or 64 bytes of nothing, user |
 * | everything else | keys, types and lengths of every member; DER by its first byte |
 */

const versions = ["v5.12", "v6.6", "v7.6", "v8.0"] as const;
const sessions = lockRecordings.filter((name) => !excused.has(name));

test("all recordings are here, each is replayed or excused", () => {
  expect(lockRecordings).toHaveLength(96);
  expect(sessions).toHaveLength(94);
  expect([...excused.keys(), ...Object.keys(timeline)].filter((name) => !lockRecordings.includes(name))).toEqual([]);
});

describe.each(versions)("recorded sessions of Pico FIDO %s", (version) => {
  const ofVersion = sessions.filter((name) => name.startsWith(`${version}-`));

  test(`${ofVersion.length} sessions, one after the other`, async () => {
    const bench = new Bench(`pico-fido-${version.slice(1)}` as AuthenticatorProfileName);
    for (const name of ofVersion) {
      await bench.begin(name);
      await bench.replay(name);
    }
    expect(bench.replayed).toEqual(ofVersion);
  });
});

/** The tokens of a version, and what ours has in place of what theirs had. */
class Bench {
  readonly #profile: AuthenticatorProfileName;
  readonly #tokens = new Map<string, LockClient>();
  readonly #ids = new Map<string, Uint8Array>();
  readonly #blobs = new Map<string, Uint8Array>();
  #token = "";
  readonly replayed: string[] = [];

  constructor(profile: AuthenticatorProfileName) {
    this.#profile = profile;
  }

  async begin(name: string): Promise<void> {
    const before: Before = timeline[name] ?? { token: this.#token };
    this.#token = before.token;
    for (const what of before.prepare ?? []) await this.#prepare(name, what);
  }

  async replay(name: string): Promise<void> {
    const { authenticator } = this.#client(this.#token);
    const recording = readLockRecording(name);
    const translator = new Translator(recording.inputs.platformPrivateKeys);
    for (const [recorded, ours] of this.#ids) translator.ids.set(recorded, ours);
    for (const [recorded, ours] of this.#blobs) translator.blobs.set(recorded, ours);
    const host = new HidHost(authenticator, hanging.has(name) ? 1 : undefined);
    for (const [i, { request, answer }] of recording.steps.entries()) {
      const step = `${name}, request ${i + 1}`;
      if (request.command === 0x06) {
        const facts = await host.open(request.data);
        expect(maskBuild(facts), step).toBe(maskBuild((answer?.data ?? facts).slice(12)));
        continue;
      }
      const vendor = request.command === 0x41;
      const message = vendor ? translator.vendorMessage(request.data) : translator.message(request.data);
      if (answer === undefined) {
        expect(hanging.has(name), step).toBe(true);
        host.send(request.command, message);
        expect(await host.keepAlives(12), step).toEqual(new Array(12).fill(1));
        expect(toHex(await authenticator.ctap(Uint8Array.of(0x04)))).toBe("06");
        authenticator.powerOn();
        expect((await authenticator.ctap(Uint8Array.of(0x04)))[0]).toBe(0);
        continue;
      }
      const ours = await host.exchange(request.command, message);
      compare(step, { request, message, userUnknown: userUnknown.has(name) }, ours, answer);
      if (vendor) translator.vendorAnswered(request.data, answer.data, ours.data);
      else translator.answered(request.data, answer.data, ours.data);
    }
    await host.close();
    expect(authenticator.lastFault, name).toBeUndefined();
    for (const [recorded, ours] of translator.ids) this.#ids.set(recorded, ours);
    for (const [recorded, ours] of translator.blobs) this.#blobs.set(recorded, ours);
    this.replayed.push(name);
  }

  #client(token: string): LockClient {
    const known = this.#tokens.get(token);
    if (known !== undefined) return known;
    const world = repeatableWorld(`${this.#profile} ${token}`);
    const made = new LockClient(SimulatedAuthenticator.create(world, { profile: this.#profile }));
    this.#tokens.set(token, made);
    return made;
  }

  async #prepare(name: string, what: Preparation): Promise<void> {
    const client = this.#client(this.#token);
    const { inputs } = readLockRecording(hostKeyOf[name] ?? name);
    const hostKey = fromHex(inputs.hostKey ?? "");
    if (what === "power") client.authenticator.powerOn();
    else if (what === "pin") expect(await client.setPin(lockPin), name).toBe(0);
    else if (what === "enable") expect(await client.enable(hostKey), name).toBe(0);
    else if (what === "unlock") expect(await client.unlock(hostKey), name).toBe(0);
    else if (what === "disable") expect(await client.disable(), name).toBe(0);
    else if (what === "credentials") await this.#makeCredentials(name, client);
    else if ("blobOf" in what) {
      this.#blobs.set((inputs.blob ?? "").toUpperCase(), (await this.#client(what.blobOf).save()).blob);
    } else {
      const saved = lastBackup(readLockRecording(what.load));
      expect(await client.load(this.#blobs.get(saved) ?? new Uint8Array(0)), name).toBe(0);
    }
  }

  /** The last one discoverable, for user 02…02. */
  async #makeCredentials(name: string, client: LockClient): Promise<void> {
    const recording = readLockRecording(credentialsOf[name] ?? name);
    const rpId = recording.inputs.rpId ?? "pico.example";
    for (const [i, recorded] of [...new Set(credentialsAskedFor(recording))].entries()) {
      const id = await client.credential(rpId);
      this.#ids.set(recorded, id);
      if (i === 1) client.authenticator.state.residents.push({ id, rpId, user: { id: new Uint8Array(8).fill(2) } });
    }
  }
}

function lastBackup({ steps }: LockRecording): string {
  const saved = steps.findLast(({ request }) => request.command === 0x41 && request.data[0] === 0x01);
  return toHex(readMap(saved?.answer?.data.subarray(1) ?? new Uint8Array(0)).get(1) as Uint8Array);
}

function maskBuild(facts: Uint8Array): string {
  return `${toHex(facts.subarray(0, 3))} build ${toHex(facts.subarray(4))}`;
}

function compare(
  step: string,
  { request, message, userUnknown }: { request: HidMessage; message: Uint8Array; userUnknown: boolean },
  ours: HidMessage,
  recorded: HidMessage,
): void {
  const seen = (answer: HidMessage) => `${toHex(bigEndian(answer.command, 1))} ${toHex(answer.data.subarray(0, 1))}`;
  expect(seen(ours), step).toBe(seen(recorded));
  const [mine, theirs] = [readMap(ours.data.subarray(1)), readMap(recorded.data.subarray(1))];
  if (userUnknown && request.command === 0x10 && request.data[0] === 0x02) theirs.delete(4);
  const number = request.command === 0x10 ? request.data[0] : undefined;
  if (number === 0x04) expect(infoOf(mine), step).toEqual(infoOf(theirs));
  else if (number === 0x01) expect(madeOf(mine), step).toEqual(madeOf(theirs));
  else if (number === 0x02) expect(assertedOf(mine, message), step).toEqual(assertedOf(theirs, request.data));
  else expect(formOf(mine), step).toEqual(formOf(theirs));
}

type Cbor = Map<unknown, unknown>;

function infoOf(info: Cbor): unknown {
  const options = info.get(4) as Cbor;
  const firmware = info.get(0x0e);
  const steady = firmware === 0x0606 || firmware === 0x0706 ? [] : ["alwaysUv"];
  const read = [...steady, "rk", "authnrCfg", "clientPin", "pinUvAuthToken", "makeCredUvNotRqd"];
  return [
    ...[0x01, 0x03, 0x05, 0x06, 0x07, 0x0d, 0x0e, 0x15].map((key) => info.get(key)),
    read.map((name) => [name, options.get(name)]),
  ];
}

function madeOf(made: Cbor): unknown {
  if (made.size === 0) return "nothing";
  return [made.get(1), headOf(made.get(2)), formOf(made.get(3))];
}

function assertedOf(asserted: Cbor, request: Uint8Array): unknown {
  if (asserted.size === 0) return "nothing";
  const [asked] = readMap(request.subarray(1)).get(3) as Map<string, Uint8Array>[];
  const id = (asserted.get(1) as Map<string, Uint8Array>).get("id") as Uint8Array;
  const same = toHex(id) === toHex(asked?.get("id") as Uint8Array) ? "the id" : toHex(id);
  return [[...asserted.keys()], same, headOf(asserted.get(2)), signatureOf(asserted.get(3)), formOf(asserted.get(4))];
}

/** RP id hash and flags; the counter behind them is each one's own. */
function headOf(authData: unknown): string {
  return toHex((authData as Uint8Array).subarray(0, 33));
}

function signatureOf(signature: unknown): string {
  const bytes = signature as Uint8Array;
  return bytes[0] === 0x30 ? "signature" : toHex(bytes);
}

/** Everything but the content of bytes; what is DER has no fixed length. */
function formOf(value: unknown): unknown {
  if (value instanceof Map) return [...value].map(([key, item]) => [key, formOf(item)]);
  if (Array.isArray(value)) return value.map(formOf);
  if (!(value instanceof Uint8Array)) return value;
  return value.length >= 68 && value[0] === 0x30 ? "DER" : `${value.length} bytes`;
}
