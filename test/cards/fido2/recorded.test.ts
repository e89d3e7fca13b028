import { describe, expect, test } from "vitest";
import { TransportError } from "../../../src/apdu/transport-error.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { authProtocols } from "../../../src/cards/fido2/auth-protocol.ts";
import { getInfo } from "../../../src/cards/fido2/authenticator-info.ts";
import { type CborMap, cborMap, decodeCbor, encodeCbor } from "../../../src/cards/fido2/cbor.ts";
import * as clientPin from "../../../src/cards/fido2/client-pin.ts";
import { authenticatorConfig, configMessage, vendorCommand } from "../../../src/cards/fido2/config-commands.ts";
import { type CtapCommand, ctapCommands } from "../../../src/cards/fido2/ctap-command.ts";
import { ctapOverCard } from "../../../src/cards/fido2/ctap-over-apdu.ts";
import { resetAuthenticator, selection } from "../../../src/cards/fido2/device-commands.ts";
import { hmacSecretInput } from "../../../src/cards/fido2/hmac-secret.ts";
import { paddedPin, pinHash } from "../../../src/cards/fido2/pin-bytes.ts";
import { recordedSessions, recording } from "./support/recorded-token.ts";
import { hmacExtension, Replay } from "./support/replay.ts";

type Story = (replay: Replay) => Promise<void>;

const lower = (bytes: Uint8Array): string => toHex(bytes).toLowerCase();
const silent = { up: false };

/** The answer must be what the recording says it was. */
function secretStory(how: Parameters<Replay["hmacSecret"]>[0] = {}): Story {
  return async (replay) => {
    const { output, flags, counter } = await replay.hmacSecret(how);
    const { expected } = replay;
    expect(output).toBe(expected["output"]);
    if ("flags" in expected) expect(flags).toBe(expected["flags"]);
    if ("counter" in expected) expect(counter).toBe(expected["counter"]);
  };
}

function credentialStory(how: {
  readonly uv?: boolean;
  readonly extensions?: CborMap | undefined;
  readonly rk?: boolean;
}): Story {
  return async (replay) => {
    const auth = how.uv === true ? replay.auth(await replay.token({ permissions: 1 })) : undefined;
    const made = await replay.call(
      replay.credential({
        auth,
        ...("extensions" in how ? { extensions: how.extensions } : {}),
        ...(how.rk === true ? { options: { rk: true } } : {}),
      }),
    );
    const { expected } = replay;
    expect(lower(made.credential?.id ?? new Uint8Array(0))).toBe(expected["credentialId"]);
    expect(made.userPresent).toBe(true);
    expect(made.userVerified).toBe(how.uv === true);
    if ("flags" in expected) expect(lower(Uint8Array.of(made.flags))).toBe(expected["flags"]);
    if ("extensions" in expected) expect(Object.fromEntries(made.extensions)).toEqual(expected["extensions"] ?? {});
  };
}

function protectedCredential(level: number): Story {
  return credentialStory({ uv: true, extensions: cborMap(["credProtect", level], ["hmac-secret", true]) });
}

/** up: false, without a PIN, then with one. */
const preflightTwice: Story = async (replay) => {
  expect(await replay.status(replay.assertion({ options: silent }))).toBe(replay.expected["statusNoUv"]);
  const auth = replay.auth(await replay.token());
  expect(await replay.status(replay.assertion({ options: silent, auth }))).toBe(replay.expected["statusUv"]);
};

const preflightOnce: Story = async (replay) => {
  expect(await replay.status(replay.assertion({ options: silent }))).toBe(replay.expected["status"]);
};

const preflightList: Story = async (replay) => {
  const allowIds = (replay.inputs["allowList"] as string[]).map((id) => fromHex(id));
  const { credentialId } = await replay.call(replay.assertion({ allowIds, options: silent }));
  expect(lower(credentialId ?? new Uint8Array(0))).toBe(replay.expected["credential"]);
};

function refusedCredential(request: Parameters<Replay["credential"]>[0]): Story {
  return async (replay) => {
    const auth = replay.auth(await replay.token({ permissions: 1 }));
    expect(await replay.status(replay.credential({ ...request, auth }))).toBe(replay.expected["status"]);
  };
}

