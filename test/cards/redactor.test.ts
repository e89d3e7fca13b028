import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CommandApdu, encodeCommand } from "../../src/apdu/command.ts";
import type { RedactedExchange } from "../../src/apdu/redaction.ts";
import { concat, equal, utf8Bytes } from "../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../src/bytes/hex.ts";
import { encodeTlv } from "../../src/bytes/tlv.ts";
import { smartCardHsmRedactor } from "../../src/cards/smartcard-hsm/redactor.ts";
import { load, recordedVersions } from "./support/recorded-card.ts";

const select = fromHex("00A404000BE82B0601040181C31F020100");
const ok = fromHex("9000");

/** The bytes with the secret ones as `**`. */
function masked(bytes: Uint8Array, ranges: RedactedExchange["command"]): string {
  return [...bytes]
    .map((byte, i) => (ranges.some(({ start, end }) => i >= start && i < end) ? "**" : toHex(Uint8Array.of(byte))))
    .join("");
}

/** A redactor that has seen the applet selected. */
function selected(): ReturnType<typeof smartCardHsmRedactor> {
  const redactor = smartCardHsmRedactor();
  redactor.redact(select, fromHex("6F0A8201788505000100040 19000".replace(" ", "")));
  return redactor;
}

function shown(command: string, response: string): [string, string, string | undefined] {
  const [c, r] = [fromHex(command), fromHex(response)];
  const exchange = selected().redact(c, r);
  return [masked(c, exchange.command), masked(r, exchange.response), exchange.note];
}

test.each([
  ["0020008106363438323139", "63C2", "0020008106************", "63C2", "VERIFY user PIN"],
  ["00200081", "63C3", "00200081", "63C3", "VERIFY: state of user PIN"],
  ["00200088083537363231383830", "9000", "0020008808****************", "9000", "VERIFY SO-PIN"],
  ["002400810C363438323139313233343536", "9000", `002400810C${"**".repeat(12)}`, "9000", /^CHANGE/],
  ["002C00810E3537363231383830363438323139", "9000", `002C00810E${"**".repeat(14)}`, "9000", /^RESET/],
  [
    "805000001C80020001810636343832313982083537363231383830910103920101",
    "9000",
    `805000001C800200018106${"**".repeat(6)}8208${"**".repeat(8)}910103920101`,
    "9000",
    "INITIALIZE DEVICE",
  ],
  [`8052000020${"AB".repeat(32)}`, "01009000", `8052000020${"**".repeat(32)}`, "****9000", /share/],
  ["8052000000", "0100630DCD2966C433669000", "8052000000", "0100630DCD2966C433669000", /state of key domain/],
  ["8052010001 02".replace(" ", ""), "9000", "805201000102", "9000", /create/],
  ["8062012102AABB00", "01029000", "8062012102AABB00", "****9000", /DECIPHER/],
  ["8062018002AABB00", "01029000", "8062018002AABB00", "****9000", /ECDH/],
  ["8078011002AABB00", "01029000", "8078011002****00", "01029000", /ENCIPHER/],
  ["8078011102AABB00", "01029000", "8078011102AABB00", "****9000", /DECIPHER AES/],
  ["8078011802AABB00", "01029000", "8078011802****00", "****9000", /CMAC/],
  ["8078019902AABB00", "01029000", "8078019902****00", "****9000", /DERIVE/],
  ["8068012002AABB00", "01029000", "8068012002AABB00", "****9000", /raw/],
  ["8068017002AABB00", "01029000", "8068017002AABB00", "01029000", /SIGN/],
  ["8068017302AABB00", "01029000", "8068017302****00", "01029000", /SIGN message/],
  ["00B1CD010454020000 00".replace(" ", ""), "0102039000", "00B1CD01045402000000", "******9000", /CD01/],
  ["00B1CF01045402000000", "0102039000", "00B1CF01045402000000", "0102039000", /CF01/],
  ["00D7CD01085402000053020102", "9000", "00D7CD0108540200005302****", "9000", /CD01/],
  ["00D72F03085402000053020102", "9000", "00D72F03085402000053020102", "9000", /2F03/],
  ["805A018100", "31323334359000", "805A018100", "**********9000", /SESSION PIN/],
  ["0084000008", "01020304050607089000", "0084000008", "01020304050607089000", /CHALLENGE/],
  ["0084000010", "01029000", "0084000010", "****9000", /random/],
  ["804A0A00021122", "33449000", "804A0A0002****", "****9000", "unknown command 80 4A"],
  ["0CB1000004AABBCCDD", "33449000", "0CB1000004********", "****9000", /unknown/],
  ["804801B206910410111899", "9000", "804801B206910410111899", "9000", /SYMMETRIC/],
] as const)("%s → %s", (command, response, expectedCommand, expectedResponse, note) => {
  const [c, r, words] = shown(command, response);
  expect([c, r]).toEqual([expectedCommand, expectedResponse]);
  expect(words).toMatch(note);
});

