import { serveVpcd, type VpcdEvent, vpcdPort } from "../../simulator/vpcd.ts";
import type { CommandContext } from "../context.ts";
import { simulatedName } from "../devices/device-spec.ts";
import { readProfile, simulatedFile, simulatorWorld } from "../devices/simulated-device.ts";
import { usage } from "../failure.ts";
import { ensurePrivateFolder } from "../paths.ts";
import { simulatedMark } from "../wording.ts";

/** Puts simulated tokens into the virtual readers of vpcd until Ctrl-C. The first takes the port, each further one the next. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, io, output, paths, signal } = context;
  const names = servedNames(context);
  const first = args.integer("port", 1, 65_536 - names.length) ?? vpcdPort;
  const profile = readProfile(args.text("profile"));
  if (context.globals.dryRun) {
    const plan = names.map((name, i) => ({ name, port: first + i }));
    output.result(
      { dryRun: true, tokens: plan },
      plan.map(({ name, port }) => `would serve sim:${name} on port ${port}`),
    );
    return;
  }
  const { openTokenFile } = await import("../../simulator/token-store.ts");
  await ensurePrivateFolder(paths.simulator);
  const opened: { name: string; token: Awaited<ReturnType<typeof openTokenFile>> }[] = [];
  try {
    for (const name of names) {
      const options = {
        world: await simulatorWorld(io, name),
        create: true,
        ...(profile === undefined ? {} : { profile }),
      };
      opened.push({ name, token: await openTokenFile(simulatedFile(context, name), options) });
    }
    output.note("serving until Ctrl-C:");
    const served = opened.map(({ name, token }, i) => {
      output.note(`  sim:${name} (${simulatedMark}) on port ${first + i}`);
      const onEvent = (event: VpcdEvent) => output.note(`  sim:${name}: ${eventWords(event)}`);
      return serveVpcd(token.token, { port: first + i, signal, onEvent });
    });
    await Promise.all(served);
    output.result({ served: names.map((name, i) => ({ name, port: first + i })) }, []);
  } finally {
    for (const { token } of opened) await token.close();
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

/** From the words, from `--device sim:a --device sim:b`, and from `sim:a,sim:b`. */
function servedNames({ args, globals }: CommandContext): string[] {
  const words = [...args.texts("TOKENS"), ...globals.devices].flatMap((text) => text.split(","));
  const names = words.map((word) => {
    if (word.includes(":") && !word.startsWith("sim:")) {
      throw usage("DEVICE_SPEC_INVALID", "only simulated tokens, sim:NAME, can be served");
    }
    return simulatedName(word.startsWith("sim:") ? word.slice(4) : word);
  });
  if (names.length === 0) throw usage("ARGUMENT_MISSING", "no simulated token is named", "give --device sim:NAME");
  if (new Set(names).size < names.length) throw usage("OPTION_TWICE", "a simulated token is named twice");
  return names;
}
