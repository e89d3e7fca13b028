import { equal } from "../../bytes/bytes.ts";
import type { AuthenticatorInfo } from "../../cards/fido2/authenticator-info.ts";
import { HsmError } from "../../errors.ts";
import type { Pcsc } from "../../transport/pcsc/pcsc.ts";
import type { TraceRecorder } from "../../transport/trace/recorder.ts";
import type { CommandContext } from "../context.ts";
import { asHsmError } from "../failure.ts";
import type { RawAuthenticator } from "./raw-authenticator.ts";
import { byHid, inConnectedReader } from "./reach-authenticator.ts";
import { openPcscFor } from "./reader-device.ts";

/** Where an authenticator is, or could be: a HID device that says it is one, a card in a reader. */
export interface AuthenticatorPlace {
  /** What to give to `--device`. */
  readonly spec: string;
  readonly product: string | null;
  readonly open: (recorder?: TraceRecorder) => Promise<RawAuthenticator>;
}

/** Every place, and the ways that could not be looked at. */
export interface AuthenticatorSearch {
  readonly places: readonly AuthenticatorPlace[];
  readonly problems: readonly HsmError[];
  readonly close: () => Promise<void>;
}

/** What getInfo says, which needs no touch and costs nothing. */
export type AuthenticatorLook = { readonly info: AuthenticatorInfo } | { readonly problem: HsmError };

/** Opens nothing yet. @throws HsmError of kind `interrupted` only */
export async function searchAuthenticators(context: CommandContext): Promise<AuthenticatorSearch> {
  const problems: HsmError[] = [];
  const notInterrupted = (error: unknown): void => {
    const problem = asHsmError(error);
    if (problem.kind === "interrupted") throw problem;
    problems.push(problem);
  };
  const byUsb = await hidPlaces(context).catch((error) => {
    notInterrupted(error);
    return [];
  });
  let pcsc: Pcsc | undefined;
  let inReaders: AuthenticatorPlace[] = [];
  try {
    pcsc = await openPcscFor(context);
    inReaders = await readerPlaces(context, pcsc);
  } catch (error) {
    await pcsc?.close();
    pcsc = undefined;
    notInterrupted(error);
  }
  return { places: [...byUsb, ...inReaders], problems, close: async () => pcsc?.close() };
}

async function hidPlaces(context: CommandContext): Promise<AuthenticatorPlace[]> {
  const { listHidAuthenticators } = await import("../../transport/hid/hid-devices.ts");
  return (await listHidAuthenticators()).map(({ path, product, manufacturer }) => {
    const name = [manufacturer, product].filter((part) => part !== null).join(" ") || null;
    return { spec: `fido:${path}`, product: name, open: (recorder) => byHid(context, path, name, recorder) };
  });
}

async function readerPlaces(context: CommandContext, pcsc: Pcsc): Promise<AuthenticatorPlace[]> {
  const readers = await pcsc.listReaders();
  return readers
    .filter(({ state }) => state !== "empty")
    .map(({ name }) => ({
      spec: `pcsc:${name}`,
      product: null,
      open: (recorder) => inConnectedReader(context, pcsc, name, recorder),
    }));
}

/** Asks for getInfo and gives the authenticator back. @throws HsmError of kind `interrupted` only */
export async function lookAtAuthenticator(place: AuthenticatorPlace): Promise<AuthenticatorLook> {
  try {
    const raw = await place.open();
    try {
      const { exchangeCtap } = await import("../../cards/fido2/ctap-command.ts");
      const { getInfo } = await import("../../cards/fido2/authenticator-info.ts");
      return { info: await exchangeCtap(raw.ctap, getInfo) };
    } finally {
      await raw.close();
    }
  } catch (error) {
    const problem = asHsmError(error);
    if (problem.kind === "interrupted") throw problem;
    return { problem };
  }
}

/**
 * The one authenticator there is, or the one of a model.
 * @throws HsmError of kind `device`: none, several
 */
export async function chooseAuthenticator(
  context: CommandContext,
  aaguid: Uint8Array | null,
  recorder: TraceRecorder | undefined,
): Promise<RawAuthenticator> {
  const search = await searchAuthenticators(context);
  try {
    const fitting: AuthenticatorPlace[] = [];
    for (const place of search.places) {
      const look = await lookAtAuthenticator(place);
      if ("info" in look && (aaguid === null || equal(look.info.aaguid, aaguid))) fitting.push(place);
    }
    const [place, ...others] = fitting;
    if (place === undefined) throw noneThere(search.problems, aaguid !== null);
    if (others.length > 0) throw severalThere(fitting, aaguid !== null);
    const raw = await place.open(recorder);
    return {
      ...raw,
      close: async () => {
        await raw.close();
        await search.close();
      },
    };
  } catch (error) {
    await search.close();
    throw error;
  }
}

function noneThere(problems: readonly HsmError[], ofModel: boolean): HsmError {
  const what = ofModel ? "no FIDO2 authenticator of this AAGUID is there" : "no FIDO2 authenticator is there";
  const looked = problems.map((problem) => `not looked at: ${problem.message}`);
  const without = "without one: `--device sim-fido:demo` gives a simulated authenticator to try everything with";
  return new HsmError("AUTHENTICATOR_NOT_FOUND", "device", what, {
    advice: ["`hsmadm fido list --device auto` shows what is there", ...looked, without].join("\n"),
  });
}

function severalThere(places: readonly AuthenticatorPlace[], ofModel: boolean): HsmError {
  const message = `${places.length} FIDO2 authenticators ${ofModel ? "of this AAGUID " : ""}are there, say which`;
  return new HsmError("DEVICE_AMBIGUOUS", "device", message, {
    advice: [
      "give one of:",
      ...places.map(({ spec, product }) => `  --device "${spec}"  ${product ?? ""}`.trimEnd()),
    ].join("\n"),
    details: { authenticators: places.map(({ spec, product }) => ({ device: spec, product })) },
  });
}