test("a private key in a generation template is secret", () => {
  const template = concat(encodeTlv(0x5f29, fromHex("00")), encodeTlv(0x7f49, encodeTlv(0x8a, fromHex("AABBCC"))));
  const command = encodeCommand({ cla: 0, ins: 0x46, p1: 1, p2: 0, data: template, le: 65_536 });
  expect(masked(command, selected().redact(command, ok).command)).not.toContain("AABBCC");
});

describe("what is not known is secret", () => {
  test("before the applet is selected, and while another one is", () => {
    const redactor = smartCardHsmRedactor();
    const read = fromHex("00B1CF01045402000000");
    const answer = fromHex("0102039000");
    expect(masked(answer, redactor.redact(read, answer).response)).toBe("******9000");
    redactor.redact(select, ok);
    expect(masked(answer, redactor.redact(read, answer).response)).toBe("0102039000");
    // Not there: ours stays selected.
    redactor.redact(fromHex("00A4040006A00000000101"), fromHex("6A82"));
    expect(masked(answer, redactor.redact(read, answer).response)).toBe("0102039000");
    redactor.redact(fromHex("00A4040006A00000000101"), ok);
    expect(masked(answer, redactor.redact(read, answer).response)).toBe("******9000");
  });

  test("after a reset", () => {
    const redactor = selected();
    redactor.restart();
    const answer = fromHex("0102039000");
    expect(masked(answer, redactor.redact(fromHex("00B1CF01045402000000"), answer).response)).toBe("******9000");
  });

  test("bytes that are no APDU, from the fifth on", () => {
    const [c] = shown("002000810636343832", "6700");
    expect(c).toBe("00200081**********");
    expect(shown("002000", "6700")[0]).toBe("******");
  });

  test("the selected file is followed", () => {
    const redactor = selected();
    const answer = fromHex("0102039000");
    const read = fromHex("00B10000045402000000");
    const response = (): string => masked(answer, redactor.redact(read, answer).response);
    expect(response()).toBe("******9000");
    redactor.redact(fromHex("00A4000002CF0100"), fromHex("62009000"));
    expect(response()).toBe("0102039000");
    redactor.redact(fromHex("00B1CD01045402000000"), answer);
    expect(response()).toBe("******9000");
    redactor.redact(fromHex("00A4000002CD0100"), fromHex("62009000"));
    expect(response()).toBe("******9000");
  });
});

test("GET RESPONSE is as secret as what it fetches", () => {
  const redactor = selected();
  const answer = fromHex("0102039000");
  const fetch = fromHex("00C0000003");
  redactor.redact(fromHex("8062018002AABB00"), fromHex("6103"));
  expect(masked(answer, redactor.redact(fetch, answer).response)).toBe("******9000");
  expect(masked(answer, redactor.redact(fetch, answer).response)).toBe("******9000");
  redactor.redact(fromHex("00B1CE01045402000000"), fromHex("6103"));
  expect(masked(answer, redactor.redact(fetch, answer).response)).toBe("0102039000");
});

test("a part of a chain is not read as if it were the whole", () => {
  const redactor = selected();
  redactor.redact(fromHex("9050000006800200018106"), ok);
  // The rest of a PIN that happens to look like an open data object.
  const rest = fromHex("8050000004 80020102");
  expect(masked(rest, redactor.redact(rest, ok).command)).toBe("8050000004********");
});

test("the recordings: no PIN is left, and everything of OpenSC's is known", () => {
  const secrets = ["363438323139", "3537363231383830", "303030303030", "0000000000000000000000"];
  for (const version of recordedVersions) {
    for (const session of ["03-initialize-dkek-1", "16-random-pin-change", "17-pin-blocked-unblock", "22-raw-aes"]) {
      for (const { exchange } of load(version, session).steps) {
        const redactor = smartCardHsmRedactor();
        for (const { c = "", r = "" } of exchange) {
          const command = fromHex(c);
          const seen = redactor.redact(command, fromHex(r));
          const left = masked(command, seen.command);
          for (const secret of secrets.slice(0, 3)) {
            if (/^00(20|24|2C)|^8050/i.test(c)) expect(left, session).not.toContain(secret);
          }
        }
      }
    }
  }
});

