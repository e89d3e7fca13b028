import { existsSync } from "node:fs";
import { beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { CardChannel } from "../../src/apdu/channel.ts";
import { TransportError } from "../../src/apdu/transport-error.ts";
import type { CborMap } from "../../src/cards/fido2/cbor.ts";
import type { RawDevice } from "../../src/cli/devices/raw-device.ts";
import { TestWorld } from "./support/test-io.ts";
import { phrases, VaultOfficer } from "./support/vault-officer.ts";

/** What is wrong with the devices of a test; and what was sent to the cards. */
const trouble = {
  /** Taken out of its reader when it is asked to verify a PIN. */
  pulled: "",
  noHmacSecret: false,
  otherSecret: false,
  verified: [] as string[],
};

vi.mock("../../src/cli/devices/reach-device.ts", async (original) => {
  const actual = await original<typeof import("../../src/cli/devices/reach-device.ts")>();
  return {
    async reachDevice(...given: Parameters<typeof actual.reachDevice>): Promise<RawDevice> {
      const raw = await actual.reachDevice(...given);
      const { channel } = raw;
      const name = channel.where.slice("sim:".length);
      let here = true;
      const watched: CardChannel = {
        atr: channel.atr,
        where: channel.where,
        reset: () => channel.reset(),
        close: () => channel.close(),
        async transceive(command, options) {
          // Without data it asks for the counter only.
          const isVerify = command[1] === 0x20 && command.length > 5;
          if (isVerify && trouble.pulled === name) here = false;
          if (!here) throw new TransportError("CARD_REMOVED", `the card was taken out of sim:${name}`);
          if (isVerify) trouble.verified.push(name);
          return channel.transceive(command, options);
        },
      };
      return { ...raw, channel: watched };
    },
  };
});

vi.mock("../../src/simulator/fido2/hmac-secret.ts", async (original) => {
  const actual = await original<typeof import("../../src/simulator/fido2/hmac-secret.ts")>();
  return {
    ...actual,
    hmacSecretOutput(...given: Parameters<typeof actual.hmacSecretOutput>) {
      const output = actual.hmacSecretOutput(...given);
      return trouble.otherSecret ? output.map((byte) => byte ^ 1) : output;
    },
  };
});

vi.mock("../../src/cards/fido2/authenticator-info.ts", async (original) => {
  const actual = await original<typeof import("../../src/cards/fido2/authenticator-info.ts")>();
  return {
    ...actual,
    getInfo: {
      ...actual.getInfo,
      parse(answer: CborMap) {
        const info = actual.authenticatorInfo(answer);
        if (!trouble.noHmacSecret) return info;
        return { ...info, extensions: info.extensions.filter((each) => !each.startsWith("hmac-secret")) };
      },
    },
  };
});

const world = new TestWorld();
const officer = new VaultOfficer(world);
let vault = "";

beforeAll(async () => {
  await officer.token("one");
  await officer.token("two");
  vault = await officer.vault("v", "one", "two");
});

beforeEach(() => {
  Object.assign(trouble, { pulled: "", noHmacSecret: false, otherSecret: false, verified: [] });
});

describe("a token that is pulled between the look and the PIN", () => {
  test("is told as what it is; the PIN went nowhere", async () => {
    trouble.pulled = "one";
    const error = await officer.refused(3, `vault open ${vault} --device sim:one --pin env:PIN`);
    expect(error).toMatchObject({ code: "CARD_REMOVED", triesLeft: null });
    expect(error["message"]).toContain("a try of the user PIN");
    expect(trouble.verified).toEqual([]);
    expect(await officer.tries("one")).toMatchObject({ user: 3 });
  });

  test("does not keep another from opening it", async () => {
    trouble.pulled = "one";
    const { stdout } = await officer.gets(0, `vault open ${vault} --device sim:one,sim:two --pin env:PIN`);
    expect(stdout).toContain("slot 2");
    expect(trouble.verified).toEqual(["two"]);
  });
});

describe("a wrong PIN", () => {
  test("is sent once, with the tries that are left, and the right one after it opens", async () => {
    const error = await officer.refused(4, `vault open ${vault} --device sim:one --pin env:WRONG`);
    expect(error).toMatchObject({ triesLeft: 2 });
    expect(trouble.verified).toEqual(["one"]);
    await officer.gets(0, `vault open ${vault} --device sim:one --pin env:PIN`);
  });
});

describe("a blocked token", () => {
  test("an HSM: nothing is sent, and what helps is said; another opens the vault", async () => {
    await officer.token("blocked");
    const path = await officer.vault("b", "blocked", "two");
    const wrong = "pin verify --device sim:blocked --pin env:WRONG --no-ledger --min-tries 0";
    for (const code of [4, 4, 6]) await officer.gets(code, wrong);
    trouble.verified.length = 0;
    const error = await officer.refused(6, `vault open ${path} --device sim:blocked --pin env:PIN`);
    expect(error).toMatchObject({ kind: "blocked", advice: expect.stringMatching(/unblock[\s\S]*|other/) });
    expect(trouble.verified).toEqual([]);
    await officer.gets(0, `vault open ${path} --device sim:blocked,sim:two --pin env:PIN`);
    expect(trouble.verified).toEqual(["two"]);
  });

  test("a FIDO2 device", async () => {
    const env = { HSMADM_SIMULATOR_POWER: "cycle" };
    const path = world.path("f");
    await officer.gets(0, "fido pin set --device sim-fido:b --new-pin env:FIDOPIN");
    await officer.gets(
      0,
      `vault create ${path} --slot fido --recovery-out ${path}.r --device sim-fido:b --fido-pin env:FIDOPIN`,
    );
    const open = `vault open ${path} --device sim-fido:b --min-tries 0`;
    for (let left = 7; left > 0; left--) {
      expect(await officer.refused(4, `${open} --fido-pin env:BADPHRASE`, { env })).toMatchObject({ triesLeft: left });
    }
    expect(await officer.refused(6, `${open} --fido-pin env:BADPHRASE`, { env })).toMatchObject({ kind: "blocked" });
    expect(await officer.refused(6, `${open} --fido-pin env:FIDOPIN`, { env })).toMatchObject({
      kind: "blocked",
      advice: expect.stringContaining("other"),
    });
    await officer.gets(0, `vault open ${path} --recovery file:${path}.r`);
  });
});

describe("a FIDO2 device", () => {
  test("without hmac-secret is enrolled nowhere, before it is touched", async () => {
    trouble.noHmacSecret = true;
    const path = world.path("none");
    const line = `vault create ${path} --slot fido --no-recovery --device sim-fido:plain`;
    // Whoever were asked to touch it would refuse.
    const error = await officer.refused(7, line, { env: { HSMADM_SIMULATOR_TOUCH: "denied" } });
    expect(error).toMatchObject({ kind: "not-supported", message: expect.stringContaining("hmac-secret") });
    expect(existsSync(path)).toBe(false);
  });

  test("with another secret than at enrolment: said how the slot was made, and what to do", async () => {
    const path = world.path("uv");
    await officer.gets(0, `vault create ${path} --slot fido --recovery-out ${path}.r --device sim-fido:uv`);
    trouble.otherSecret = true;
    const error = await officer.refused(9, `vault open ${path} --device sim-fido:uv`);
    expect(error).toMatchObject({ code: "VAULT_UV_MISMATCH", message: expect.stringContaining("without a PIN") });
    expect(error["advice"]).toContain("another slot");
  });
});

test("nothing secret was printed", () => {
  for (const phrase of Object.values(phrases)) expect(world.printed).not.toContain(phrase);
});