function refusedAssertion(token: Parameters<Replay["token"]>[0]): Story {
  return async (replay) => {
    const auth = replay.auth(await replay.token(token));
    expect(await replay.status(replay.assertion({ auth }))).toBe(replay.expected["status"]);
  };
}

function tokenStory(options: Parameters<Replay["token"]>[0]): Story {
  return async (replay) => expect(lower(await replay.token(options))).toBe(replay.expected["pinUvAuthToken"]);
}

const setPinStory: Story = async (replay) => {
  const command = clientPin.setPin(await replay.agree(), replay.pin());
  expect(await replay.status(command)).toBe(replay.expected["status"] ?? "OK");
};

/** A try with a wrong PIN, and the counter after it. */
async function wrongTry(replay: Replay, pin = "pin"): Promise<(string | number | boolean)[]> {
  const status = await replay.status(replay.tokenCommand(await replay.agree(), { pin }));
  const { retries, powerCycle } = await replay.retries();
  return [status, retries, powerCycle];
}

async function fromPowerUp(replay: Replay): Promise<void> {
  replay.reconnect();
  await replay.call(getInfo);
  await replay.call(getInfo);
}

const bareCommand = (name: string, message: Uint8Array): CtapCommand<CborMap> => ({
  name,
  message,
  parse: (map) => map,
});

/** Sent as it is: what the recorded client did beside CTAP. */
const raw = async (replay: Replay, apdu: string): Promise<string> => lower(await replay.card.transceive(fromHex(apdu)));

