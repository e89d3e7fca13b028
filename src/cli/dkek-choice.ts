import type { InitializeSettings } from "../cards/smartcard-hsm/initialize.ts";
import type { CommandContext } from "./context.ts";
import { usage } from "./failure.ts";
import { terminalOf } from "./secrets/secrets.ts";

export type DkekChoice = InitializeSettings["dkek"];

const mostShares = 255;

/**
 * Whether and how keys may leave the token: it can never be changed later. Read from the options, else asked for on a
 * terminal.
 * @returns `undefined` when neither says it: then the token gets no DKEK
 */
export async function chooseDkek(context: CommandContext): Promise<DkekChoice | undefined> {
  const { args } = context;
  const shares = args.text("dkek-shares");
  const domains = args.integer("key-domains", 1, 16);
  if (shares !== undefined && domains !== undefined) {
    throw usage("OPTIONS_CONFLICT", "--dkek-shares and --key-domains exclude each other");
  }
  if (domains !== undefined) return { kind: "key-domains", domains };
  if (shares !== undefined) {
    const choice = readShares(shares);
    if (choice === undefined) throw usage("OPTION_VALUE", `--dkek-shares wants 1 to ${mostShares}, random or none`);
    return choice;
  }
  return context.globals.dryRun ? undefined : ask(context);
}

async function ask(context: CommandContext): Promise<DkekChoice | undefined> {
  const terminal = terminalOf(context);
  if (terminal === null) return undefined;
  const { output } = context;
  output.say(
    "May keys ever leave this token, as encrypted backups or to a second token? This cannot be changed later.",
  );
  output.say(
    "  a number   that many DKEK shares are imported afterwards; with the same shares on a second token keys can move",
  );
  output.say("  random     a key made inside: backups can be restored on this very token only");
  output.say("  none       keys can never leave");
  for (let attempt = 0; attempt < 3; attempt++) {
    const typed = (await terminal.readLine("DKEK shares [number, random or none; Enter: none]: ")).trim();
    const choice = readShares(typed === "" ? "none" : typed);
    if (choice !== undefined) return choice;
    output.say(`hsmadm: that is neither a number from 1 to ${mostShares} nor random or none`);
  }
  throw usage("OPTION_VALUE", "no answer to the question about DKEK shares", "give --dkek-shares N|random|none");
}

function readShares(text: string): DkekChoice | undefined {
  if (text === "random" || text === "none") return { kind: text };
  const shares = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  return shares >= 1 && shares <= mostShares ? { kind: "shares", shares } : undefined;
}

export function dkekWords(dkek: DkekChoice): string {
  switch (dkek.kind) {
    case "none":
      return "none, keys can never leave";
    case "random":
      return "random, made inside";
    case "shares":
      return `${dkek.shares} ${dkek.shares === 1 ? "share" : "shares"}, to be imported`;
    case "key-domains":
      return `${dkek.domains} key ${dkek.domains === 1 ? "domain" : "domains"}`;
  }
}
