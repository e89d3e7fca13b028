import { createHash } from "node:crypto";
import { utf8Bytes } from "../../bytes/bytes.ts";
import { optionBits } from "../../cards/smartcard-hsm/application.ts";
import { keyName, type TokenKey } from "../../cards/smartcard-hsm/keys/token-key.ts";
import type { AuthenticationStatus } from "../../cards/smartcard-hsm/public-key-authentication/authentication-commands.ts";
import type { SmartCardHsm } from "../../cards/smartcard-hsm/smartcard-hsm.ts";
import { HsmError } from "../../errors.ts";
import { type LoginAnswer, type LoginChallenge, needAnswerTo } from "./login-files.ts";

export type LoginCard = Pick<
  SmartCardHsm,
  "publicKeys" | "identity" | "application" | "listKeys" | "keyMetadata" | "sign" | "logout" | "admit"
>;

/** One who signs: with a token here, or elsewhere by way of files. */
export interface Custodian {
  /** For messages. */
  readonly title: string;
  /**
   * The key that will sign, where it is known before.
   * @param isRegistered asks the target
   */
  holder(isRegistered: (chr: string) => Promise<boolean>): Promise<string | null>;
  answer(challenge: LoginChallenge): Promise<LoginAnswer>;
}

/** Whether the token refuses to work while one signature is missing. */
export type EnforcementProbe =
  | { readonly status: "refused" }
  /** Nothing on it could be tried. */
  | { readonly status: "not-tried"; readonly reason: string };

export interface LoginOutcome {
  readonly status: AuthenticationStatus;
  /** CHRs of who has signed. */
  readonly signed: readonly string[];
  readonly probe: EnforcementProbe;
  /** The token wants its user PIN as well. */
  readonly pinToo: boolean;
}

export interface LoginOptions {
  readonly token: string;
  readonly now: () => Date;
  /** Told when a custodian has signed. */
  readonly onSigned?: (chr: string, status: AuthenticationStatus) => void;
}

/**
 * Lets custodians sign until as many have as it takes. With one missing, a signature is asked of the token, which it must
 * refuse. The login lasts as long as the connection.
 * @throws HsmError `PKA_NOT_SET_UP` (not-supported), `PKA_KEYS_MISSING`, `PKA_TOO_FEW` (authentication),
 *   `PKA_NOT_REGISTERED` (conflict), `PKA_NOT_ENFORCED` (check-failed)
 */
export async function loginByKeys(
  card: LoginCard,
  custodians: readonly Custodian[],
  options: LoginOptions,
): Promise<LoginOutcome> {
  const { token } = options;
  await card.admit();
  const before = await needSetUp(card, token);
  const { required, authenticated } = before;
  const wanted = required - authenticated;
  if (custodians.length < wanted) throw tooFew(token, custodians.length, before);
  const round = card.application.profile === "pico" ? sharedChallenge(card, options) : ownChallenges(card, options);
  const signed: string[] = [];
  let status = before;
  let probe: EnforcementProbe = { status: "not-tried", reason: "enough had signed already" };
  const answers = await round(custodians.slice(0, wanted), signed);
  for await (const present of answers) {
    if (status.required - status.authenticated === 1) probe = await probeEnforcement(card, status, token);
    signed.push(await present());
    status = await needSetUp(card, token);
    options.onSigned?.(signed.at(-1) ?? "", status);
  }
  if (status.authenticated < status.required) throw tooFew(token, signed.length, status);
  const pinToo = combined(card);
  if (!pinToo) card.publicKeys.noteLogin();
  return { status, signed, probe, pinToo };
}

/** Presents one signature; gives who signed. */
type Present = () => Promise<string>;
type Round = (custodians: readonly Custodian[], signed: readonly string[]) => Promise<AsyncIterable<Present>>;

/** Genuine cards: for each key its own sequence of naming it, challenge, signature. */
function ownChallenges(card: LoginCard, { token, now }: LoginOptions): Round {
  const { publicKeys } = card;
  return async (custodians, signed) =>
    (async function* () {
      for (const custodian of custodians) {
        const chr = await custodian.holder(async (each) => (await publicKeys.select(each)) === "known");
        if (chr === null) throw unnamed(custodian);
        // Probing is between two custodians, never between a challenge and its answer.
        yield async () => {
          await selectKey(card, chr, signed, token);
          const challenge = await newChallenge(card, chr, now);
          const answer = await custodian.answer(challenge);
          needAnswerTo(challenge, answer);
          await publicKeys.authenticate(answer.signature);
          return chr;
        };
      }
    })();
}

