import { describe, expect, test } from "vitest";
import type { ByteRange } from "../../../src/apdu/redaction.ts";
import { fromHex } from "../../../src/bytes/hex.ts";
import { Fido2Narrator } from "../../../src/cards/fido2/fido2-narrator.ts";
import { fido2Redactor } from "../../../src/cards/fido2/fido2-redactor.ts";
import { Narrator } from "../../../src/cards/smartcard-hsm/narrator.ts";
import { recordedSessions, recording } from "./support/recorded-token.ts";

const select = { c: "00A4040008A0000006472F000100", r: "4649444F5F325F309000" };

/** A recorded session in words, as a trace file would have it: covered bytes are 0. */
function told(session: string): string[] {
  const narrator = new Fido2Narrator(new Narrator());
  const redactor = fido2Redactor();
  return [select, ...recording(session).apdus].flatMap(({ c, r }) => {
    if (c === undefined || r === undefined) return [];
    const [command, answer] = [fromHex(c), fromHex(r)];
    const { command: hidden, response: answerHidden } = redactor.redact(command, answer);
    cover(command, hidden);
    cover(answer, answerHidden);
    const { name, command: asked, answer: said, status } = narrator.narrate({ command, hidden, answer, answerHidden });
    const facts = (list: typeof asked): string => list.map((each) => `${each.name} ${each.value}`).join("; ");
    return [`${name} [${facts(asked)}] -> ${status} [${facts(said)}]`];
  });
}

function cover(bytes: Uint8Array, ranges: readonly ByteRange[]): void {
  for (const { start, end } of ranges) bytes.fill(0, start, end);
}

describe("a FIDO2 trace in words", () => {
  test("PIN, credential, secret: what was asked and what came, covered where it is secret", () => {
    const lines = told("assert-hmac-uv-1salt-p2");
    expect(lines[0]).toBe("SELECT application [application FIDO2] -> done [says FIDO_2_0]");
    expect(lines[3]).toMatch(
      /^clientPIN getPinUvAuthTokenUsingPinWithPermissions \[.*subcommand 9; .*PIN 32 bytes, hidden; permissions 2; service zkm\.example\] -> CTAP 00 OK \[token 48 bytes, hidden\]$/,
    );
    expect(lines[4]).toBe("authenticatorGetAssertion (chained) [part 250 bytes] -> done []");
    expect(lines[5]).toMatch(
      /^authenticatorGetAssertion \[service zkm\.example; .*proof 32 bytes, hidden; protocol 2\] -> .* \[part \d+ bytes\]$/,
    );
    expect(lines[6]).toMatch(
      /^GET RESPONSE \[\] -> CTAP 00 OK \[.*user present, verified; .*hmac-secret 48 bytes, hidden; signature/,
    );
  });

  test("what the token offers, a counter, a refusal, a wait, a cancellation", () => {
    expect(told("select-getinfo-short")[3]).toMatch(
      /versions FIDO_2_0, FIDO_2_1.*extensions .*hmac-secret.*protocols 2, 1/,
    );
    expect(told("pin-retries")[1]).toBe(
      "clientPIN getPINRetries [protocol 2; subcommand 1] -> CTAP 00 OK [tries left 8; must be unplugged false]",
    );
    expect(told("wrong-pin-3").filter((line) => line.includes("PIN_INVALID"))).toHaveLength(2);
    const waits = told("synthetic-keepalive-cancel");
    expect(waits[1]).toContain("not yet: waiting for a touch");
    expect(waits.at(-1)).toBe("cancel the CTAP command [] -> CTAP 2D KEEPALIVE_CANCEL []");
    expect(told("makecred-hmac-nopin").at(-1)).toMatch(
      /user present, not verified; .*new credential .*hmac-secret true/,
    );
  });

  test("every recording can be told", () => {
    for (const session of recordedSessions()) {
      for (const line of told(session)) expect(line).toMatch(/^.+ \[.*\] -> .+ \[.*\]$/);
    }
  });

  test("with another applet selected, its narrator speaks", () => {
    const narrator = new Fido2Narrator(new Narrator());
    const tell = (c: string, r: string) =>
      narrator.narrate({ command: fromHex(c), hidden: [], answer: fromHex(r), answerHidden: [] });
    tell(select.c, select.r);
    expect(tell("80108000010B00", "009000").name).toBe("authenticatorSelection");
    tell("00A404000BE82B0601040181C31F020100", "9000");
    expect(tell("00200081", "63C3").status).toBe("3 tries left");
    tell(select.c, select.r);
    narrator.restart();
    expect(tell("80108000010B00", "009000").name).toMatch(/^unknown command/);
  });
});