const stories: Readonly<Record<string, Story>> = {
  "alwaysuv-assert": async (replay) => {
    const secret = await replay.agree();
    const input = hmacSecretInput(secret, replay.salts);
    expect(await replay.status(replay.assertion({ extensions: hmacExtension(input) }))).toBe("36");
    await secretStory({ uv: true })(replay);
  },
  "alwaysuv-makecred-no-pin": async (replay) => {
    const info = await replay.call(getInfo);
    expect(info.options).toMatchObject({ alwaysUv: true, clientPin: false });
    expect(await replay.status(replay.credential())).toBe("35");
  },
  "alwaysuv-makecred-no-token": async (replay) => expect(await replay.status(replay.credential())).toBe("36"),
  "alwaysuv-preflight": async (replay) => {
    expect(await replay.status(replay.assertion({ options: silent }))).toBe("36");
    const nobodys = new Uint8Array(112);
    expect(await replay.status(replay.assertion({ allowIds: [nobodys], options: silent }))).toBe("36");
    const auth = replay.auth(await replay.token());
    expect(await replay.status(replay.assertion({ options: silent, auth }))).toBe("OK");
  },
  "alwaysuv-toggle": async (replay) => {
    expect((await replay.call(getInfo)).options["alwaysUv"]).toBe(false);
    const token = await replay.token({ permissions: 0x20 });
    const toggle = { subCommand: 2 };
    const param = authProtocols[2].authenticate(token, configMessage(toggle));
    expect(await replay.status(authenticatorConfig(toggle, { param, protocol: 2 }))).toBe("OK");
    expect((await replay.call(getInfo)).options["alwaysUv"]).toBe(true);
  },
  "assert-hmac-bad-salt-length": async (replay) => {
    const input = hmacSecretInput(await replay.agree(), [badSalt]);
    expect(await replay.status(replay.assertion({ extensions: hmacExtension(input) }))).toBe("03");
  },
  "assert-hmac-bad-saltauth": async (replay) => {
    const input = new Map(hmacSecretInput(await replay.agree(), [salt1]));
    const saltAuth = Uint8Array.from(input.get(3) as Uint8Array);
    saltAuth[0] = (saltAuth[0] ?? 0) ^ 1;
    input.set(3, saltAuth);
    expect(await replay.status(replay.assertion({ extensions: hmacExtension(input) }))).toBe("3d");
  },
  "assert-hmac-nopin-p1": secretStory(),
  "assert-hmac-nopin-p2": secretStory(),
  "assert-hmac-nouv-1salt-p1": secretStory(),
  "assert-hmac-nouv-1salt-p2": secretStory(),
  "assert-hmac-nouv-2salts-p1": secretStory(),
  "assert-hmac-nouv-2salts-p2": secretStory(),
  "assert-hmac-nouv-before-and-after-pin": secretStory(),
  "assert-hmac-on-plain-credential": secretStory({ uv: true }),
  "assert-hmac-p1-without-key-4": async (replay) => {
    const secret = await replay.agree();
    const extensions = hmacExtension(hmacSecretInput(secret, replay.salts));
    const { authData } = await replay.call(replay.assertion({ extensions }));
    const output = authData.extensions.get("hmac-secret") as Uint8Array;
    expect(lower(secret.decrypt(output, "output"))).toBe(replay.expected["output"]);
  },
  "assert-hmac-p2-without-key-4": async (replay) => {
    const input = new Map(hmacSecretInput(await replay.agree(), replay.salts));
    input.delete(4);
    expect(await replay.status(replay.assertion({ extensions: hmacExtension(input) }))).toBe("03");
  },
  "assert-hmac-swapped-salts": (replay) => secretStory({ uv: true, salts: replay.salts })(replay),
  "assert-hmac-up-false": async (replay) => {
    const input = hmacSecretInput(await replay.agree(), [salt1]);
    const { authData } = await replay.call(replay.assertion({ extensions: hmacExtension(input), options: silent }));
    expect(authData.userPresent).toBe(false);
    expect((authData.extensions.get("hmac-secret") as Uint8Array).length).toBe(48);
  },
  "assert-hmac-uv-1salt-p1": secretStory({ uv: true }),
  "assert-hmac-uv-1salt-p2": secretStory({ uv: true }),
  "assert-hmac-uv-2salts-p1": secretStory({ uv: true }),
  "assert-hmac-uv-2salts-p2": secretStory({ uv: true }),
  "assert-hmac-uv-2salts-p2-extended": secretStory({ uv: true }),
  "assert-hmac-uv-legacy-token-p1": secretStory({ uv: true, legacy: true }),
  "assert-options": async (replay) => {
    const statuses: string[] = [];
    for (const options of [{ up: true }, { uv: false }, { uv: true }, { rk: false }]) {
      statuses.push(await replay.status(replay.assertion({ options })));
    }
    expect(statuses).toEqual(Object.values(replay.expected["status"] as Record<string, string>));
  },
  "assert-rk-no-allowlist": async (replay) => {
    const { output, id } = await replay.hmacSecret({ uv: true, request: { allowIds: undefined } });
    expect(output).toBe(replay.expected["output"]);
    expect(id).toBe(replay.expected["credential"]);
  },
  "assert-token-reused": async (replay) => {
    const auth = replay.auth(await replay.token());
    expect(await replay.status(replay.assertion({ auth }))).toBe("OK");
    expect(await replay.status(replay.assertion({ auth }))).toBe("33");
  },
  "assert-uv-missing-ga-permission": refusedAssertion({ permissions: 1 }),
  "assert-uv-true-without-token": secretStory({ request: { options: { uv: true } } }),
  "assert-uv-wrong-rpid-permission": refusedAssertion({ rpId: "other.example" }),
  "card-removed-mid-session": async (replay) => {
    const gone = new TransportError("CARD_REMOVED", "the card was taken out");
    const card = {
      ...replay.card,
      transceive: () => Promise.reject(gone),
      reset: async () => {},
      close: async () => {},
    };
    await expect(exchange(ctapOverCard({ ...card, where: "r", atr: replay.card.atr }))).rejects.toBe(gone);
  },
  deselect: async (replay) => {
    expect(await raw(replay, "80120100")).toBe("9000");
    await expect(replay.call(getInfo)).rejects.toMatchObject({ code: "FIDO_SESSION_ENDED" });
    // The recorded client left the second part of this answer where it was.
    await expect(replay.call(getInfo)).rejects.toThrow(/is over, the driver sent 00C0000031/);
    expect(replay.card.sent.at(-3)).toBe("00A4040008A0000006472F000100");
  },
  "getinfo-extended": async (replay) => {
    expect((await replay.call(getInfo)).versions).toContain("FIDO_2_1");
    expect(replay.card.sent.at(-1)).toBe("80108000000001040000");
  },
  "getinfo-p1-00": async (replay) => expect((await replay.call(getInfo)).maxMsgSize).toBeGreaterThan(1000),
  "getinfo-pin-set": async (replay) => expect((await replay.call(getInfo)).options["clientPin"]).toBe(true),
  "libfido2-nopin-assert": libfido2,
  "libfido2-nopin-makecred": libfido2,
  "libfido2-pin-assert": libfido2,
  "libfido2-pin-makecred": libfido2,
  "makecred-alg-unsupported": refusedCredential({ algorithms: [-8] }),
  "makecred-credprotect-1": protectedCredential(1),
  "makecred-credprotect-2": protectedCredential(2),
  "makecred-credprotect-3": protectedCredential(3),
  "makecred-excludelist": refusedCredential({ excludeIds: [recordedId("makecred-hmac-uv-p2")] }),
  "makecred-hmac-nopin": credentialStory({}),
  "makecred-hmac-uv-extended": credentialStory({ uv: true }),
  "makecred-hmac-uv-p1": credentialStory({ uv: true }),
  "makecred-hmac-uv-p2": credentialStory({ uv: true }),
  "makecred-no-hmac": credentialStory({ uv: true, extensions: undefined }),
  "makecred-rk": credentialStory({
    uv: true,
    rk: true,
    extensions: cborMap(["credProtect", 2], ["hmac-secret", true]),
  }),
  "no-select": async (replay) => {
    await expect(replay.call(getInfo)).rejects.toMatchObject({ code: "APPLET_NOT_SELECTED" });
    expect(await raw(replay, "00A4040008A00000030800001000")).toBe("6999");
  },
  "pin-blocked-getinfo": async (replay) => {
    expect((await replay.call(getInfo)).options["clientPin"]).toBe(true);
    expect((await replay.retries()).retries).toBe(0);
  },
  "pin-blocked-preflight": async (replay) => {
    expect(await replay.status(replay.assertion({ options: silent }))).toBe("2e");
    const extensions = hmacExtension(hmacSecretInput(await replay.agree(), replay.salts));
    expect(await replay.status(replay.assertion({ extensions }))).toBe("2e");
  },
  "pin-blocked": async (replay) => {
    const steps: unknown[] = [];
    const last = (replay.inputs["platformPrivateKeys"] as string[]).length - 1;
    for (let i = 0; i <= last; i++) {
      if (i === 3 || i === 6) {
        await fromPowerUp(replay);
        steps.push("power cycle");
      }
      steps.push(await wrongTry(replay, i === last ? "rightPin" : "pin"));
    }
    expect(steps).toEqual(replay.expected["steps"]);
  },
  "pin-change-p2": async (replay) => {
    for (const [from, to] of [
      ["pin", "newPin"],
      ["newPin", "pin"],
    ]) {
      const command = clientPin.changePin(await replay.agree(), pinHash(replay.pin(from)), replay.pin(to));
      expect(await replay.status(command)).toBe("OK");
    }
  },
  "pin-retries": async (replay) => expect(await replay.retries()).toEqual({ retries: 8, powerCycle: false }),
  "pin-set-again": setPinStory,
  "pin-set-p1": setPinStory,
  "pin-set-p2": async (replay) => {
    await setPinStory(replay);
    expect((await replay.token({ legacy: true })).length).toBe(32);
  },
  "pin-set-too-short": async (replay) => {
    expect(() => replay.pin()).toThrow(/at least 4/);
    const short = new TextEncoder().encode(replay.text("pin"));
    expect(paddedPin(short).length).toBe(64);
    expect(await replay.status(clientPin.setPin(await replay.agree(), short))).toBe("37");
  },
  "pintoken-legacy-p1": tokenStory({ legacy: true }),
  "pintoken-legacy-p2": tokenStory({ legacy: true }),
  "pintoken-permissions-p1": tokenStory({}),
  "pintoken-permissions-p2": tokenStory({}),
  "pintoken-pin-not-set": async (replay) => {
    expect(await replay.status(replay.tokenCommand(await replay.agree()))).toBe("35");
  },
  "power-cycle-right-pin": async (replay) => {
    await fromPowerUp(replay);
    expect(await replay.retries()).toEqual({ retries: 5, powerCycle: false });
    await replay.token();
    expect(await replay.retries()).toEqual({ retries: 8, powerCycle: false });
  },
  "preflight-after-power-cycle": async (replay) => {
    await fromPowerUp(replay);
    expect(await replay.status(replay.assertion({ options: silent }))).toBe("OK");
    expect(
      await replay.status(replay.assertion({ allowIds: [recordedId("preflight-foreign")], options: silent })),
    ).toBe("2e");
    await secretStory()(replay);
  },
  "preflight-credprotect-1": preflightTwice,
  "preflight-credprotect-2": preflightTwice,
  "preflight-credprotect-3": preflightTwice,
  "preflight-foreign": preflightOnce,
  "preflight-garbage-id": preflightOnce,
  "preflight-mixed-list": preflightList,
  "preflight-own": async (replay) => {
    const { authData, credentialId } = await replay.call(replay.assertion({ options: silent }));
    expect([authData.flags, authData.signCount]).toEqual([0, replay.expected["counter"]]);
    expect(lower(credentialId ?? new Uint8Array(0))).toBe(replay.expected["credential"]);
  },
  "preflight-two-own": preflightList,
  "preflight-two-tokens-batch": async (replay) => {
    const foreign = recordedId("preflight-foreign");
    const other = Uint8Array.from(foreign);
    other[0] = 0xf2;
    const statuses: string[] = [];
    for (const id of [foreign, other, recordedId("makecred-hmac-uv-p2")]) {
      statuses.push(await replay.status(replay.assertion({ allowIds: [id], options: silent })));
    }
    expect(statuses).toEqual(replay.expected["status"]);
  },
  "preflight-with-uv": async (replay) => {
    const auth = replay.auth(await replay.token());
    const { authData } = await replay.call(replay.assertion({ options: silent, auth }));
    expect([authData.flags, authData.signCount]).toEqual([4, replay.expected["counter"]]);
  },
  "preflight-wrong-rpid": preflightOnce,
  reset: async (replay) => {
    await fromPowerUp(replay);
    expect(await replay.status(resetAuthenticator)).toBe("OK");
    // The recorded client went on without SELECT; ours selects again.
    expect(await raw(replay, "80108000010400")).toBe("6d00");
    expect((await replay.call(getInfo)).options["clientPin"]).toBe(false);
    expect(await replay.status(replay.assertion({ options: silent }))).toBe(replay.expected["oldCredential"]);
  },
  "select-getinfo-short": async (replay) => {
    const info = await replay.call(getInfo);
    expect(info.pinUvAuthProtocols).toEqual([2, 1]);
    await replay.call(getInfo);
  },
  selection: async (replay) => expect(await replay.status(selection)).toBe("OK"),
  "synthetic-denied": async (replay) => expect(await replay.status(replay.assertion())).toBe("27"),
  "synthetic-keepalive-cancel": async (replay) => {
    const cancel = new AbortController();
    const seen: number[] = [];
    const onKeepAlive = (status: number) => void (seen.push(status) === 3 && cancel.abort());
    expect(await replay.status(replay.assertion(), { onKeepAlive, signal: cancel.signal })).toBe("2d");
    expect(seen).toEqual([2, 2, 2]);
  },
  "synthetic-keepalive-touch": async (replay) => {
    const seen: number[] = [];
    await secretStory({ onKeepAlive: (status) => seen.push(status) })(replay);
    expect([...new Set(seen)]).toEqual(replay.expected["keepalive"]);
    expect(replay.waited).toEqual([100, 100, 100, 100]);
  },
  "synthetic-touch-timeout": async (replay) => expect(await replay.status(replay.assertion())).toBe("2f"),
  "unknown-command": async (replay) => {
    expect(await replay.status(vendorCommand(0x55, new Uint8Array(0)))).toBe("01");
    const cut = bareCommand("a map that is cut off", Uint8Array.of(ctapCommands.clientPin, 0xa5));
    expect(await replay.status(cut)).toBe("12");
    expect(await raw(replay, "8011000000")).toBe("6d00");
  },
  "wrong-pin-3": async (replay) => {
    const steps = [
      await wrongTry(replay),
      await wrongTry(replay),
      await wrongTry(replay),
      await wrongTry(replay, "rightPin"),
    ];
    expect(steps).toEqual(replay.expected["statusRetriesPowerCycle"]);
  },
  "wrong-pin-stale-shared-secret": async (replay) => {
    // Ours asks for a new key agreement before each PIN, so that this cannot happen.
    const secret = await replay.agree();
    expect(await replay.status(clientPin.getTokenUsingPin(secret, pinHash(wrongPin), ga))).toBe("31");
    expect(await replay.status(replay.tokenCommand(secret))).toBe("31");
    expect((await replay.retries()).retries).toBe(replay.expected["retries"]);
  },
  "wrong-then-right-pin": async (replay) => {
    expect(await wrongTry(replay)).toEqual(["31", 7, false]);
    await replay.token({ pin: "rightPin" });
    expect(await replay.retries()).toEqual({ retries: 8, powerCycle: false });
  },
};

