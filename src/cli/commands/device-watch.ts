import { toHex } from "../../bytes/hex.ts";
import { recogniseAtr } from "../../cards/smartcard-hsm/atr.ts";
import { exitCodes } from "../../errors.ts";
import type { Pcsc } from "../../transport/pcsc/pcsc.ts";
import type { ReaderEvent } from "../../transport/pcsc/reader-info.ts";
import type { CommandContext } from "../context.ts";
import { type DeviceSpec, parseDeviceSpec } from "../devices/device-spec.ts";
import { openPcscFor } from "../devices/reader-device.ts";
import { usage } from "../failure.ts";
import { printLine, schemaVersion } from "../output.ts";

/**
 * Tells what is put into readers and taken out: first what is there now, then every change as it happens. Looks at
 * readers only and connects to no card. Ends with 0 after `--timeout`, with 130 on Ctrl-C.
 */
export async function run(context: CommandContext): Promise<number | undefined> {
  const only = readerFilter(context);
  const seconds = context.args.seconds("timeout");
  const end = new AbortController();
  const stop = () => end.abort();
  const reasons = [context.signal, ...(context.io.outputGone === undefined ? [] : [context.io.outputGone])];
  for (const reason of reasons) reason.addEventListener("abort", stop);
  const pcsc = await openPcscFor(context);
  const timer = seconds === undefined ? undefined : setTimeout(stop, seconds * 1000);
  try {
    if (reasons.some(({ aborted }) => aborted)) stop();
    await tellEvents(context, pcsc, end.signal, only);
  } finally {
    clearTimeout(timer);
    for (const reason of reasons) reason.removeEventListener("abort", stop);
    await pcsc.close();
  }
  return context.signal.aborted ? exitCodes.interrupted : undefined;
}

/** Prints until `end`. */
export async function tellEvents(
  { io, output }: Pick<CommandContext, "io" | "output">,
  pcsc: Pick<Pcsc, "watch">,
  end: AbortSignal,
  only?: string,
): Promise<void> {
  if (!output.json) output.note("watching readers until Ctrl-C:");
  for await (const event of pcsc.watch(end)) {
    if (only !== undefined && "reader" in event && event.reader.name !== only) continue;
    if (output.json) io.stdout.write(`${JSON.stringify({ schemaVersion, ...eventDocument(event, io.now()) })}\n`);
    else printLine(io.stdout, `${clock(io.now())}  ${eventWords(event)}`);
  }
}

function eventDocument(event: ReaderEvent, now: Date): Record<string, unknown> {
  const reader = "reader" in event ? event.reader : null;
  return {
    command: "device watch",
    time: now.toISOString(),
    event: event.change,
    reader: reader?.name ?? null,
    state: reader?.state ?? null,
    atr: reader?.atr ? toHex(reader.atr) : null,
    card: cardName(event),
  };
}

function eventWords(event: ReaderEvent): string {
  switch (event.change) {
    case "service-stopped":
      return "the PC/SC service has stopped; waiting for it";
    case "service-started":
      return "the PC/SC service is back";
    case "reader-added":
      return `reader there   ${event.reader.name}`;
    case "reader-gone":
      return `reader gone    ${event.reader.name}`;
    case "card-inserted":
      return `card inserted  ${event.reader.name}${cardWords(event)}`;
    case "card-removed":
      return `card removed   ${event.reader.name}`;
    case "card-mute":
      return `card mute      ${event.reader.name}  (does not answer to power: wrong way round, or broken?)`;
  }
}

function cardWords(event: ReaderEvent): string {
  const name = cardName(event);
  const inUse = "reader" in event && event.reader.state === "in-use" ? "another program holds it" : undefined;
  const words = [name, inUse].filter((word) => word != null);
  return words.length === 0 ? "" : `  (${words.join(", ")})`;
}

function cardName(event: ReaderEvent): string | null {
  const atr = event.change === "card-inserted" ? event.reader.atr : null;
  return atr === null ? null : (recogniseAtr(atr)?.name ?? null);
}

/** Local time of day: a person compares it with a clock on the wall. */
function clock(now: Date): string {
  return [now.getHours(), now.getMinutes(), now.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

/** A reader named with `--device` is the only one told of. What the environment names is for other commands. */
function readerFilter({ args }: CommandContext): string | undefined {
  const text = args.text("device");
  const spec: DeviceSpec = parseDeviceSpec(text ?? "auto");
  switch (spec.kind) {
    case "auto":
      return undefined;
    case "pcsc":
    case "name":
      return spec.name;
    default:
      throw usage("DEVICE_SPEC_INVALID", "`device watch` looks at readers, and --device names none");
  }
}
