import { createECDH } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { CtapChannel } from "../../../../src/apdu/ctap-channel.ts";
import { concat } from "../../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../../src/bytes/hex.ts";
import { Fido2Authenticator } from "../../../../src/cards/fido2/authenticator.ts";
import { type CborMap, decodeCbor, encodeCbor } from "../../../../src/cards/fido2/cbor.ts";
import { answerMap } from "../../../../src/cards/fido2/ctap-command.ts";
import { ctapStatusOf } from "../../../../src/cards/fido2/ctap-status.ts";
import { PicoFidoToken } from "../../../../src/cards/fido2/pico-fido/pico-fido-token.ts";
import {
  type PicoFidoRecording,
  picoFidoRecording,
  picoFidoSessions,
  pointIn,
  unsealed,
} from "../../../support/pico-fido-recordings.ts";
import { picoFidoStories } from "./stories.ts";

type Message = PicoFidoRecording["messages"][number];

const lower = (bytes: Uint8Array) => toHex(bytes).toLowerCase();
const statusOf = (message: Message) => Number.parseInt(message.r?.slice(0, 2) ?? "", 16);

/** The request without pinUvAuthProtocol and pinUvAuthParam, which the tool sends and no token reads. */
function withoutProof(hex: string): string {
  const bytes = fromHex(hex);
  if (bytes.length < 2) return hex;
  const map = new Map(decodeCbor(bytes.subarray(1), "a recorded request") as CborMap);
  for (const key of [3, 4]) map.delete(key);
  return lower(concat(bytes.subarray(0, 1), encodeCbor(map)));
}

/** Vendor requests in their order; CTAP requests by their bytes: ours come in another order than the tool's. */
class RecordedToken {
  readonly ctap: CtapChannel;
  readonly vendor: CtapChannel;
  readonly #vendor: Message[];

  constructor({ session, messages }: PicoFidoRecording) {
    this.#vendor = messages.filter(({ cmd }) => cmd === "c1");
    const answers = new Map(messages.filter(({ cmd }) => cmd === "90").map(({ c, r = "" }) => [c, r]));
    // Nobody asked for the counter in those sessions; the driver always does.
    answers.set("06a201020201", "00a10308");
    // The recorded clients took protocol 2, which these tokens name last; ours takes the one they name first.
    answers.set("04", (answers.get("04") ?? "").replace("06820102", "06820201"));
    this.ctap = channel(session, (sent) => {
      const answer = answers.get(sent);
      if (answer === undefined) throw new Error(`was never sent: ${sent}`);
      return answer;
    });
    this.vendor = channel(session, (sent) => {
      const next = this.#vendor.shift();
      if (next === undefined || withoutProof(next.c) !== sent)
        throw new Error(`${sent} was sent, recorded is ${next?.c}`);
      return next.r ?? "";
    });
  }

  get next(): Message | undefined {
    return this.#vendor[0];
  }

  skip(): void {
    this.#vendor.shift();
  }
}

function channel(where: string, answerTo: (sent: string) => string): CtapChannel {
  return { where, send: async (message) => fromHex(answerTo(lower(message))), close: async () => undefined };
}

/** The scalar of the session whose point stands in the request. */
function scalarIn(recording: PicoFidoRecording, request: string): Uint8Array | undefined {
  const point = pointIn(request);
  return (recording.inputs.platformPrivateKeys ?? [])
    .map((key) => fromHex(key))
    .find((scalar) => {
      const ecdh = createECDH("prime256v1");
      ecdh.setPrivateKey(scalar);
      return ecdh.getPublicKey("hex") === point;
    });
}

async function opened(recording: PicoFidoRecording, ephemeralKey: () => Uint8Array) {
  const token = new RecordedToken(recording);
  // getPinUvAuthTokenUsingPinWithPermissions for acfg, of which the key and the IV are taken: the last before a request.
  const askedAt = { message: recording.messages.length };
  const asked = () =>
    recording.messages.slice(0, askedAt.message).findLast(({ c }) => c.startsWith("06a5") && c.endsWith("091820"))?.c ??
    "";
  const authenticator = await Fido2Authenticator.open(token.ctap, {
    vendorChannel: token.vendor,
    random: {
      ephemeralKey: () => scalarIn(recording, asked())?.slice() ?? new Uint8Array(0),
      iv: () => fromHex(/065820([0-9a-f]{32})/.exec(asked())?.[1] ?? ""),
      clientDataHash: new Uint8Array(32),
    },
  });
  return { token, askedAt, pico: new PicoFidoToken(authenticator, { ephemeralKey }) };
}

