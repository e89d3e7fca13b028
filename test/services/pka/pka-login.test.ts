import { describe, expect, test } from "vitest";
import type { TokenKey } from "../../../src/cards/smartcard-hsm/keys/token-key.ts";
import type { AuthenticationStatus } from "../../../src/cards/smartcard-hsm/public-key-authentication/authentication-commands.ts";
import type { PublicKeyAuthentication } from "../../../src/cards/smartcard-hsm/public-key-authentication/public-key-authentication.ts";
import { HsmError } from "../../../src/errors.ts";
import { type Custodian, type LoginCard, loginByKeys } from "../../../src/services/pka/pka-login.ts";

const signKey: TokenKey = {
  ref: 1,
  label: "work",
  id: Uint8Array.of(1),
  kind: "ec",
  bits: 256,
  curve: "secp256r1",
  usage: [],
  description: null,
  descriptionBytes: null,
  certificateBytes: null,
  certificate: null,
  publicKey: null,
  metadata: null,
  problems: [],
};

interface Wishes {
  readonly profile?: "genuine" | "pico";
  readonly required?: number;
  /** From how many custodians on the token signs. */
  readonly signsFrom?: number;
  readonly keys?: readonly TokenKey[];
  readonly usesLeft?: number;
  readonly options?: number;
  /** What EXTERNAL AUTHENTICATE really counts. */
  readonly counts?: boolean;
}

/** A token that keeps count of custodians, and a diary. */
function tokenWith({
  profile = "genuine",
  required = 2,
  signsFrom = required,
  keys = [signKey],
  ...more
}: Wishes = {}) {
  const diary: string[] = [];
  let authenticated = 0;
  let challenges = 0;
  const done = new Set<string>();
  let selected = "";
  const status = async (): Promise<AuthenticationStatus> => ({ total: 3, missing: 0, required, authenticated });
  const publicKeys: Partial<PublicKeyAuthentication> = {
    status,
    select: async (chr) => {
      diary.push(`select ${chr}`);
      selected = chr;
      return done.has(chr) ? "done" : chr.startsWith("stranger") ? "unknown" : "known";
    },
    challenge: async () => {
      challenges++;
      if (profile === "pico") authenticated = 0;
      diary.push(`challenge ${challenges}`);
      return new Uint8Array(8).fill(challenges);
    },
    authenticate: async (signature) => {
      diary.push(`signature over ${signature[0]} by ${selected}`);
      done.add(selected);
      if (more.counts !== false) authenticated++;
    },
    noteLogin: () => diary.push("logged in"),
  };
  const card = {
    publicKeys,
    identity: async () => ({ chr: "TARGET00000" }),
    application: { profile, options: more.options ?? 1 },
    listKeys: async () => keys,
    keyMetadata: async () =>
      more.usesLeft === undefined ? null : { algorithms: null, domain: null, usesLeft: more.usesLeft },
    admit: async () => undefined,
    sign: async () => {
      diary.push(`asked to sign after ${authenticated}`);
      if (authenticated >= signsFrom) return new Uint8Array(8);
      throw new HsmError("NOT_LOGGED_IN", "authentication", "not logged in");
    },
    logout: async () => {
      diary.push("logged out");
    },
  } as unknown as LoginCard;
  return { card, diary };
}

const custodian = (chr: string, replaced?: number): Custodian => ({
  title: chr,
  holder: async () => chr,
  answer: async ({ device, challenge }) => ({
    device,
    challenge: replaced === undefined ? challenge : new Uint8Array(8).fill(replaced),
    custodian: chr,
    signature: challenge.slice(),
  }),
});

const options = { token: "TARGET", now: () => new Date(0) };
const two = [custodian("A"), custodian("B")];

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "nothing was thrown",
    (error: unknown) => (error instanceof HsmError ? `${error.kind} ${error.code}` : String(error)),
  );
}

