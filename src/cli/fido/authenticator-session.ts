import type { CtapChannel } from "../../apdu/ctap-channel.ts";
import type { Fido2Authenticator } from "../../cards/fido2/authenticator.ts";
import type { CommandContext } from "../context.ts";
import { parseAuthenticatorSpec } from "../devices/authenticator-spec.ts";
import { watchedAuthenticator } from "../devices/authenticator-watch.ts";
import { startRecorder } from "../devices/device-session.ts";
import type { RawAuthenticator } from "../devices/raw-authenticator.ts";
import { reachAuthenticator } from "../devices/reach-authenticator.ts";
import { simulatedMark } from "../wording.ts";

/** An authenticator that was found and opened, until it is closed. */
export interface OpenAuthenticator {
  readonly authenticator: Fido2Authenticator;
  /** What to give to `--device`. */
  readonly device: string;
  /** As its maker calls it, where that is known. */
  readonly product: string | null;
  /** It says SIMULATED wherever a person looks. */
  readonly simulated: boolean;
  readonly replayed: boolean;
  /** Whose PIN a prompt asks for: `sim-fido:demo, SIMULATED`. */
  readonly title: string;
  /** As results name it: `sim-fido:demo (SIMULATED)`. */
  readonly name: string;
  /** @throws HsmError of a trace that was not followed to its end */
  readonly complete: () => void;
  readonly close: () => Promise<void>;
}

/** One exchange: getInfo. Nothing is asked of the operator, no try is spent. */
async function openReached(context: CommandContext, raw: RawAuthenticator): Promise<OpenAuthenticator> {
  const name = raw.product ?? raw.spec;
  try {
    const { Fido2Authenticator } = await import("../../cards/fido2/authenticator.ts");
    const onTouch = () => context.output.say(`hsmadm: touch ${name} to go on`);
    const watched = (channel: CtapChannel) => watchedAuthenticator(channel, { signal: context.signal, onTouch });
    const { ctap, vendorChannel } = raw;
    const authenticator = await Fido2Authenticator.open(watched(ctap), {
      policy: { minTries: context.globals.minTries },
      vendorChannel: vendorChannel === undefined ? undefined : watched(vendorChannel),
    });
    const simulated = raw.simulated || isSimulatedModel(authenticator.info.aaguid);
    return {
      authenticator,
      device: raw.spec,
      product: raw.product,
      simulated,
      replayed: raw.replayed,
      title: simulated ? `${name}, ${simulatedMark}` : name,
      name: simulated ? `${name} (${simulatedMark})` : name,
      complete: () => raw.complete?.(),
      async close() {
        try {
          await authenticator.close();
        } finally {
          await raw.close();
        }
      },
    };
  } catch (error) {
    await raw.close();
    throw error;
  }
}

/**
 * Opens the authenticator the command line names, hands it to `work` and gives it back, whatever happens.
 * @throws HsmError `AUTHENTICATOR_NOT_NAMED` (device) where the command line names none: then nothing is touched
 */
export async function withAuthenticator<T>(
  context: CommandContext,
  work: (open: OpenAuthenticator) => Promise<T>,
): Promise<T> {
  const spec = parseAuthenticatorSpec(context.globals.device);
  const recorder = await startRecorder(context);
  let reached = false;
  try {
    const raw = await reachAuthenticator(context, spec, recorder);
    // From here on a failure is what one records for.
    reached = true;
    const open = await openReached(context, raw);
    let result: T;
    try {
      result = await work(open);
    } finally {
      await open.close();
    }
    open.complete();
    return result;
  } finally {
    await (reached ? recorder?.finish() : recorder?.abandon());
  }
}

/** Behind a virtual reader only its AAGUID, "hsmadm simulated", tells what it is. */
export function isSimulatedModel(aaguid: Uint8Array): boolean {
  return new TextDecoder().decode(aaguid) === "hsmadm simulated";
}
