import { describe, expect, test } from "vitest";
import { concat } from "../../../src/bytes/bytes.ts";
import { fromHex, toHex } from "../../../src/bytes/hex.ts";
import { blobLength, judgeBlob, openBlob } from "../../../src/crypto/pico-fido/backup-blob.ts";
import {
  buildPicoFidoBackup,
  checkPicoFidoBackup,
  parsePicoFidoBackup,
} from "../../../src/crypto/pico-fido/backup-file.ts";
import { hostKeyId, hostPublicPoint } from "../../../src/crypto/pico-fido/host-key.ts";
import { hostKeyFromToolWords } from "../../../src/crypto/pico-fido/key-words.ts";
import { tokenSeal } from "../../../src/crypto/pico-fido/token-seal.ts";
import { bytesAt, picoFidoRecording, picoFidoSessions, pointIn, unsealed } from "../../support/pico-fido-recordings.ts";

const lower = (bytes: Uint8Array) => toHex(bytes).toLowerCase();
const recordings = picoFidoSessions.map(picoFidoRecording);

/** The tool's words in a session's output. */
function wordsIn(text: string): string[] {
  return [...text.matchAll(/^\d\d - ([a-z]+)$/gm)].map((match) => match[1] ?? "");
}

/** Key agreements of a session, and the 48 bytes that were sent under each before the next. */
const agreements = recordings.flatMap(({ session, inputs, messages }) => {
  const found: { session: string; scalar: Uint8Array; tokenPoint: Uint8Array; sealed: Uint8Array }[] = [];
  let agreed: { scalar: Uint8Array; tokenPoint: Uint8Array } | undefined;
  for (const { cmd, c, r = "" } of messages) {
    const token = pointIn(r);
    const host = pointIn(c);
    if (cmd === "c1" && c.startsWith("02") && token !== undefined && host !== undefined) {
      const scalar = (inputs.platformPrivateKeys ?? []).find((key) => lower(hostPublicPoint(fromHex(key))) === host);
      agreed = scalar === undefined ? undefined : { scalar: fromHex(scalar), tokenPoint: fromHex(token) };
    }
    // UNLOCK has it as {1: bytes}, vendorPrototype as {1: id, 2: bytes}.
    const sealed = /^(?:03.*?a1015830|0d.*?025830)([0-9a-f]{96})/.exec(c)?.[1];
    if (agreed !== undefined && sealed !== undefined) {
      found.push({ session, ...agreed, sealed: fromHex(sealed) });
      agreed = undefined;
    }
  }
  return found;
});

describe("key agreement", () => {
  test("the recordings have many", () => expect(agreements.length).toBeGreaterThan(25));

  test.each(agreements.map((one, i) => [`${one.session} (${i})`, one] as const))(
    "%s: sealed to the same 48 bytes",
    (_, one) => {
      const { session, scalar, tokenPoint, sealed } = one;
      const hostKey = unsealed(scalar, tokenPoint, sealed);
      if (hostKey === null) {
        // Random bytes were sent on purpose.
        expect(session).toMatch(/unlock-raw-errors/);
        return;
      }
      const seal = tokenSeal(scalar.slice());
      expect(lower(seal.seal(tokenPoint, hostKey))).toBe(lower(sealed));
    },
  );

  test("the sealed host key is the one of the keyring", () => {
    const known = agreements.filter(({ session }) => /secure-enable|secure-unlock$/.test(session));
    expect(known.length).toBeGreaterThanOrEqual(6);
    for (const { session, scalar, tokenPoint, sealed } of known) {
      const { hostKey } = picoFidoRecording(session).inputs;
      expect(lower(unsealed(scalar, tokenPoint, sealed) ?? new Uint8Array(0)), session).toBe(hostKey);
    }
  });

  test("what is no point is refused, and wipe overwrites the scalar", () => {
    const scalar = fromHex("01".repeat(32));
    const seal = tokenSeal(scalar);
    expect(() => seal.seal(new Uint8Array(65).fill(4), new Uint8Array(32))).toThrow();
    seal.wipe();
    expect(scalar.every((byte) => byte === 0)).toBe(true);
  });
});

