import { describe, expect, test } from "vitest";
import { concat, equal, utf8Bytes } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { Fido2Authenticator } from "../../../src/cards/fido2/authenticator.ts";
import { type CborMap, cborMap, encodeCbor } from "../../../src/cards/fido2/cbor.ts";
import { ctapOverCard } from "../../../src/cards/fido2/ctap-over-apdu.ts";
import { HsmError } from "../../../src/errors.ts";
import { FakeAuthenticator, type FakeOptions } from "./support/fake-authenticator.ts";
import { RecordedToken, recordedRandomness, recording } from "./support/recorded-token.ts";

const rpId = "example.test";
const own = utf8Bytes("my own credential");
const foreign = utf8Bytes("another's credential");
const salts = [new Uint8Array(32).fill(3), new Uint8Array(32).fill(4)];
const pin = utf8Bytes("1234");
const user = { id: utf8Bytes("vault") };

async function opened(setup: FakeOptions = {}) {
  const fake = new FakeAuthenticator({ credentials: [own], ...setup });
  return { fake, authenticator: await Fido2Authenticator.open(fake) };
}

/** The base point of P-256. */
const generator = {
  x: fromHex("6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296"),
  y: fromHex("4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5"),
};

const secretOf = (authenticator: Fido2Authenticator, uv: boolean) =>
  authenticator.hmacSecret({ rpId, credentialId: own, salts: salts.slice(0, 1), uv, pin });

