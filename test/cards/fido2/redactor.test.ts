import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ByteRange } from "../../../src/apdu/redaction.ts";
import { concat } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { fido2Redactor } from "../../../src/cards/fido2/fido2-redactor.ts";
import { smartCardHsmRedactor } from "../../../src/cards/smartcard-hsm/redactor.ts";
import { recordedSessions, recording } from "./support/recorded-token.ts";
import { Replay } from "./support/replay.ts";

const select = fromHex("00A4040008A0000006472F000100");
const selected = fromHex("4649444F5F325F309000");

function opened(elsewhere?: Parameters<typeof fido2Redactor>[0]) {
  const redactor = fido2Redactor(elsewhere);
  redactor.redact(select, selected);
  return redactor;
}

function visible(bytes: Uint8Array, hidden: readonly ByteRange[]): string {
  const shown = [...toHex(bytes, " ").split(" ")];
  for (const { start, end } of hidden) shown.fill("**", start, end);
  return shown.join("");
}

/** A recorded session as a trace would show it. */
function traced(session: string): { readonly note: string | undefined; readonly c: string; readonly r: string }[] {
  const redactor = opened();
  return recording(session).apdus.flatMap(({ c, r, event }) => {
    if (event !== undefined) redactor.restart();
    if (c === undefined || r === undefined) return [];
    const [command, response] = [fromHex(c), fromHex(r)];
    const told = redactor.redact(command, response);
    return [{ note: told.note, c: visible(command, told.command), r: visible(response, told.response) }];
  });
}

