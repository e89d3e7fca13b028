import { describe, expect, test } from "vitest";
import { utf8Bytes } from "../../../../src/bytes/bytes.ts";
import { toHex } from "../../../../src/bytes/hex.ts";
import type { FidoLeaf } from "../../../../src/crypto/vault/leaf.ts";
import { HsmError } from "../../../../src/errors.ts";
import type { LeafRef } from "../../../../src/services/vault/key-source.ts";
import { enrolCredential } from "../../../../src/services/vault/openers/fido-enrolment.ts";
import { fidoSource, type VaultAuthenticator } from "../../../../src/services/vault/openers/fido-source.ts";

/** An authenticator as the vault sees one: what it was asked is kept. */
class Device implements VaultAuthenticator {
  readonly asked: string[] = [];
  readonly #options: Record<string, boolean>;
  readonly #credentials = new Map<string, number>();
  /** What to answer the silent question with, where not the truth. */
  unknown: string | undefined;
  /** Mixed into every secret: another one is another secret. */
  secret = 0x40;
  refuses: HsmError | undefined;

  constructor(options: Record<string, boolean> = {}) {
    this.#options = options;
  }

  get info(): VaultAuthenticator["info"] {
    const { raw, ...rest } = emptyInfo;
    return { ...rest, raw, extensions: ["hmac-secret", "credProtect"], options: this.#options };
  }

  async holds(_rpId: string, ids: readonly Uint8Array[]): ReturnType<VaultAuthenticator["holds"]> {
    this.asked.push(`holds ${ids.length}`);
    if (this.unknown !== undefined) return { status: "unknown", why: this.unknown };
    const here = ids.find((id) => this.#credentials.has(toHex(id)));
    return here === undefined ? { status: "not-here" } : { status: "here", credentialId: here };
  }

  async makeHmacCredential(request: Parameters<VaultAuthenticator["makeHmacCredential"]>[0]) {
    this.asked.push(`make uv=${request.uv} credProtect=${request.credProtect}`);
    const id = Uint8Array.of(0xc0, this.#credentials.size, this.secret);
    this.#credentials.set(toHex(id), this.#credentials.size);
    return { id, aaguid: new Uint8Array(16), uv: request.uv, credProtect: request.credProtect ?? 1, alg: -7 } as const;
  }

  async hmacSecret({
    uv,
    salts,
    credentialId,
  }: Parameters<VaultAuthenticator["hmacSecret"]>[0]): Promise<Uint8Array[]> {
    this.asked.push(`secret uv=${uv}`);
    if (this.refuses !== undefined) throw this.refuses;
    return salts.map((salt) => salt.map((byte) => byte ^ (uv ? 0xff : 0) ^ this.secret ^ (credentialId[1] ?? 0)));
  }
}

const emptyInfo: VaultAuthenticator["info"] = {
  versions: ["FIDO_2_1"],
  extensions: [],
  aaguid: new Uint8Array(16),
  options: {},
  maxMsgSize: 1024,
  pinUvAuthProtocols: [2],
  maxCredentialCountInList: 8,
  maxCredentialIdLength: undefined,
  transports: [],
  algorithms: [-7],
  forcePinChange: false,
  minPinLength: 4,
  firmwareVersion: undefined,
  raw: new Map(),
};

const options = { title: "key", pin: utf8Bytes("1234"), userName: "test", excludeIds: [] };

async function enrolled(device: Device, slot = 1): Promise<LeafRef & { readonly leaf: FidoLeaf }> {
  const { leaf } = await enrolCredential(device, options);
  if (leaf.kind !== "fido2") throw new Error("no credential");
  return { slot, leg: 0, leaf };
}

describe("a FIDO2 authenticator as a source of keys", () => {
  test("verifies its user where it can, and says so where it does not", async () => {
    const plain = await enrolCredential(new Device(), options);
    expect(plain.leaf).toMatchObject({ credential: { uv: false, credProtect: 2, rpId: "hsmadm" } });
    expect(plain.warnings).toEqual([expect.stringContaining("a touch alone")]);
    const withPin = await enrolCredential(new Device({ clientPin: true }), options);
    expect(withPin.leaf).toMatchObject({ credential: { uv: true } });
    expect(withPin.warnings).toEqual([]);
    await expect(enrolCredential(new Device(), { ...options, uv: "required" })).rejects.toMatchObject({
      code: "FIDO_NOT_SUPPORTED",
    });
    const chosen = await enrolCredential(new Device({ clientPin: true }), { ...options, uv: "none" });
    expect(chosen.leaf).toMatchObject({ credential: { uv: false } });
  });

  test("looks without asking for a secret, all credentials at once, each it holds", async () => {
    const device = new Device();
    const [first, second] = [await enrolled(device, 1), await enrolled(device, 2)];
    const foreign = await enrolled(Object.assign(new Device(), { secret: 0x11 }), 3);
    device.asked.length = 0;
    const found = await fidoSource(device, options).match([foreign, first, second]);
    expect(found.map(({ ref, how }) => [ref.slot, how])).toEqual([
      [1, "certain"],
      [2, "certain"],
    ]);
    expect(device.asked).toEqual(["holds 3", "holds 2", "holds 1"]);
  });

  test("what it does not tell is possible, as is what level 3 hides", async () => {
    const device = new Device();
    const ref = await enrolled(device);
    device.unknown = "it always verifies its user";
    expect(await fidoSource(device, options).match([ref])).toEqual([{ ref, how: "possible", note: device.unknown }]);
    const other = new Device();
    const hidden = { ...ref, leaf: { ...ref.leaf, credential: { ...ref.leaf.credential, credProtect: 3 } } };
    expect(await fidoSource(other, options).match([hidden])).toEqual([{ ref: hidden, how: "possible" }]);
  });

  test("gives the key it gave at enrolment, and wipes it", async () => {
    const device = new Device({ clientPin: true });
    const ref = await enrolled(device);
    const source = fidoSource(device, options);
    const key = (await source.keys([ref])).get(ref);
    if (key?.primitive !== "x25519") throw new Error("no key");
    expect(key.secret.some((byte) => byte !== 0)).toBe(true);
    await source.close();
    expect(key.secret.every((byte) => byte === 0)).toBe(true);
  });

  test("another secret than at enrolment is a mismatch, not a wrong key further on", async () => {
    const device = new Device();
    const ref = await enrolled(device);
    device.secret ^= 1;
    await expect(fidoSource(device, options).keys([ref])).rejects.toMatchObject({
      code: "VAULT_UV_MISMATCH",
      message: expect.stringContaining("without a PIN"),
    });
    // A device that gives another one each time does not get as far as a vault.
    const fickle = new Device();
    const { leaf, source } = await enrolCredential(fickle, options);
    fickle.secret ^= 1;
    await expect(source.keys([{ slot: 0, leg: 0, leaf }])).rejects.toMatchObject({ code: "VAULT_UV_MISMATCH" });
  });

  test("a refused PIN is not sent again for another slot", async () => {
    const device = new Device({ clientPin: true });
    const refs = [await enrolled(device, 1), await enrolled(device, 2)];
    device.refuses = new HsmError("FIDO_PIN_WRONG", "authentication", "wrong PIN", { triesLeft: 7 });
    device.asked.length = 0;
    const source = fidoSource(device, options);
    await expect(source.keys(refs)).rejects.toMatchObject({ code: "FIDO_PIN_WRONG" });
    await expect(source.keys(refs)).rejects.toMatchObject({ code: "FIDO_PIN_WRONG" });
    expect(device.asked).toEqual(["secret uv=true"]);
  });

  test("a device that is enrolled is refused before it is touched", async () => {
    const device = new Device();
    const { leaf } = await enrolled(device);
    device.asked.length = 0;
    await expect(enrolCredential(device, { ...options, excludeIds: [leaf.credential.id] })).rejects.toMatchObject({
      code: "VAULT_OPENER_ENROLLED",
    });
    expect(device.asked).toEqual(["holds 1"]);
  });

  test("a credential it does not have after all leaves its others in play; a PIN it refused does not", async () => {
    const device = new Device();
    const [stranger, own] = [await enrolled(device, 1), await enrolled(device, 2)];
    const source = fidoSource(device, options);
    device.refuses = new HsmError("FIDO_NO_CREDENTIAL", "device", "not here");
    await expect(source.keys([stranger])).rejects.toMatchObject({ code: "FIDO_NO_CREDENTIAL" });
    device.refuses = undefined;
    expect([...(await source.keys([own])).keys()]).toEqual([own]);

    device.refuses = new HsmError("FIDO_PIN_WRONG", "authentication", "wrong");
    await expect(source.keys([stranger])).rejects.toMatchObject({ code: "FIDO_PIN_WRONG" });
    device.refuses = undefined;
    await expect(source.keys([own])).rejects.toMatchObject({ code: "FIDO_PIN_WRONG" });
  });
});