describe("hmac-secret", () => {
  test.each([
    [1, false, [2]],
    [2, false, [2, 1]],
    [1, true, [1]],
    [2, true, [1]],
  ] as const)("%i salts, uv %s, protocols %j", async (count, uv, protocols) => {
    const { authenticator } = await opened({ pin: "1234", protocols });
    const asked = salts.slice(0, count);
    const outputs = await authenticator.hmacSecret({ rpId, credentialId: own, salts: asked, uv, pin });
    expect(outputs).toEqual(asked.map((salt) => FakeAuthenticator.output(uv, salt)));
  });

  test("a token that verifies without being asked, or does not though asked, gives no secret", async () => {
    for (const uv of [true, false]) {
      const { fake, authenticator } = await opened({ pin: "1234" });
      fake.spoil = (data) => {
        data.flags ^= 0x04;
      };
      await expect(secretOf(authenticator, uv)).rejects.toMatchObject({
        code: "FIDO_UV_MISMATCH",
        kind: "check-failed",
      });
    }
  });

  test("neither does one that answers for another service, or without presence", async () => {
    const { fake, authenticator } = await opened();
    fake.spoil = (data) => {
      data.rpIdHash = new Uint8Array(32);
    };
    await expect(secretOf(authenticator, false)).rejects.toMatchObject({ code: "FIDO_ANSWER_FOREIGN" });
    fake.spoil = (data) => {
      data.flags &= ~1;
    };
    await expect(secretOf(authenticator, false)).rejects.toMatchObject({ code: "FIDO_TOUCH_MISSING" });
  });

  test("an output of the wrong length is refused, a missing one says that the credential has none", async () => {
    const { fake, authenticator } = await opened();
    fake.spoil = (data) => {
      data.extensions = cborMap(["hmac-secret", new Uint8Array(80)]);
    };
    await expect(secretOf(authenticator, false)).rejects.toMatchObject({ code: "CTAP_ANSWER_INVALID" });
    fake.spoil = (data) => {
      data.extensions = cborMap(["hmac-secret", new Uint8Array(47)]);
    };
    await expect(secretOf(authenticator, false)).rejects.toMatchObject({ code: "CTAP_ANSWER_INVALID" });
    fake.spoil = (data) => {
      data.extensions = new Map();
    };
    await expect(secretOf(authenticator, false)).rejects.toMatchObject({ code: "FIDO_NO_HMAC_SECRET" });
  });

  test("refusals before anything is sent", async () => {
    const without = await opened({ extensions: [] });
    await expect(secretOf(without.authenticator, false)).rejects.toMatchObject({ kind: "not-supported" });
    const always = await opened({ pin: "1234", options: { alwaysUv: true } });
    await expect(secretOf(always.authenticator, false)).rejects.toMatchObject({
      code: "FIDO_ALWAYS_UV",
      kind: "refused",
    });
    const noPin = await opened();
    await expect(secretOf(noPin.authenticator, true)).rejects.toMatchObject({ code: "FIDO_PIN_NOT_SET" });
    for (const { fake } of [without, always, noPin]) expect(fake.commands).toEqual(["04"]);
    const { authenticator } = await opened();
    for (const bad of [[], [new Uint8Array(31)], [...salts, ...salts]]) {
      const request = { rpId, credentialId: own, salts: bad, uv: false };
      await expect(authenticator.hmacSecret(request)).rejects.toMatchObject({ code: "FIDO_SALTS_INVALID" });
    }
  });

  test("with a finger: by a token where there are permissions, else by the option, never both", async () => {
    const modern = await opened({ options: { uv: true } });
    const request = { rpId, credentialId: own, salts: salts.slice(0, 1), uv: true };
    expect(await modern.authenticator.hmacSecret(request)).toEqual([
      FakeAuthenticator.output(true, request.salts[0] as Uint8Array),
    ]);
    expect(modern.fake.commands).toEqual(["04", "0602", "0606", "02"]);
    expect(modern.fake.requests.get(2)?.get(5)).toBeUndefined();
    const old = await opened({ options: { uv: true, pinUvAuthToken: false } });
    old.fake.spoil = (data) => {
      data.flags |= 0x04;
    };
    await old.authenticator.hmacSecret(request);
    expect(old.fake.requests.get(2)?.get(5)).toEqual(new Map([["uv", true]]));
    expect(old.fake.requests.get(2)?.has(6)).toBe(false);
  });

  test("a key agreement key that is no point of P-256 is refused", async () => {
    const x = new Uint8Array(32).fill(5);
    for (const key of [
      cborMap([1, 2], [3, -25], [-1, 1], [-2, x], [-3, x]),
      cborMap([1, 1], [3, -25], [-1, 1], [-2, generator.x], [-3, generator.y]),
      cborMap([1, 2], [3, -25], [-1, 2], [-2, generator.x], [-3, generator.y]),
      cborMap([1, 2], [3, -25], [-1, 1], [-2, generator.x.subarray(1)], [-3, generator.y]),
      cborMap([1, 2], [3, -25], [-1, 1], [-2, generator.x]),
    ]) {
      const { fake, authenticator } = await opened();
      fake.instead.set("0602", [concat(Uint8Array.of(0), encodeCbor(cborMap([1, key])))]);
      await expect(secretOf(authenticator, false)).rejects.toMatchObject({ code: "CTAP_ANSWER_INVALID" });
    }
    const { fake, authenticator } = await opened();
    const good = cborMap([1, 2], [3, -25], [-1, 1], [-2, generator.x], [-3, generator.y]);
    fake.instead.set("0602", [concat(Uint8Array.of(0), encodeCbor(cborMap([1, good])))]);
    // A right point, though not of this authenticator: what it encrypts is then for somebody else.
    await secretOf(authenticator, false).catch((error: unknown) => expect(error).toBeInstanceOf(HsmError));
    expect(fake.commands).toContain("02");
  });

  test("a request longer than the token reads is not sent", async () => {
    const { fake, authenticator } = await opened({ maxMsgSize: 200 });
    await expect(secretOf(authenticator, false)).rejects.toMatchObject({ code: "FIDO_REQUEST_TOO_LARGE" });
    expect(fake.commands).not.toContain("02");
  });

  test("the recorded outputs without a PIN, by the verb itself", async () => {
    for (const name of ["nopin-p2", "nouv-1salt-p2", "nouv-2salts-p2"]) {
      const session = `assert-hmac-${name}`;
      const { inputs, expected } = recording(session);
      const card = new RecordedToken(session, { info: "getinfo-pin-set" });
      const authenticator = await Fido2Authenticator.open(ctapOverCard(card), { random: recordedRandomness(session) });
      const outputs = await authenticator.hmacSecret({
        rpId: inputs["rpId"] as string,
        credentialId: fromHex(inputs["credentialId"] as string),
        salts: ["salt1", "salt2"].flatMap((each) => (each in inputs ? [fromHex(inputs[each] as string)] : [])),
        uv: false,
      });
      expect(outputs.map((each) => toHex(each).toLowerCase()).join("")).toBe(expected["output"]);
      expect(card.left).toBe(0);
    }
  });
});