/** Pico HSM: a new challenge forgets who has signed, so one serves all. */
function sharedChallenge(card: LoginCard, { token, now }: LoginOptions): Round {
  const { publicKeys } = card;
  return async (custodians, signed) => {
    const holders: (string | null)[] = [];
    for (const custodian of custodians) {
      holders.push(await custodian.holder(async (each) => (await publicKeys.select(each)) === "known"));
    }
    const challenge = await newChallenge(card, null, now);
    return (async function* () {
      for (const [i, custodian] of custodians.entries()) {
        yield async () => {
          const own = { ...challenge, custodian: holders[i] ?? null };
          const answer = await custodian.answer(own);
          needAnswerTo(own, answer);
          await selectKey(card, answer.custodian, signed, token);
          await publicKeys.authenticate(answer.signature);
          return answer.custodian;
        };
      }
    })();
  };
}

async function newChallenge(card: LoginCard, custodian: string | null, now: () => Date): Promise<LoginChallenge> {
  const { chr } = await card.identity();
  return { device: chr, challenge: await card.publicKeys.challenge(), custodian, made: now().toISOString() };
}

async function selectKey(card: LoginCard, chr: string, signed: readonly string[], token: string): Promise<void> {
  const state = signed.includes(chr) ? "done" : await card.publicKeys.select(chr);
  if (state === "known") return;
  throw state === "done"
    ? new HsmError("PKA_ALREADY_AUTHENTICATED", "conflict", `"${chr}" has signed already, and counts once`, {
        advice: "have another custodian sign",
        token,
      })
    : new HsmError("PKA_NOT_REGISTERED", "conflict", `"${chr}" is not registered on ${token}`, {
        advice: "`hsmadm pka status` shows who is",
        token,
      });
}

async function needSetUp(card: LoginCard, token: string): Promise<AuthenticationStatus> {
  const status = await card.publicKeys.status();
  if (status === null) {
    throw new HsmError("PKA_NOT_SET_UP", "not-supported", `${token} was not initialised for login by keys`, {
      advice: "`hsmadm device init --pka 2-of-3` sets it up; it erases all keys on the token",
      token,
    });
  }
  const registered = status.total - status.missing;
  if (registered >= status.required) return status;
  throw new HsmError(
    "PKA_KEYS_MISSING",
    "authentication",
    `${token} has ${registered} of ${status.total} custodians' keys, and ${status.required} must sign`,
    { advice: "`hsmadm pka register` registers the others", token },
  );
}

function tooFew(token: string, signed: number, { required }: AuthenticationStatus): HsmError {
  return new HsmError(
    "PKA_TOO_FEW",
    "authentication",
    `${token} wants the signatures of ${required} custodians, not ${signed}`,
    {
      advice: "name more of them with `--custodian DEVICE` or `--answer FILE`",
      token,
    },
  );
}

function unnamed({ title }: Custodian): HsmError {
  return new HsmError(
    "PKA_CUSTODIAN_UNNAMED",
    "usage",
    `this token makes each custodian a challenge, and ${title} does not say for whom`,
    {
      advice: "give `--answer CHR=FILE`; `hsmadm pka export` told the custodian's CHR",
    },
  );
}

function combined({ application }: Pick<LoginCard, "application">): boolean {
  return ((application.options ?? 0) & optionBits.combined) !== 0;
}

/** Nobody has use for a signature over this, should the token give one. */
const probeMessage = "hsmadm asks for a signature that must be refused";

/**
 * With one signature missing, a key on the token must not work.
 * @throws HsmError `PKA_NOT_ENFORCED` (check-failed) when it does; the token is logged out then
 */
async function probeEnforcement(
  card: LoginCard,
  { authenticated, required }: AuthenticationStatus,
  token: string,
): Promise<EnforcementProbe> {
  const keys = await card.listKeys();
  let reason = "the token has no key that could be tried";
  for (const key of keys.filter(({ kind }) => kind === "ec" || kind === "rsa")) {
    const full = { ...key, metadata: await card.keyMetadata(key.ref) };
    // A use that counts is not spent on a trial.
    if (full.metadata !== null && full.metadata.usesLeft !== null) continue;
    try {
      await trySigning(card, full);
    } catch (error) {
      if (!(error instanceof HsmError)) throw error;
      if (error.code === "NOT_LOGGED_IN") return { status: "refused" };
      reason = error.message;
      continue;
    }
    await card.logout();
    throw new HsmError(
      "PKA_NOT_ENFORCED",
      "check-failed",
      `${token} signed with ${keyName(key)} after ${authenticated} of ${required} custodians: it skips the check that enough have signed before a key is used`,
      { advice: "do not rely on n-of-m login with this token; its firmware accepts the setting and ignores it", token },
    );
  }
  return { status: "not-tried", reason };
}

async function trySigning(card: Pick<LoginCard, "sign">, key: TokenKey): Promise<void> {
  const digest = new Uint8Array(createHash("sha256").update(utf8Bytes(probeMessage)).digest());
  const scheme = key.kind === "ec" ? "ecdsa" : "pkcs1";
  await card.sign(key, { scheme, hash: "sha256", digest: true }, digest);
}