const withBlob = recordings.flatMap(({ session, inputs, messages }) =>
  messages.flatMap(({ cmd, c, r = "" }) => {
    const blob = cmd === "c1" && c.startsWith("01") ? /^00a101583c([0-9a-f]{120})$/.exec(r)?.[1] : undefined;
    return blob === undefined ? [] : [{ session, blob: fromHex(blob), hostKey: inputs.hostKey }];
  }),
);

describe("blob", () => {
  test.each(withBlob.map((one) => [one.session, one] as const))(
    "%s: opens under a recorded host key",
    (_, { session, blob, hostKey }) => {
      const version = session.split("-")[0] ?? "";
      const keys = new Set(
        recordings.filter((one) => one.session.startsWith(`${version}-`)).map(({ inputs }) => inputs.hostKey),
      );
      const opening = [...keys].filter((key) => key !== undefined && openBlob(blob, fromHex(key)) !== null);
      expect(opening).toHaveLength(1);
      if (hostKey !== undefined) expect(opening).toEqual([hostKey]);
      expect(judgeBlob(blob, bytesAt(opening[0]))).toBe("good");
      expect(judgeBlob(blob, fromHex("02".repeat(32)))).toBe("other-key");
    },
  );

  test("an empty answer is no blob", () => {
    expect(() => openBlob(new Uint8Array(0), new Uint8Array(32))).toThrow(/0 bytes/);
    expect(() => judgeBlob(new Uint8Array(59), new Uint8Array(32))).toThrow(/59 bytes/);
  });
});

const saves = recordings.filter(({ session }) => /-17-backup-save$/.test(session));

describe("backup file", () => {
  test.each(saves.map((one) => [one.session, one] as const))(
    "%s: form, signature, blob",
    (_, { inputs, expected, messages }) => {
      const file = bytesAt(expected["file"] as string);
      const hostKey = bytesAt(inputs.hostKey);
      const blob = checkPicoFidoBackup(file, hostKey);
      expect(blob).toHaveLength(blobLength);
      expect(messages.at(-1)?.r).toBe(`00a101583c${lower(blob)}`);
      const again = buildPicoFidoBackup(blob, hostKey);
      expect(lower(checkPicoFidoBackup(again, hostKey))).toBe(lower(blob));
    },
  );

  test.each(saves.map((one) => [one.session, one] as const))(
    "%s: every flipped byte is refused, every length too",
    (_, { inputs, expected }) => {
      const file = bytesAt(expected["file"] as string);
      const hostKey = bytesAt(inputs.hostKey);
      const refusal = expect.objectContaining({
        code: expect.stringMatching(/^BACKUP_(FILE_INVALID|KEY_WRONG)$/),
        kind: "check-failed",
      });
      for (let at = 0; at < file.length; at++) {
        for (const flip of [0x01, 0x80, 0xff]) {
          const changed = file.slice();
          changed[at] = (changed[at] ?? 0) ^ flip;
          expect(
            thrown(() => checkPicoFidoBackup(changed, hostKey)),
            `byte ${at}`,
          ).toEqual(refusal);
        }
      }
      for (let length = 0; length < file.length; length++) {
        expect(
          thrown(() => checkPicoFidoBackup(file.subarray(0, length), hostKey)),
          `${length} bytes`,
        ).toEqual(refusal);
      }
      expect(thrown(() => checkPicoFidoBackup(concat(file, Uint8Array.of(0)), hostKey))).toEqual(refusal);
      expect(thrown(() => checkPicoFidoBackup(file, fromHex("03".repeat(32))))).toEqual(refusal);
    },
  );

  test("v5.12-27: what the older tool writes after a disable holds no device key", () => {
    const file = bytesAt(picoFidoRecording("v5.12-27-after-disable-backup-save-tool").expected["file"] as string);
    expect(() => parsePicoFidoBackup(file)).toThrow(/holds no device key/);
  });

  test("v5.12-30 to -32: the files loaded; the changed one is refused under the right words", () => {
    const hostKey = bytesAt(picoFidoRecording("v5.12-17-backup-save").inputs.hostKey);
    expect(() =>
      checkPicoFidoBackup(bytesAt(picoFidoRecording("v5.12-32-backup-load").inputs.file), hostKey),
    ).not.toThrow();
    expect(() =>
      checkPicoFidoBackup(bytesAt(picoFidoRecording("v5.12-31-backup-load-tampered").inputs.file), hostKey),
    ).toThrow();
    expect(picoFidoRecording("v5.12-32-backup-load").expected["hostKey"]).toBe(lower(hostKey));
  });
});