describe("a trace of a FIDO2 token", () => {
  test("shows what a request is, and nothing that was made under a key agreement", () => {
    expect(traced("assert-hmac-uv-1salt-p2").map(({ note }) => note)).toEqual([
      "clientPIN getKeyAgreement",
      "clientPIN getKeyAgreement",
      "clientPIN getPinUvAuthTokenUsingPinWithPermissions",
      "authenticatorGetAssertion (chained)",
      "authenticatorGetAssertion",
      "GET RESPONSE",
    ]);
    const [, , token, , last] = traced("assert-hmac-uv-1salt-p2");
    // Ephemeral key and PIN hash are covered, permissions and RP id are not.
    expect(token?.c).toBe(
      `801080008706A60102020903A5010203381820012158 20${"**".repeat(32)}225820${"**".repeat(32)}065820${"**".repeat(32)}09020A6B7A6B6D2E6578616D706C6500`.replace(
        " ",
        "",
      ),
    );
    expect(token?.r).toBe(`00A1025830${"**".repeat(48)}9000`);
    expect(last?.c).toMatch(/^801080009B(\*\*)+025830(\*\*){48}035820(\*\*){32}0402065820(\*\*){32}070200$/);
    expect(last?.r).toContain(`6B686D61632D7365637265745830${"**".repeat(48)}0358`);
  });

  test("hides what a PIN was set to and changed from", () => {
    const set = traced("pin-set-p2")[1]?.c ?? "";
    expect(set).toMatch(/045820(\*\*){32}055850(\*\*){80}00$/);
    const change = traced("pin-change-p2")[1]?.c ?? "";
    expect(change).toMatch(/045820(\*\*){32}055850(\*\*){80}065820(\*\*){32}00$/);
  });

  test("shows a key agreement of the token, getInfo, a counter, a credential, keep-alives", () => {
    for (const session of [
      "select-getinfo-short",
      "pin-retries",
      "makecred-hmac-nopin",
      "synthetic-keepalive-cancel",
      "selection",
    ]) {
      for (const { c, r } of traced(session)) expect(c + r).not.toContain("*");
    }
    expect(traced("pin-set-p2")[0]?.r).not.toContain("*");
  });

  test("of every recording: no token, no PIN hash, no output, no proof is to be seen", async () => {
    for (const session of recordedSessions().filter((each) => !each.startsWith("libfido2-"))) {
      const shown = traced(session)
        .map(({ c, r }) => c + r)
        .join("");
      const { inputs, apdus } = recording(session);
      const covered = (inputs["platformIvs"] ?? []) as string[];
      for (const iv of covered) expect(shown).not.toContain(iv.toUpperCase());
      const sent = apdus.map(({ c = "" }) => c.toUpperCase()).join("");
      for (const iv of covered.slice(0, 1)) expect(sent).toContain(iv.toUpperCase());
    }
    const replay = new Replay("assert-hmac-uv-1salt-p2");
    await replay.hmacSecret({ uv: true });
    const proof = "91762FE23C01ED2FAEFBA2BC2301E5E72D5F514AFD659AD759901BB42E9EDED1";
    expect(replay.card.sent.join("")).toContain(proof);
    expect(
      traced("assert-hmac-uv-1salt-p2")
        .map(({ c }) => c)
        .join(""),
    ).not.toContain(proof);
  });

  test("hides all of what nobody has looked at", () => {
    const redactor = opened();
    const vendor = redactor.redact(fromHex("8010800005 41A1014107 00"), fromHex("00A101410B9000"));
    expect(visible(fromHex("801080000541A101410700"), vendor.command)).toBe("801080000541********00");
    expect(visible(fromHex("00A101410B9000"), vendor.response)).toBe("00********9000");
    expect(vendor.note).toBe("unknown CTAP command 41");
    const other = redactor.redact(fromHex("0020008104313233 34"), fromHex("9000"));
    expect(visible(fromHex("002000810431323334"), other.command)).toBe("0020008104********");
    const key = redactor.redact(fromHex("801080000C06A30201014101 1863420102 00".replaceAll(" ", "")), fromHex("9000"));
    expect(visible(fromHex("801080000C06A302010141011863420102 00"), key.command)).toMatch(/1863\*{6}00$/);
  });

  test("hides everything while another applet is selected, or hands it to who knows that", () => {
    const pin = fromHex("0020008106313233343536");
    const alone = fido2Redactor();
    expect(visible(pin, alone.redact(pin, fromHex("9000")).command)).toBe(`00200081${"**".repeat(7)}`);
    const both = fido2Redactor(smartCardHsmRedactor());
    const hsm = fromHex("00A404000BE82B0601040181C31F020100");
    both.redact(hsm, fromHex("9000"));
    expect(both.redact(pin, fromHex("9000")).note).toBe("VERIFY user PIN");
    both.redact(select, selected);
    expect(both.redact(fromHex("80108000010400"), fromHex("009000")).note).toBe("authenticatorGetInfo");
    expect(both.redact(pin, fromHex("9000")).note).toMatch(/^unknown command/);
    both.redact(hsm, fromHex("9000"));
    expect(both.redact(pin, fromHex("9000")).note).toBe("VERIFY user PIN");
    both.restart();
    expect(both.redact(pin, fromHex("9000")).note).toMatch(/^unknown command/);
  });

  test("a chain judged part by part shows what the whole message would", () => {
    const message = fromHex(
      `06A60102020903A501020338182001215820${"11".repeat(32)}225820${"22".repeat(32)}065820${"33".repeat(32)}09020A6B7A6B6D2E6578616D706C65`,
    );
    const whole = concat(fromHex("80108000"), Uint8Array.of(message.length), message, Uint8Array.of(0));
    const expected = visible(whole, opened().redact(whole, fromHex("9000")).command).slice(10, -2);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 8 }), (lengths) => {
        const redactor = opened();
        let shown = "";
        let at = 0;
        for (const length of lengths.filter(
          (_, i) => lengths.slice(0, i + 1).reduce((a, b) => a + b) < message.length,
        )) {
          const part = message.subarray(at, at + length);
          const apdu = concat(fromHex("90108000"), Uint8Array.of(part.length), part);
          shown += visible(apdu, redactor.redact(apdu, fromHex("9000")).command).slice(10);
          at += length;
        }
        const rest = message.subarray(at);
        const apdu = concat(fromHex("80108000"), Uint8Array.of(rest.length), rest, Uint8Array.of(0));
        shown += visible(apdu, redactor.redact(apdu, fromHex("9000")).command).slice(10, -2);
        expect(shown).toBe(expected);
      }),
    );
  });

  test("whatever comes, ranges lie inside, and the status word is never hidden", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.uint8Array({ maxLength: 60 }), fc.uint8Array({ minLength: 2, maxLength: 60 })), {
          maxLength: 6,
        }),
        (all) => {
          const redactor = opened();
          for (const [data, response] of all) {
            const command = concat(fromHex("80108000"), Uint8Array.of(data.length), data, Uint8Array.of(0));
            const told = redactor.redact(data.length === 0 ? data : command, response);
            for (const { start, end } of told.response) expect(start < end && end <= response.length - 2).toBe(true);
            for (const { start, end } of told.command) expect(start < end && end <= command.length).toBe(true);
          }
        },
      ),
    );
  });
});
