import { existsSync } from "node:fs";
import { fileTaken } from "../../services/atomic-file.ts";
import { type Custodian, type LoginOutcome, loginByKeys } from "../../services/pka/pka-login.ts";
import type { CommandContext } from "../context.ts";
import { inTurn, type OpenDevice } from "../devices/device-session.ts";
import { usage } from "../failure.ts";
import type { Document } from "../output.ts";
import { pinWishes } from "../secrets/pin-wishes.ts";
import { type Secret, SecretReader, type SecretWish } from "../secrets/secrets.ts";
import { stakeWords, tokenName, tokenTitle } from "../wording.ts";
import { ChallengeFile, CustodianElsewhere } from "./custodian-elsewhere.ts";
import { CustodianHere } from "./custodian-here.ts";

/** Whether the command line names anybody who is to sign. */
export function namesCustodians({ args }: Pick<CommandContext, "args">): boolean {
  return args.texts("custodian").length + args.texts("answer").length > 0;
}

const defaultWaitSeconds = 600;

/**
 * Opens the token, has the custodians sign, and hands it over logged in. Everybody signs on this one connection; it is
 * closed when `work` is over, and the login with it.
 */
export async function withKeyLogin<T>(
  context: CommandContext,
  work: (device: OpenDevice, outcome: LoginOutcome) => Promise<T>,
): Promise<T> {
  const { args, globals, io, output } = context;
  const secrets = new SecretReader(context);
  const pins = await custodianPins(context, secrets);
  const userPin = await secrets.openIfGiven(pinWishes.pin);
  const elsewhere = answersElsewhere(context);
  return inTurn(context, (open) =>
    open(globals.device ?? "auto", "exclusive", async (device) => {
      const name = await tokenName(device);
      const here = args.texts("custodian").map((each, i) => {
        const opening = (work: (custodian: OpenDevice) => Promise<void>) => open(each, "exclusive", work);
        return new CustodianHere(each, opening, pins[i] as Secret, args.text("custodian-key"));
      });
      try {
        const custodians: readonly Custodian[] = [...here, ...elsewhere];
        const outcome = await loginByKeys(device.card, custodians, {
          token: name,
          now: io.now,
          onSigned: (chr, { authenticated, required }) =>
            output.note(`hsmadm: ${chr} has signed, ${authenticated} of ${required}`),
        });
        if (outcome.probe.status === "not-tried") {
          output.warn(
            `whether ${name} refuses to work with one custodian too few was not tried: ${outcome.probe.reason}`,
          );
        }
        if (outcome.pinToo) await presentPin(context, device, userPin ?? (await secrets.open(pinWishes.pin)));
        return await work(device, outcome);
      } finally {
        for (const custodian of here) await custodian.release();
      }
    }),
  );
}

/** Presents the user PIN to the token of the session. */
export async function presentPin(_context: CommandContext, device: OpenDevice, pin: Secret): Promise<void> {
  const title = await tokenTitle(device);
  await device.card.verifyUserPin((counter) => pin.value({ token: title, stake: stakeWords("user-pin", counter) }));
}

const custodianPin: SecretWish = { ...pinWishes.pin, option: "custodian-pin", name: "custodian's user PIN" };

/** A PIN for each custodian's token: one source for each, or one (or a prompt for each) for all. */
async function custodianPins({ args }: CommandContext, secrets: SecretReader): Promise<readonly Secret[]> {
  const tokens = args.texts("custodian");
  const sources = args.texts("custodian-pin");
  if (tokens.length === 0) return [];
  if (sources.length <= 1) {
    const secret = await secrets.openFrom(custodianPin, sources[0]);
    return tokens.map(() => secret);
  }
  if (sources.length !== tokens.length) {
    throw usage("OPTIONS_CONFLICT", `--custodian-pin was given ${sources.length} times for ${tokens.length} tokens`);
  }
  const found: Secret[] = [];
  for (const source of sources) found.push(await secrets.openFrom(custodianPin, source));
  return found;
}

function answersElsewhere(context: CommandContext): CustodianElsewhere[] {
  const { args, globals } = context;
  const answers = args.texts("answer");
  const path = args.text("challenge-out");
  if (answers.length === 0) {
    if (path !== undefined)
      throw usage("OPTION_MISSING", "--challenge-out wants --answer FILE, where the answer will be");
    return [];
  }
  if (path === undefined)
    throw usage("OPTION_MISSING", "--answer wants --challenge-out FILE, where the challenge goes");
  if (!globals.yes && existsSync(path)) throw fileTaken(path);
  const waitMs = Math.ceil((args.seconds("wait") ?? defaultWaitSeconds) * 1000);
  const challenge = new ChallengeFile(path, globals.yes);
  return answers.map((text) => new CustodianElsewhere(context, answerOption(text), challenge, waitMs));
}

/** `CHR=FILE` or `FILE`; a CHR is upper-case letters and digits. */
function answerOption(text: string): { chr: string | null; path: string } {
  const [, chr, path] = /^([A-Z0-9]{3,20})=(.+)$/.exec(text) ?? [];
  return chr === undefined || path === undefined ? { chr: null, path: text } : { chr, path };
}

/** A login as JSON documents tell it. */
export function loginFacts({ status, signed, probe, pinToo }: LoginOutcome): Document {
  return {
    ...status,
    signed,
    oneTooFew: { status: probe.status, reason: probe.status === "refused" ? null : probe.reason },
    pinToo,
  };
}
