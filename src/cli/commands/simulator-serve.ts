import { isAuthenticatorProfileName } from "../../simulator/fido2/profile-names.ts";
import { serveVpcd, type VpcdEvent, vpcdPort } from "../../simulator/vpcd.ts";
import type { CommandContext } from "../context.ts";
import { readProfile } from "../devices/simulated-device.ts";
import { type NamedSimulated, openInReader, readSimulated } from "../devices/simulated-tokens.ts";
import { usage } from "../failure.ts";
import { simulatedMark } from "../wording.ts";

/** Puts simulated tokens into the virtual readers of vpcd until Ctrl-C. The first takes the port, each further one the next. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, output, signal } = context;
  const tokens = servedTokens(context);
  const first = args.integer("port", 1, 65_536 - tokens.length) ?? vpcdPort;
  const profileOf = profiles(args.text("profile"), tokens);
  if (context.globals.dryRun) {
    const plan = tokens.map(({ name, device }, i) => ({ name, device, port: first + i }));
    output.result(
      { dryRun: true, tokens: plan },
      plan.map(({ device, port }) => `would serve ${device} on port ${port}`),
    );
    return;
  }
  const opened: { device: string; channel: Awaited<ReturnType<typeof openInReader>> }[] = [];
  try {
    for (const token of tokens) {
      opened.push({ device: token.device, channel: await openInReader(context, token, profileOf(token)) });
    }
    output.note("serving until Ctrl-C:");
    const served = opened.map(({ device, channel }, i) => {
      output.note(`  ${device} (${simulatedMark}) on port ${first + i}`);
      const onEvent = (event: VpcdEvent) => output.note(`  ${device}: ${eventWords(event)}`);
      return serveVpcd(channel.token, { port: first + i, signal, onEvent });
    });
    await Promise.all(served);
    output.result({ served: tokens.map(({ name, device }, i) => ({ name, device, port: first + i })) }, []);
  } finally {
    for (const { channel } of opened) await channel.close();
  }
}

function eventWords(event: VpcdEvent): string {
  switch (event.kind) {
    case "connected":
      return "in its reader";
    case "disconnected":
      return "out of its reader, vpcd has gone; trying again";
    case "waiting":
      return `no vpcd yet (${event.reason}); trying again, is pcscd with vsmartcard-vpcd running?`;
  }
}

/** From the words, from `--device sim:a --device sim-fido:b`, and from `sim:a,sim-fido:b`. */
function servedTokens({ args, globals }: CommandContext): NamedSimulated[] {
  const words = [...args.texts("TOKENS"), ...globals.devices].flatMap((text) => text.split(","));
  const tokens = words.map(readSimulated);
  if (tokens.length === 0) throw usage("ARGUMENT_MISSING", "no simulated token is named", "give --device sim:NAME");
  if (new Set(tokens.map(({ device }) => device)).size < tokens.length)
    throw usage("OPTION_TWICE", "a simulated token is named twice");
  return tokens;
}

/** A profile is one of HSMs or one of authenticators: it goes to those, the others get their usual one. */
function profiles(text: string | undefined, tokens: readonly NamedSimulated[]) {
  const forAuthenticators = text !== undefined && isAuthenticatorProfileName(text);
  if (!forAuthenticators) readProfile(text);
  const kind = forAuthenticators ? "fido2" : "hsm";
  if (text !== undefined && !tokens.some((token) => token.kind === kind)) {
    throw usage("OPTION_VALUE", `--profile ${text} is none of what is served`);
  }
  return (token: NamedSimulated) => (token.kind === kind ? text : undefined);
}