describe("making a credential", () => {
  test("with what was asked for", async () => {
    const { fake, authenticator } = await opened({ pin: "1234" });
    const made = await authenticator.makeHmacCredential({ rpId, user, credProtect: 3, uv: true, pin });
    expect(made).toMatchObject({ id: utf8Bytes("new credential"), uv: true, credProtect: 3, alg: -7 });
    const request = fake.requests.get(1);
    expect(request?.get(6)).toEqual(cborMap(["credProtect", 3], ["hmac-secret", true]));
    expect(request?.get(7)).toBeUndefined();
  });

  test("without PIN; with the PIN where the token makes none without, though its secret is the one without", async () => {
    const open = await opened();
    expect((await open.authenticator.makeHmacCredential({ rpId, user, uv: false })).uv).toBe(false);
    expect(open.fake.commands).toEqual(["04", "01"]);
    const strict = await opened({ pin: "1234" });
    expect((await strict.authenticator.makeHmacCredential({ rpId, user, uv: false, pin })).uv).toBe(false);
    expect(strict.fake.commands).toContain("0609");
    const lenient = await opened({ pin: "1234", options: { makeCredUvNotRqd: true } });
    await lenient.authenticator.makeHmacCredential({ rpId, user, uv: false });
    expect(lenient.fake.commands).toEqual(["04", "01"]);
  });

  test.each([
    ["the extension passed over", (): CborMap => new Map(), "FIDO_NO_HMAC_SECRET"],
    ["the extension refused", (): CborMap => cborMap(["hmac-secret", false]), "FIDO_NO_HMAC_SECRET"],
    ["the protection passed over", (): CborMap => cborMap(["hmac-secret", true]), "FIDO_CREDENTIAL_UNFIT"],
    ["less protection", (): CborMap => cborMap(["credProtect", 2], ["hmac-secret", true]), "FIDO_CREDENTIAL_UNFIT"],
  ])("%s: not used", async (_, extensions, code) => {
    const { fake, authenticator } = await opened({ pin: "1234" });
    fake.spoil = (data) => {
      data.extensions = extensions();
    };
    const making = authenticator.makeHmacCredential({ rpId, user, credProtect: 3, uv: true, pin });
    await expect(making).rejects.toMatchObject({ code, kind: "check-failed" });
  });

  test("one that a cloud may copy is not used", async () => {
    const { fake, authenticator } = await opened();
    fake.spoil = (data) => {
      data.flags |= 0x08;
    };
    await expect(authenticator.makeHmacCredential({ rpId, user, uv: false })).rejects.toMatchObject({
      code: "FIDO_CREDENTIAL_UNFIT",
    });
  });

  test("a token that is enrolled already is told, also when the list is longer than it takes", async () => {
    const short = await opened({ maxCredentialCountInList: 8 });
    const request = { rpId, user, uv: false, excludeIds: [foreign, own] };
    await expect(short.authenticator.makeHmacCredential(request)).rejects.toMatchObject({
      code: "FIDO_ALREADY_ENROLLED",
      kind: "conflict",
    });
    const long = await opened();
    await expect(long.authenticator.makeHmacCredential(request)).rejects.toMatchObject({
      code: "FIDO_ALREADY_ENROLLED",
    });
    expect(long.fake.commands).not.toContain("01");
  });

  test("refusals before anything is sent", async () => {
    for (const [setup, wish, code] of [
      [{ extensions: ["credProtect"] }, {}, "FIDO_NOT_SUPPORTED"],
      [{ extensions: ["hmac-secret"] }, { credProtect: 3 }, "FIDO_NOT_SUPPORTED"],
      [{ options: { alwaysUv: true } }, {}, "FIDO_ALWAYS_UV"],
      [{}, { uv: true }, "FIDO_PIN_NOT_SET"],
    ] as const) {
      const { fake, authenticator } = await opened(setup);
      const making = authenticator.makeHmacCredential({ rpId, user, uv: false, ...wish });
      await expect(making).rejects.toMatchObject({ code });
      expect(fake.commands).toEqual(["04"]);
    }
  });
});