/** Salts that sessions without a `salt1` of their own used: the same as in all others. */
const salt1 = fromHex("4650f673b1119ef21b9bf215421ea58c16b555c582227a4fcdb6aad8ca453484");
const salt2 = fromHex("8b0556e83dc14f7e994cefcf9a15bbc814209c2d3452d37ec1a1ccc7a07078ac");
const badSalt = Uint8Array.from([...salt1, ...salt2.subarray(0, 16)]);
const wrongPin = new TextEncoder().encode("0000");
const ga = { permissions: 2, rpId: "zkm.example" };

function recordedId(session: string): Uint8Array {
  const { inputs, expected } = recording(session);
  return fromHex((inputs["credentialId"] ?? expected["credentialId"]) as string);
}

async function exchange(channel: ReturnType<typeof ctapOverCard>): Promise<unknown> {
  return channel.send(Uint8Array.of(ctapCommands.getInfo));
}

/**
 * libfido2 kept its ephemeral keys to itself, so what it encrypted cannot be made again. The rest can: each message is
 * taken apart, put together by our codec, and sent by our chaining.
 */
async function libfido2(replay: Replay): Promise<void> {
  for (const message of recordedMessages(replay.card.where.replace("recording ", ""))) {
    const map = message.length === 1 ? undefined : (decodeCbor(message.subarray(1), "a message") as CborMap);
    if (map !== undefined) expect(toHex(encodeCbor(map))).toBe(toHex(message.subarray(1)));
    expect(await replay.status(bareCommand("a message of libfido2", message))).toBe("OK");
  }
}

/** The messages of a session, out of their chains. */
function recordedMessages(session: string): Uint8Array[] {
  const messages: Uint8Array[] = [];
  let chain: number[] = [];
  for (const { c = "" } of recording(session).apdus) {
    const bytes = fromHex(c);
    if (bytes[1] !== 0x10) continue;
    chain.push(...bytes.subarray(5, 5 + (bytes[4] ?? 0)));
    if (bytes[0] === 0x90) continue;
    messages.push(Uint8Array.from(chain));
    chain = [];
  }
  return messages;
}

describe("the recordings of an independent FIDO2 authenticator", () => {
  test.each(recordedSessions())("%s", async (session) => {
    const story = stories[session];
    if (story === undefined) throw new Error(`${session} is not replayed`);
    const libfido = session.startsWith("libfido2-");
    const replay = new Replay(session, {
      extended: session.endsWith("-extended"),
      keepAlive: !libfido && session !== "getinfo-p1-00",
      ...(libfido ? { chunk: 240 } : {}),
    });
    await story(replay);
    expect(replay.card.left).toBe(0);
  });

  test("are all told here, and no story is of a recording that is gone", () => {
    expect(Object.keys(stories).sort()).toEqual(recordedSessions().sort());
  });
});
