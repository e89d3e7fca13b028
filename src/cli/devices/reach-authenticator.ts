import type { CardChannel } from "../../apdu/channel.ts";
import { HsmError } from "../../errors.ts";
import type { Pcsc } from "../../transport/pcsc/pcsc.ts";
import type { TraceRecorder } from "../../transport/trace/recorder.ts";
import type { CommandContext } from "../context.ts";
import { asHsmError } from "../failure.ts";
import { throwIfInterrupted } from "../interruption.ts";
import type { AuthenticatorSpec } from "./authenticator-spec.ts";
import { nothingThere } from "./choose-reader.ts";
import type { RawAuthenticator } from "./raw-authenticator.ts";
import { openPcscFor } from "./reader-device.ts";

/** A layer above gives up a little later than the reader host, so that the host's own words are heard. */
const graceMs = 1000;
/** The CTAPHID command under which Pico FIDO takes its vendor commands; no other maker's are known here. */
const hidVendorCommand = 0x41;

/** Opens the way to the authenticator that the command line means. Nothing is loaded for the other ways. */
export async function reachAuthenticator(
  context: CommandContext,
  spec: AuthenticatorSpec,
  recorder: TraceRecorder | undefined,
): Promise<RawAuthenticator> {
  switch (spec.kind) {
    case "simulated": {
      const { openSimulatedAuthenticator } = await import("./simulated-authenticator.ts");
      const { vendorChannel } = await import("../../simulator/fido2/vendor-channel.ts");
      const channel = await openSimulatedAuthenticator(context, spec.name);
      const facts = { spec: `sim-fido:${spec.name}`, simulated: true, replayed: false };
      return { ...(await inReader(context, channel, recorder, facts)), vendorChannel: vendorChannel(channel) };
    }
    case "trace": {
      const { openTrace } = await import("./trace-device.ts");
      const { channel, complete } = await openTrace(context, spec.path);
      const raw = await inReader(context, channel, recorder, {
        spec: `trace:${spec.path}`,
        simulated: false,
        replayed: true,
      });
      return { ...raw, ...(complete === undefined ? {} : { complete }) };
    }
    case "hid":
      return byHid(context, spec.path, null, recorder);
    case "reader":
      return inNamedReader(context, spec.name, recorder);
    default: {
      const { chooseAuthenticator } = await import("./authenticator-search.ts");
      return chooseAuthenticator(context, spec.kind === "model" ? spec.aaguid : null, recorder);
    }
  }
}

/** Over USB. A recording shows what would have been said to it in a reader. */
export async function byHid(
  context: CommandContext,
  path: string,
  product: string | null,
  recorder: TraceRecorder | undefined,
): Promise<RawAuthenticator> {
  throwIfInterrupted(context.signal);
  const { openHid } = await import("../../transport/hid/hid-devices.ts");
  const facts = { spec: `fido:${path}`, product, simulated: false, replayed: false };
  try {
    const hid = await openHid(path, { timing: { deadlineMs: context.globals.timeoutMs } });
    const vendorChannel = hid.vendorChannel(hidVendorCommand);
    if (recorder === undefined) return { ...facts, ctap: hid, vendorChannel, close: () => hid.close() };
    const { ctapAsCard } = await import("../../transport/hid/ctap-as-card.ts");
    return { ...(await inReader(context, ctapAsCard(hid), recorder, facts)), vendorChannel };
  } catch (error) {
    if (asHsmError(error).kind !== "interrupted") recorder?.recordFailedConnect(`hid ${path}`, error);
    throw error;
  }
}

async function inNamedReader(
  context: CommandContext,
  name: string,
  recorder: TraceRecorder | undefined,
): Promise<RawAuthenticator> {
  const pcsc = await openPcscFor(context);
  try {
    const readers = await pcsc.listReaders();
    const reader = readers.find((one) => one.name === name);
    if (reader === undefined) {
      if (readers.length === 0) throw nothingThere(readers, name);
      throw new HsmError("DEVICE_NOT_FOUND", "device", `no reader is "${name}"`, {
        advice: ["authenticators are named by reader; there are:", ...readers.map((one) => `  ${one.name}`)].join("\n"),
      });
    }
    const raw = await inConnectedReader(context, pcsc, name, recorder);
    return {
      ...raw,
      close: async () => {
        await raw.close();
        await pcsc.close();
      },
    };
  } catch (error) {
    await pcsc.close();
    throw error;
  }
}

/** The card in a reader; giving it back leaves PC/SC open. */
export async function inConnectedReader(
  context: CommandContext,
  pcsc: Pcsc,
  reader: string,
  recorder: TraceRecorder | undefined,
): Promise<RawAuthenticator> {
  throwIfInterrupted(context.signal);
  const channel = await pcsc.connect(reader, { share: "exclusive" }).catch((error: unknown) => {
    if (asHsmError(error).kind !== "interrupted") recorder?.recordFailedConnect(`reader "${reader}"`, error);
    throw error;
  });
  return inReader(context, channel, recorder, { spec: `pcsc:${reader}`, simulated: false, replayed: false });
}

/** CTAP over APDUs. The applet is selected by the first command. */
async function inReader(
  context: CommandContext,
  channel: CardChannel,
  recorder: TraceRecorder | undefined,
  facts: Pick<RawAuthenticator, "spec" | "simulated" | "replayed"> & { readonly product?: string | null },
): Promise<RawAuthenticator> {
  const [{ standardStack }, { ctapOverCard }] = await Promise.all([
    import("../../apdu/standard-stack.ts"),
    import("../../cards/fido2/ctap-over-apdu.ts"),
  ]);
  let open = channel;
  try {
    if (recorder !== undefined) {
      const { fido2Redactor } = await import("../../cards/fido2/fido2-redactor.ts");
      open = recorder.record(channel, fido2Redactor());
    }
    open = standardStack(open, { deadlineMs: context.globals.timeoutMs + graceMs });
    const ctap = ctapOverCard(open);
    return { product: null, ...facts, ctap, close: () => ctap.close() };
  } catch (error) {
    await open.close();
    throw error;
  }
}
