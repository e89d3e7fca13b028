import { describe, expect, test } from "vitest";
import { fromHex } from "../../../../src/bytes/hex.ts";
import { authenticatorInfo } from "../../../../src/cards/fido2/authenticator-info.ts";
import { type CborMap, decodeCbor } from "../../../../src/cards/fido2/cbor.ts";
import { picoFidoFirmware } from "../../../../src/cards/fido2/pico-fido/firmware.ts";
import { picoFidoRecording, picoFidoSessions } from "../../../support/pico-fido-recordings.ts";

function infoOf(session: string) {
  const answer = picoFidoRecording(session).messages.find(({ c }) => c === "04")?.r ?? "";
  return authenticatorInfo(decodeCbor(fromHex(answer).subarray(1), "getInfo") as CborMap);
}

const old = infoOf("v5.12-01-getinfo");
const at = (firmwareVersion: number | undefined) => picoFidoFirmware({ ...old, firmwareVersion }, "token");

describe("recorded tokens", () => {
  test.each([
    ["v5.12", "5.12", 0x7f, "keeps"],
    ["v6.6", "6.6", 0x7f, "changes"],
    ["v7.6", "7.6", 0xff, "destroys"],
    ["v8.0", "8.0", 0xff, "destroys"],
  ] as const)("%s", (name, version, vendorPrototype, lock) => {
    const info = infoOf(`${name}-01-getinfo`);
    const firmware = picoFidoFirmware(info, "token");
    expect(firmware).toMatchObject({ version, vendorPrototype, lock });
    // 15 vendorPrototypeConfigCommands lists the ids that this version takes.
    const offered = (info.raw.get(0x15) as readonly (number | bigint)[]).map(BigInt);
    expect(offered).toContain(firmware.enableId);
    expect(offered).toContain(firmware.disableId);
  });

  test("every session's getInfo is one of them", () => {
    for (const session of picoFidoSessions.filter((name) => !name.endsWith("vendor-c2"))) {
      expect(picoFidoFirmware(infoOf(session), session).version).toBe(/^v([\d.]+)/.exec(session)?.[1]);
    }
  });
});

describe("versions", () => {
  test.each([
    [0x0204, 0xff, "unproven"],
    [0x0506, 0xff, "unproven"],
    [0x0508, 0x7f, "keeps"],
    [0x050c, 0x7f, "keeps"],
    [0x0600, 0x7f, "may-change"],
    [0x0602, 0x7f, "changes"],
    [0x0606, 0x7f, "changes"],
    [0x0700, 0xff, "destroys"],
    [0x07ff, 0xff, "destroys"],
    [0x0800, 0xff, "destroys"],
  ] as const)("%i: %i, %s", (version, vendorPrototype, lock) => {
    expect(at(version)).toMatchObject({ vendorPrototype, lock });
    expect(at(version).enableId).toBe(version >= 0x0800 ? 0x00043f56b34285e2n : 0x03e43f56b34285e2n);
  });

  test.each([undefined, 0, 0x0203, 0x0507, 0x050d, 0x0601, 0x0607, 0x06ff, 0x0900, 0xffff])(
    "%s is nobody's guess",
    (version) => {
      expect(() => at(version)).toThrow(
        expect.objectContaining({ code: "PICO_FIDO_NOT_SUPPORTED", kind: "not-supported" }),
      );
    },
  );

  test("another AAGUID is another token, whatever its version", () => {
    const aaguid = old.aaguid.slice();
    aaguid[15] = 0;
    expect(() => picoFidoFirmware({ ...old, aaguid }, "token")).toThrow(/is no Pico FIDO/);
  });
});
