import { keyNamed } from "../../cards/smartcard-hsm/keys/token-key.ts";
import type { CustodianCredentials } from "../../cards/smartcard-hsm/public-key-authentication/public-key-authentication.ts";
import { HsmError } from "../../errors.ts";
import { custodianCredentials } from "../../services/pka/custodian.ts";
import { decodeCustodianFile } from "../../services/pka/custodian-file.ts";
import type { CommandContext } from "../context.ts";
import { inTurn, type OpenDevice } from "../devices/device-session.ts";
import { tokenFacts } from "../facts.ts";
import { usage } from "../failure.ts";
import { readWhole } from "../keys/key-files.ts";
import { pinWishes } from "../secrets/pin-wishes.ts";
import { SecretReader } from "../secrets/secrets.ts";
import { tokenName } from "../wording.ts";
import { presentPin } from "./key-login.ts";
import { countWords } from "./pka-words.ts";

/** Registers custodians' keys, from files or from their tokens. Every key is read and checked before the first is sent. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, globals, output } = context;
  const pin = await new SecretReader(context).openIfGiven(pinWishes.pin);
  const files = args.texts("FILE");
  const tokens = args.texts("custodian");
  if (files.length + tokens.length === 0) {
    throw usage("OPTION_MISSING", "no custodian was named", "give files of `pka export`, or `--custodian DEVICE`");
  }
  const given: CustodianCredentials[] = [];
  for (const path of files) given.push(decodeCustodianFile(await readWhole(context, path)));
  await inTurn(context, async (open) => {
    for (const token of tokens) {
      await open(token, "shared", async (device) => {
        given.push(await fromToken(device, args.text("custodian-key")));
      });
    }
    refuseTwice(given);
    await open(globals.device ?? "auto", "exclusive", async (device) => {
      const { card } = device;
      const token = await tokenFacts(device);
      const name = await tokenName(device);
      const before = await card.publicKeys.status();
      const custodians = given.map(({ request }) => request.request.chr);
      if (before === null) throw notSetUp(name);
      if (given.length > before.missing) throw tooMany(name, given.length, before.missing);
      if (globals.dryRun) {
        const line = `would register ${custodians.join(", ")} on ${name}; nothing was sent`;
        output.result({ dryRun: true, token, custodians, status: before }, [line]);
        return;
      }
      for (const chr of custodians) {
        if ((await card.publicKeys.select(chr)) !== "unknown") throw registeredAlready(name, chr);
      }
      if (pin !== undefined) await presentPin(context, device, pin);
      let status = before;
      for (const credentials of given) status = await card.publicKeys.register(credentials);
      output.result({ token, custodians, status }, [
        ...custodians.map((chr) => `${chr} is registered on ${name}`),
        countWords(status),
      ]);
    });
  });
  return undefined;
}

async function fromToken(device: OpenDevice, wanted: string | undefined): Promise<CustodianCredentials> {
  const name = await tokenName(device);
  const keys = await device.card.listKeys();
  const suitable = keys.filter(({ kind }) => kind === "ec");
  const [only, ...others] = wanted === undefined ? suitable : [keyNamed(keys, wanted, name)];
  if (only === undefined || others.length > 0) {
    throw usage("KEY_AMBIGUOUS", `${name} has ${suitable.length} EC keys`, "say which with `--custodian-key KEY`");
  }
  return custodianCredentials(device.card, only, name);
}

function refuseTwice(given: readonly CustodianCredentials[]): void {
  const names = given.map(({ request }) => request.request.chr);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return;
  throw new HsmError("PKA_KEY_TWICE", "usage", `"${twice}" was named twice`, {
    advice: "each custodian has a key of their own; two keys with one name cannot be told apart",
  });
}

function registeredAlready(token: string, chr: string): HsmError {
  return new HsmError("PKA_KEY_TWICE", "conflict", `${token} has a key "${chr}" already`, {
    advice:
      "OpenSC gives all keys of a token one name, and emulators share serials: `hsmadm key generate --key-ref N` makes a key of another name",
    token,
  });
}

function notSetUp(token: string): HsmError {
  return new HsmError("PKA_NOT_SET_UP", "not-supported", `${token} was not initialised for login by keys`, {
    advice: "`hsmadm device init --pka 2-of-3` sets it up; it erases all keys on the token",
    token,
  });
}

function tooMany(token: string, given: number, missing: number): HsmError {
  return new HsmError("PKA_FULL", "conflict", `${token} has room for ${missing} more keys, not for ${given}`, {
    advice: "`hsmadm pka status` shows what is registered; nothing was sent",
    token,
  });
}