describe("words of the older tool", () => {
  const shown = recordings.flatMap(({ session, inputs, expected }) => {
    const words = wordsIn(String(expected["stdout"] ?? ""));
    return words.length === 24 && inputs.hostKey !== undefined ? [{ session, words, hostKey: inputs.hostKey }] : [];
  });

  /** The list is the tool's own and not here: only the words of the recordings stand in their places, others are made up. */
  function listOf(pairs: readonly { words: readonly string[]; hostKey: string }[]): string[] {
    const list = Array.from(
      { length: 2048 },
      (_, i) =>
        `zz${toHex(Uint8Array.of(i >> 8, i & 0xff))
          .toLowerCase()
          .replace(/\d/g, (d) => "ghijklmnop"[Number(d)] ?? "")}`,
    );
    for (const { words, hostKey } of pairs) {
      let value = BigInt(`0x${hostKey}`);
      for (const word of words) {
        list[Number(value % 2048n)] = word;
        value /= 2048n;
      }
      expect(value).toBe(0n);
    }
    return list;
  }

  test("several sessions show some", () => expect(shown.length).toBeGreaterThanOrEqual(2));

  test("one list gives the host key of every session, whichever order they came in", () => {
    const list = listOf(shown);
    for (const { session, words, hostKey } of shown) {
      expect(lower(hostKeyFromToolWords(words.join(" "), list.join("\n"))), session).toBe(hostKey);
      const printed = words.map((word, i) => `${String(i + 1).padStart(2, "0")} - ${word}`).join("\n");
      expect(lower(hostKeyFromToolWords(printed, list.join("\n"))), session).toBe(hostKey);
    }
  });

  test("v5.12-30: two words swapped give another key, which the file refuses", () => {
    const { inputs } = picoFidoRecording("v5.12-30-backup-load-wrong-words");
    const list = listOf(shown);
    const key = hostKeyFromToolWords((inputs.stdin ?? []).join(" "), list.join("\n"));
    expect(thrown(() => checkPicoFidoBackup(bytesAt(inputs.file), key))).toMatchObject({ code: "BACKUP_KEY_WRONG" });
  });

  test("v5.12-32: the words typed at load give the key that went into the keyring", () => {
    const { inputs, expected } = picoFidoRecording("v5.12-32-backup-load");
    const key = hostKeyFromToolWords((inputs.stdin ?? []).join("\n"), listOf(shown).join("\n"));
    expect(lower(key)).toBe(expected["hostKey"]);
    expect(lower(checkPicoFidoBackup(bytesAt(inputs.file), key))).not.toBe("");
  });
});

test("every recorded host key has a name of its own", () => {
  const keys = new Set(recordings.flatMap(({ inputs }) => (inputs.hostKey === undefined ? [] : [inputs.hostKey])));
  expect(new Set([...keys].map((key) => hostKeyId(fromHex(key)))).size).toBe(keys.size);
});

function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return "nothing was thrown";
}