describe("the silent search", () => {
  test("here, not here, and which of several", async () => {
    const { fake, authenticator } = await opened({ pin: "1234", maxCredentialCountInList: 2 });
    expect(await authenticator.holds(rpId, [foreign, own])).toEqual({ status: "here", credentialId: own });
    expect(await authenticator.holds(rpId, [foreign])).toEqual({ status: "not-here" });
    expect(await authenticator.holds(rpId, [])).toEqual({ status: "not-here" });
    expect(fake.requests.get(2)?.get(5)).toEqual(new Map([["up", false]]));
    expect(fake.requests.get(2)?.has(4)).toBe(false);
    expect(fake.commands.filter((each) => each.startsWith("06"))).toEqual([]);
  });

  test("in lists of the length it takes, ids that are too long left out", async () => {
    const { fake, authenticator } = await opened({ maxCredentialCountInList: 3, maxCredentialIdLength: 40 });
    const many = Array.from({ length: 7 }, (_, i) => utf8Bytes(`foreign ${i}`));
    const found = await authenticator.holds(rpId, [...many, new Uint8Array(41), own]);
    expect(found).toEqual({ status: "here", credentialId: own });
    expect(fake.commands.filter((each) => each === "02")).toHaveLength(3);
    expect(await authenticator.holds(rpId, [new Uint8Array(41)])).toEqual({ status: "not-here" });
    expect(fake.commands.filter((each) => each === "02")).toHaveLength(3);
  });

  test.each([0x39, 0x15])("a list that is too long all the same (%i) is halved", async (status) => {
    const { fake, authenticator } = await opened({ maxCredentialCountInList: 8 });
    fake.instead.set("02", [status]);
    expect(await authenticator.holds(rpId, [foreign, foreign, foreign, own])).toEqual({
      status: "here",
      credentialId: own,
    });
    expect(fake.commands.filter((each) => each === "02")).toHaveLength(3);
  });

  test.each([0x2e, 0x22])("status %i: not here", async (status) => {
    const { fake, authenticator } = await opened();
    fake.instead.set("02", [status]);
    expect((await authenticator.holds(rpId, [own])).status).toBe("not-here");
  });

  test.each([0x36, 0x35, 0x2b, 0x2c, 0x3b, 0x27, 0x2f, 0x3a, 0x7f])(
    "status %i: not known, with the reason",
    async (status) => {
      const { fake, authenticator } = await opened();
      fake.instead.set("02", [status]);
      expect(await authenticator.holds(rpId, [own])).toMatchObject({
        status: "unknown",
        why: expect.stringMatching(/./),
      });
    },
  );

  test("a token that blinks in spite of all is cancelled: not known", async () => {
    const { fake, authenticator } = await opened();
    fake.keepAlives = [1, 2];
    expect(await authenticator.holds(rpId, [own])).toEqual({
      status: "unknown",
      why: "it wants a touch before it tells",
    });
    fake.keepAlives = [1, 1];
    expect((await authenticator.holds(rpId, [own])).status).toBe("here");
  });

  test("a token that cannot test presence is not told about it; one that wants a finger each time is not asked", async () => {
    const passive = await opened({ options: { up: false } });
    await passive.authenticator.holds(rpId, [own]);
    expect(passive.fake.requests.get(2)?.has(5)).toBe(false);
    const finger = await opened({ options: { uv: true, alwaysUv: true } });
    expect((await finger.authenticator.holds(rpId, [own])).status).toBe("unknown");
    expect(finger.fake.commands).toEqual(["04"]);
  });

  test("with a PIN, for credentials that hide without it", async () => {
    const { fake, authenticator } = await opened({ pin: "1234" });
    expect((await authenticator.holds(rpId, [own], { pin })).status).toBe("here");
    expect(fake.requests.get(2)?.has(6)).toBe(true);
  });

  test("an answer for another service or another credential is no answer", async () => {
    const { fake, authenticator } = await opened();
    fake.spoil = (data) => {
      data.rpIdHash = new Uint8Array(32);
    };
    await expect(authenticator.holds(rpId, [own])).rejects.toMatchObject({ code: "CTAP_ANSWER_INVALID" });
  });

  test("the recorded searches, by the verb itself", async () => {
    // The recorded token says `up: false`, and would be spared the option: its getInfo is answered without that.
    for (const session of [
      "preflight-own",
      "preflight-foreign",
      "preflight-garbage-id",
      "preflight-mixed-list",
      "preflight-two-own",
    ]) {
      const { inputs, expected } = recording(session);
      const card = new RecordedToken(session);
      const fake = new FakeAuthenticator({ options: { up: true }, maxCredentialCountInList: 8 });
      const token = ctapOverCard(card);
      const channel = { ...token, send: (message: Uint8Array) => (message[0] === 4 ? fake : token).send(message) };
      const authenticator = await Fido2Authenticator.open(channel, { random: recordedRandomness(session) });
      const list = (inputs["allowList"] ?? [inputs["credentialId"]]) as string[];
      const found = await authenticator.holds(
        inputs["rpId"] as string,
        list.map((id) => fromHex(id)),
      );
      const credential = expected["credential"];
      if (typeof credential !== "string") expect(found).toEqual({ status: "not-here" });
      else expect(found.status === "here" && equal(found.credentialId, fromHex(credential))).toBe(true);
      expect(card.left).toBe(0);
    }
  });
});