/** What the driver makes of a session: each of its verbs, as it was answered. */
async function played(recording: PicoFidoRecording): Promise<{ verbs: string[]; raw: number }> {
  const verbs: string[] = [];
  let raw = 0;
  let scalar: Uint8Array | undefined;
  const { token, pico, askedAt } = await opened(recording, () => scalar?.slice() ?? new Uint8Array(0));
  const pin = new TextEncoder().encode("123456");
  const own = recording.messages.filter(({ cmd, c }) => cmd === "c1" || (cmd === "90" && c.startsWith("0d")));
  const { enableId, disableId } = pico.firmware;
  const idIn = ({ c }: Message, id: bigint) =>
    c.startsWith("0d") && c.includes(`1b${id.toString(16).padStart(16, "0")}`);
  const told = async (name: string, run: () => Promise<unknown>) => {
    try {
      const outcome = await run();
      verbs.push(
        `${name} ${typeof outcome === "object" && outcome !== null && "kind" in outcome ? outcome.kind : String(outcome)}`,
      );
    } catch (error) {
      const status = ctapStatusOf(error);
      if (status === undefined) throw error;
      verbs.push(`${name} ${status.toString(16).padStart(2, "0")}`);
    }
  };
  for (let at = 0; at < own.length; at++) {
    const message = own[at] as Message;
    const following = own[at + 1];
    const { c, r = "" } = message;
    askedAt.message = recording.messages.indexOf(following ?? message);
    const sealed = /^(?:03.*?a1015830|0d.*?025830)([0-9a-f]{96})/.exec(following?.c ?? "")?.[1];
    scalar = c.startsWith("02") ? scalarIn(recording, c) : undefined;
    const tokenPoint = pointIn(r);
    const hostKey = scalar && tokenPoint && sealed ? unsealed(scalar, fromHex(tokenPoint), fromHex(sealed)) : null;
    const loaded = /^01a[24]010202a101583c([0-9a-f]{120})/.exec(c)?.[1];
    if (/^01a[13]0101/.test(c)) await told("backup", () => pico.backup());
    else if (loaded !== undefined) await told("load", () => pico.load(fromHex(loaded)));
    else if (hostKey !== null && following?.c.startsWith("03")) {
      await told("unlock", () => pico.unlock(hostKey));
      at++;
    } else if (hostKey !== null && following !== undefined && idIn(following, enableId)) {
      await told("enable", () => pico.enable(hostKey, pin.slice()));
      at++;
    } else if (
      idIn(message, disableId) &&
      c.startsWith("0da4") &&
      recording.session !== "v5.12-09-config-auth-errors"
    ) {
      await told("disable", () => pico.disable(pin.slice()));
    } else {
      // Nothing that the driver would send; its answer is read all the same.
      raw++;
      if (message.cmd === "c1") {
        token.skip();
        expect(statusOf(message)).not.toBeNaN();
        if (statusOf(message) === 0) answerMap(fromHex(r).subarray(1), "a recorded request");
      }
    }
  }
  expect(token.next, "every vendor request was sent").toBeUndefined();
  return { verbs, raw };
}

/** C2 is another CTAPHID command; nobody asked these tokens for getInfo. */
const withoutToken = ["v5.12-41-vendor-c2", "v6.6-41-vendor-c2"];

describe("all recorded sessions", () => {
  test.each(picoFidoSessions.filter((session) => !withoutToken.includes(session)))("%s", async (session) => {
    const found = await played(picoFidoRecording(session));
    const { verbs, raw = 0 } = picoFidoStories[session] ?? { verbs: [] };
    expect(found).toEqual({ verbs, raw });
  });
});

test("the stories and the sessions left out are sessions", () => {
  expect(picoFidoSessions).toEqual(expect.arrayContaining([...Object.keys(picoFidoStories), ...withoutToken]));
});
