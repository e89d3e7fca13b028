import type { InitializeSettings } from "../cards/smartcard-hsm/initialize.ts";
import { encodeTokenInfo } from "../cards/smartcard-hsm/pkcs15-token-info.ts";
import type { CommandArguments } from "./arguments.ts";
import { type DkekChoice, dkekWords } from "./dkek-choice.ts";
import { usage } from "./failure.ts";

/** What `device init` was told on the command line; the PINs come later. */
export interface InitOptions {
  readonly label: string | undefined;
  readonly retries: number;
  readonly transportPin: boolean;
  readonly pinReset: NonNullable<InitializeSettings["pinReset"]>;
  readonly publicKeyAuthentication: { readonly required: number; readonly total: number } | undefined;
}

/** @throws HsmError of kind `usage` */
export function readInitOptions(args: CommandArguments): InitOptions {
  const label = args.text("label");
  if (label !== undefined) encodeTokenInfo(label); // refuses what the token could not hold
  if (args.flag("no-pin-reset") && args.flag("pin-reset-only-counter")) {
    throw usage("OPTIONS_CONFLICT", "--no-pin-reset and --pin-reset-only-counter exclude each other");
  }
  return {
    label,
    retries: args.integer("retries", 1, 10) ?? 3,
    transportPin: args.flag("transport-pin"),
    pinReset: args.flag("no-pin-reset")
      ? "never"
      : args.flag("pin-reset-only-counter")
        ? "counter-only"
        : "with-new-pin",
    publicKeyAuthentication: readPka(args.text("pka")),
  };
}

function readPka(text: string | undefined): InitOptions["publicKeyAuthentication"] {
  if (text === undefined) return undefined;
  const match = /^(\d{1,2})-of-(\d{1,2})$/.exec(text);
  const required = Number(match?.[1] ?? 0);
  const total = Number(match?.[2] ?? 0);
  if (!(required >= 1 && required <= total)) throw usage("OPTION_VALUE", "--pka wants N-of-M, for example 2-of-3");
  return { required, total };
}

/** The plan for people, before anything is sent. */
export function planRows(options: InitOptions, dkek: DkekChoice): [string, string][] {
  const { label, retries, transportPin, pinReset, publicKeyAuthentication: pka } = options;
  const reset = {
    "with-new-pin": "the SO-PIN can set a new user PIN",
    "counter-only": "the SO-PIN can give the user PIN its tries back",
    never: "nothing can unblock the user PIN",
  };
  const rows: [string, string][] = [
    ["Label", label ?? "none"],
    ["User PIN tries", String(retries)],
    ["PIN reset", reset[pinReset]],
    ["DKEK", dkekWords(dkek)],
  ];
  if (transportPin) rows.push(["Transport PIN", "the user PIN must be changed before first use"]);
  if (pka) rows.push(["Public keys", `${pka.required} of ${pka.total} log in`]);
  return rows;
}
