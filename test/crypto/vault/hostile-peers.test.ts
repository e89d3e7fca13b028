import { createHash, createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { concat } from "../../../src/bytes/bytes.ts";
import { encodeBase64 } from "../../../src/crypto/age/base64.ts";
import type { Stanza } from "../../../src/crypto/age/stanza.ts";
import { seal } from "../../../src/crypto/vault/box.ts";
import { encodeMap } from "../../../src/crypto/vault/cbor-map.ts";
import { ecdhMatches, unwrapEcdh, wrapEcdh } from "../../../src/crypto/vault/ecdh-stanza.ts";
import type { CardEcLeaf, CardRsaLeaf } from "../../../src/crypto/vault/leaf.ts";
import { newLegSecret } from "../../../src/crypto/vault/leg.ts";
import { openWithRsa, sealForRsa } from "../../../src/crypto/vault/rsa-leg.ts";
import { readVaultStanzas } from "../../../src/crypto/vault/vault-header.ts";
import { flipped, refusal, refusalOf } from "../refusal.ts";
import { repeatable, softwareEc, softwareKey, softwareRsa } from "./support/software-keys.ts";
import { ofKinds, opened, owned, stanzasFor, testFileKey } from "./support/vaults.ts";

/** Whoever makes a file knows the public keys, and a card answers what it likes. */
describe("a file made by somebody hostile", () => {
  const owner = softwareEc("brainpoolP384r1", repeatable("owner"));
  const leaf = owner.leaf as CardEcLeaf;

  test("a share off the curve, with the right tag for it, never reaches the card", async () => {
    const stanza = wrapEcdh(testFileKey, leaf, repeatable("x"));
    const share = new Uint8Array(Buffer.from(stanza.args[3] ?? "", "base64"));
    const off = flipped(share, share.length - 1);
    const hash = createHash("sha256").update(leaf.point).digest().subarray(0, 4);
    const tag = createHmac("sha256", "hsmadm/ecdh/v1/tag").update(concat(off, hash)).digest().subarray(0, 4);
    const forged = { ...stanza, args: ["1", "brainpoolP384r1", encodeBase64(tag), encodeBase64(off)] };
    const asked: Uint8Array[] = [];
    const agree = async (enc: Uint8Array): Promise<Uint8Array> => {
      asked.push(enc);
      return new Uint8Array(48).fill(1);
    };
    expect((await refusalOf(unwrapEcdh(forged, leaf, agree))).message).toContain("not on brainpoolP384r1");
    expect(asked).toEqual([]);
    expect(refusal(() => ecdhMatches(forged, leaf)).code).toBe("VAULT_HEADER_INVALID");
  });

  test("a leaf whose point is off its curve", async () => {
    const stanzas = await stanzasFor([owned(1, [owner])]);
    const point = flipped(leaf.point, 96);
    const body = encodeMap({ 1: "", 2: "2026-11-21T00:16:51Z", 3: { 1: "card-ec", 2: point, 3: leaf.curve } });
    const refused = refusal(() => readVaultStanzas(stanzas.with(1, { ...(stanzas[1] as Stanza), body })));
    expect(refused.message).toContain("no point of brainpoolP384r1");
  });

  test("a share of a threshold that belongs to another leg", async () => {
    const slot = ofKinds(5, ["recovery", "fido2", "passphrase"], "wrong point", 2);
    const stanzas = await stanzasFor([slot]);
    const place = { scheme: "sss", slot: 5, leg: 1, legs: 3, needed: 2 } as const;
    const { enc, secret } = newLegSecret(place, slot.owners[0]?.leaf ?? leaf, repeatable("forged"));
    const share = new Uint8Array(33).fill(1);
    share[32] = 2;
    const forged = { ...(stanzas[2] as Stanza), body: seal(secret, share) };
    const changed = stanzas.with(2, { ...forged, args: forged.args.with(-1, encodeBase64(enc)) });
    const refused = await refusalOf(opened(changed, slot, (leg) => leg !== 2));
    expect(refused).toMatchObject({ code: "VAULT_SLOT_KEY_WRONG", details: { leaf: "recovery" } });
  });

  test("an RSA leg whose secret is not 32 bytes", async () => {
    const { leaf: rsa, key } = softwareRsa(0);
    const decryptRaw = (ciphertext: Uint8Array): Promise<Uint8Array> =>
      key.primitive === "rsa" ? key.decryptRaw(ciphertext) : Promise.reject(new Error("no RSA key"));
    for (const [length, found] of [
      [32, new Uint8Array(32).fill(5)],
      [31, null],
      [0, null],
    ] as const) {
      const sealed = sealForRsa(rsa as CardRsaLeaf, new Uint8Array(length).fill(5), repeatable("seed"));
      expect(await openWithRsa(sealed, decryptRaw)).toEqual(found);
    }
  });
});

describe("a card that answers nonsense", () => {
  test.each([
    ["zeros", new Uint8Array(48)],
    ["too little", new Uint8Array(47).fill(1)],
    ["a whole point", new Uint8Array(97).fill(4)],
    ["nothing", new Uint8Array(0)],
  ])("%s instead of an X coordinate", async (_, answer) => {
    for (const kinds of [[], ["recovery"]] as const) {
      const random = repeatable("nonsense");
      const owner = softwareEc("brainpoolP384r1", random);
      const slot = owned(1, [owner, ...kinds.map((kind) => softwareKey(kind, random))]);
      const stanzas = await stanzasFor([slot]);
      const agree = async (): Promise<Uint8Array> => answer.slice();
      const lying = { ...slot, owners: slot.owners.with(0, { ...owner, key: { primitive: "ecdh", agree } }) };
      expect((await refusalOf(opened(stanzas, lying))).code).toBe("AGREEMENT_INVALID");
    }
  });

  test("another RSA block than the ciphertext's", async () => {
    for (const legs of [1, 2]) {
      const owners = [softwareRsa(0), softwareKey("recovery", repeatable("x"))].slice(0, legs);
      const slot = owned(1, owners);
      const stanzas = await stanzasFor([slot]);
      const decryptRaw = async (): Promise<Uint8Array> => new Uint8Array(256).fill(1);
      const lying = { ...softwareRsa(0), key: { primitive: "rsa", decryptRaw } } as const;
      const refused = await refusalOf(opened(stanzas, { ...slot, owners: owners.with(0, lying) }));
      expect(refused).toMatchObject({ code: "VAULT_SLOT_KEY_WRONG", details: { slot: 1, leaf: "card-rsa" } });
    }
  });
});

test("in an all-of slot the message names the leg whose secret is another one", async () => {
  const slot = ofKinds(2, ["card-ec", "fido2", "passphrase"]);
  const stanzas = await stanzasFor([slot]);
  for (const [leg, kind] of (["fido2", "passphrase"] as const).entries()) {
    const owners = slot.owners.with(leg + 1, softwareKey(kind, repeatable("another")));
    const refused = await refusalOf(opened(stanzas, { ...slot, owners }));
    expect(refused.details).toEqual({ slot: 2, leaf: kind });
  }
});

test("what is no X25519 secret at all is not the leaf's", async () => {
  const slot = ofKinds(2, ["recovery"]);
  const stanzas = await stanzasFor([slot]);
  const owners = [
    { ...slot.owners[0], key: { primitive: "x25519", secret: new Uint8Array(31) } },
  ] as typeof slot.owners;
  expect((await refusalOf(opened(stanzas, { ...slot, owners }))).code).toBe("VAULT_SLOT_KEY_WRONG");
});