describe("the order of things", () => {
  test("a genuine token gives each custodian a challenge; one too few is tried before the last", async () => {
    const { card, diary } = tokenWith();
    expect(await loginByKeys(card, two, options)).toMatchObject({ signed: ["A", "B"], probe: { status: "refused" } });
    expect(diary).toEqual([
      "select A",
      "challenge 1",
      "signature over 1 by A",
      "asked to sign after 1",
      "select B",
      "challenge 2",
      "signature over 2 by B",
      "logged in",
    ]);
  });

  test("a Pico HSM gives one challenge for all", async () => {
    const { card, diary } = tokenWith({ profile: "pico" });
    await loginByKeys(card, two, options);
    expect(diary.filter((line) => line.startsWith("challenge"))).toEqual(["challenge 1"]);
    expect(diary).toContain("signature over 1 by B");
  });

  test("no more sign than it takes", async () => {
    const { card } = tokenWith();
    expect((await loginByKeys(card, [...two, custodian("C")], options)).signed).toEqual(["A", "B"]);
  });

  test("where the PIN is wanted as well, keys alone are no login yet", async () => {
    const { card, diary } = tokenWith({ options: 0x11 });
    expect((await loginByKeys(card, two, options)).pinToo).toBe(true);
    expect(diary).not.toContain("logged in");
  });
});

describe("a token that works with one custodian too few", () => {
  test.each(["genuine", "pico"] as const)("%s: found out, told which check it skips, logged out", async (profile) => {
    const { card, diary } = tokenWith({ profile, signsFrom: 1 });
    const login = loginByKeys(card, two, options);
    expect(await codeOf(login)).toBe("check-failed PKA_NOT_ENFORCED");
    await expect(login).rejects.toThrow(/signed with key 1 "work" after 1 of 2 custodians: it skips the check/);
    expect(diary.at(-1)).toBe("logged out");
    expect(diary).not.toContain("logged in");
  });

  test("with 1 of 3 the trial is before the first", async () => {
    const { card } = tokenWith({ required: 1, signsFrom: 0 });
    expect(await codeOf(loginByKeys(card, two, options))).toBe("check-failed PKA_NOT_ENFORCED");
  });

  test("without a key, or with counted uses only, it is said that nothing was tried", async () => {
    for (const wishes of [{ keys: [] }, { usesLeft: 5 }]) {
      const { card, diary } = tokenWith({ ...wishes, signsFrom: 0 });
      expect((await loginByKeys(card, two, options)).probe.status).toBe("not-tried");
      expect(diary.join()).not.toContain("asked to sign");
    }
  });
});

describe("refusals", () => {
  test.each([
    ["one of two", [custodian("A")], "authentication PKA_TOO_FEW"],
    ["the same twice", [custodian("A"), custodian("A")], "conflict PKA_ALREADY_AUTHENTICATED"],
    ["a stranger", [custodian("A"), custodian("stranger")], "conflict PKA_NOT_REGISTERED"],
    ["an answer to another challenge", [custodian("A"), custodian("B", 99)], "check-failed PKA_ANSWER_OTHER_CHALLENGE"],
  ])("%s", async (_what, custodians, code) => {
    for (const profile of ["genuine", "pico"] as const) {
      const { card, diary } = tokenWith({ profile });
      expect(await codeOf(loginByKeys(card, custodians, options)), profile).toBe(code);
      expect(diary).not.toContain("logged in");
    }
  });

  test("nobody to make a challenge for", async () => {
    const unnamed = { ...custodian("A"), holder: async () => null };
    expect(await codeOf(loginByKeys(tokenWith().card, [unnamed, custodian("B")], options))).toBe(
      "usage PKA_CUSTODIAN_UNNAMED",
    );
    expect(await codeOf(loginByKeys(tokenWith({ profile: "pico" }).card, [unnamed, custodian("B")], options))).toBe(
      "nothing was thrown",
    );
  });

  test("a token that says 9000 and does not count", async () => {
    const { card, diary } = tokenWith({ counts: false });
    expect(await codeOf(loginByKeys(card, two, options))).toBe("authentication PKA_TOO_FEW");
    expect(diary).not.toContain("logged in");
  });
});