describe("other verbs", () => {
  test("select: by the command, on old tokens by a probe whose refusal is the touch", async () => {
    const modern = await opened();
    await modern.authenticator.select();
    expect(modern.fake.commands).toEqual(["04", "0b"]);
    for (const touched of [0x31, 0x35]) {
      const old = await opened({ versions: ["FIDO_2_0"] });
      old.fake.instead.set("01", [touched]);
      await old.authenticator.select();
      expect(old.fake.requests.get(1)?.get(8)).toEqual(new Uint8Array(0));
    }
    const refused = await opened({ versions: ["FIDO_2_0"] });
    refused.fake.instead.set("01", [0x27]);
    await expect(refused.authenticator.select()).rejects.toMatchObject({ code: "FIDO_DENIED", kind: "cancelled" });
  });

  test("reset asks getInfo again and forgets the PIN", async () => {
    const { fake, authenticator } = await opened({ pin: "1234" });
    await secretOf(authenticator, true);
    await authenticator.reset();
    expect(authenticator.info.options["clientPin"]).toBe(false);
    expect(fake.commands.slice(-2)).toEqual(["07", "04"]);
    await authenticator.setPin(utf8Bytes("98765"));
    const request = { rpId, credentialId: own, salts: salts.slice(0, 1), uv: true };
    await expect(authenticator.hmacSecret(request)).rejects.toMatchObject({ code: "FIDO_PIN_REQUIRED" });
  });

  test("config proves the PIN over the specification's bytes", async () => {
    const { fake, authenticator } = await opened({ pin: "1234" });
    await authenticator.config({ subCommand: 3, parameters: cborMap([1, 6]), pin });
    const request = fake.requests.get(13);
    expect([request?.get(1), request?.get(2), request?.get(3)]).toEqual([3, cborMap([1, 6]), 2]);
    expect(request?.get(4)).toHaveLength(32);
    const open = await opened();
    await open.authenticator.config({ subCommand: 2 });
    expect(open.fake.requests.get(13)?.has(4)).toBe(false);
  });

  test("vendor commands go their own way, and nowhere without one", async () => {
    const { authenticator } = await opened();
    await expect(authenticator.vendor(1, cborMap([1, 1]))).rejects.toMatchObject({ kind: "not-supported" });
    const sent: Uint8Array[] = [];
    const vendorChannel = {
      where: "usb",
      send: async (message: Uint8Array) => {
        sent.push(message);
        return sent.length === 1 ? Uint8Array.of(0, 0xa1, 1, 0x41, 7) : Uint8Array.of(0x33);
      },
      close: async () => {},
    };
    const usb = await Fido2Authenticator.open(new FakeAuthenticator(), { vendorChannel });
    expect((await usb.vendor(1, cborMap([1, 1]))).get(1)).toEqual(Uint8Array.of(7));
    expect(sent[0]).toEqual(Uint8Array.of(1, 0xa1, 1, 1));
    await expect(usb.vendor(1, cborMap([1, 1]))).rejects.toMatchObject({
      code: "FIDO_AUTH_INVALID",
      message: expect.stringMatching(/not necessarily a wrong PIN/),
    });
  });

  test("close gives the channel back", async () => {
    const { fake, authenticator } = await opened();
    await authenticator.close();
    expect(fake.closes).toBe(1);
  });

  test("waiting for a touch is told, by the verb's own listener or the session's", async () => {
    const fake = new FakeAuthenticator({ credentials: [own] });
    const heard: string[] = [];
    const authenticator = await Fido2Authenticator.open(fake, { onKeepAlive: () => heard.push("session") });
    fake.keepAlives = [2];
    await authenticator.select();
    await authenticator.select({ onKeepAlive: () => heard.push("verb") });
    expect(heard).toEqual(["session", "verb"]);
  });
});