describe("a planted PIN never survives", () => {
  const secretText = fc.stringMatching(/^[A-Za-z0-9]{8}$/).map(utf8Bytes);
  const filler: fc.Arbitrary<[Uint8Array, Uint8Array]> = fc.constantFrom(
    [fromHex("00200081"), fromHex("63C3")],
    [fromHex("00B12F02045402000000"), fromHex("01029000")],
    [fromHex("00A4000002CF0100"), fromHex("62009000")],
    [fromHex("80580000000000"), fromHex("CC009000")],
    [fromHex("00C0000000"), fromHex("6A86")],
    [select, ok],
    [fromHex("00A4040006A00000000101"), ok],
    [fromHex("00A4040006A00000000101"), fromHex("6A82")],
  );
  const carriers: ((pin: Uint8Array) => Omit<CommandApdu, "extended">)[] = [
    (data) => ({ cla: 0, ins: 0x20, p1: 0, p2: 0x81, data }),
    (data) => ({ cla: 0, ins: 0x20, p1: 0, p2: 0x88, data, le: 256 }),
    (data) => ({ cla: 0, ins: 0x24, p1: 0, p2: 0x81, data: concat(data, fromHex("313233343536")) }),
    (data) => ({ cla: 0, ins: 0x24, p1: 0, p2: 0x88, data: concat(fromHex("3132333435363738"), data) }),
    (data) => ({ cla: 0, ins: 0x2c, p1: 0, p2: 0x81, data: concat(data, data) }),
    (data) => ({
      cla: 0x80,
      ins: 0x50,
      p1: 0,
      p2: 0,
      data: concat(fromHex("80020001"), encodeTlv(0x81, data), encodeTlv(0x82, data)),
    }),
    (data) => ({ cla: 0x80, ins: 0x50, p1: 0, p2: 0, data: concat(fromHex("80020001"), encodeTlv(0x99, data)) }),
    (data) => ({ cla: 0x80, ins: 0x52, p1: 0, p2: 0, data: concat(data, data, data, data) }),
    (data) => ({ cla: 0x00, ins: 0xd7, p1: 0xcd, p2: 1, data: concat(fromHex("54020000"), encodeTlv(0x53, data)) }),
    (data) => ({ cla: 0x80, ins: 0x78, p1: 1, p2: 0x10, data }),
    (data) => ({ cla: 0x80, ins: 0x64, p1: 1, p2: 0x10, data }),
    (data) => ({ cla: 0x00, ins: 0xdb, p1: 0x3f, p2: 0xff, data }),
    (data) => ({ cla: 0x01, ins: 0x20, p1: 0, p2: 0x81, data }),
  ];

  test("in whatever order, form, chain or answer", () => {
    fc.assert(
      fc.property(
        secretText,
        fc.array(
          fc.oneof(filler, fc.record({ carrier: fc.nat(carriers.length - 1), form: fc.nat(3), echo: fc.boolean() })),
          {
            minLength: 1,
            maxLength: 12,
          },
        ),
        (secret, plan) => {
          const redactor = selected();
          let trace = "";
          const record = (command: Uint8Array, response: Uint8Array): void => {
            const seen = redactor.redact(command, response);
            trace += `> ${masked(command, seen.command)} ${seen.note ?? ""}\n< ${masked(response, seen.response)}\n`;
          };
          for (const step of plan) {
            if (Array.isArray(step)) {
              record(step[0], step[1]);
              continue;
            }
            const { carrier, form, echo } = step as { carrier: number; form: number; echo: boolean };
            const command = carriers[carrier]?.(secret) ?? { cla: 0, ins: 0, p1: 0, p2: 0 };
            // Not where the answer is public by nature: an AES ciphertext, or what a file takes.
            const echoes = echo && command.ins !== 0x78 && command.ins !== 0xd7;
            const response = echoes ? concat(secret, ok) : ok;
            if (form === 0) record(encodeCommand(command), response);
            else if (form === 1) record(encodeCommand({ ...command, extended: true }), response);
            else if (form === 2) {
              // A chain cut in the middle of the data, fetched with GET RESPONSE.
              const data = command.data ?? new Uint8Array(0);
              const half = Math.max(1, Math.floor(data.length / 2));
              const part = { ...command, cla: command.cla | 0x10, data: data.subarray(0, half), le: undefined };
              record(encodeCommand(part), ok);
              record(encodeCommand({ ...command, data: data.subarray(half) }), fromHex("6108"));
              record(fromHex("00C0000008"), response);
            } else record(concat(encodeCommand(command), fromHex("FF")), response);
          }
          const planted = toHex(secret);
          expect(trace).not.toContain(planted);
          // Nor a half of it.
          expect(trace).not.toContain(planted.slice(0, 8));
          expect(trace).not.toContain(planted.slice(8));
        },
      ),
      { numRuns: 500 },
    );
  });

  test("this test can fail: an unredacted exchange shows it", () => {
    const secret = utf8Bytes("Planted1");
    const command = encodeCommand({ cla: 0, ins: 0x20, p1: 0, p2: 0x81, data: secret });
    expect(masked(command, [])).toContain(toHex(secret));
    expect(equal(command, command)).toBe(true);
  });
});
