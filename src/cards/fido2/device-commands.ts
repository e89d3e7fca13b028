import { utf8Bytes } from "../../bytes/bytes.ts";
import { makeCredential } from "./credential-commands.ts";
import { type CtapCommand, ctapCommands, ctapMessage, touchPatienceMs } from "./ctap-command.ts";
import { ctapError, ctapOk, ctapStatus } from "./ctap-status.ts";
import type { Fido2Session, Waiting } from "./fido2-session.ts";

/** authenticatorReset (CTAP 2.1 section 6.6). */
export const resetAuthenticator: CtapCommand<void> = {
  name: "authenticatorReset",
  message: ctapMessage(ctapCommands.reset),
  patienceMs: touchPatienceMs,
  parse() {},
};

/** authenticatorSelection (CTAP 2.1 section 6.9): just a touch. */
export const selection: CtapCommand<void> = {
  name: "authenticatorSelection",
  message: ctapMessage(ctapCommands.selection),
  patienceMs: touchPatienceMs,
  parse() {},
};

/**
 * Waits for a touch. A token of CTAP 2.0 does not know selection; there an empty pinUvAuthParam means the same, and the
 * answer is 35 or 31 ("PIN not set", "PIN invalid") though no PIN is judged and no try is spent.
 */
export async function selectByTouch(session: Fido2Session, waiting: Waiting): Promise<void> {
  if (session.info.versions.some((version) => /^FIDO_2_[1-9]$/.test(version))) return session.call(selection, waiting);
  const probe = makeCredential({
    clientDataHash: session.random.clientDataHash,
    rp: { id: "touch.invalid" },
    user: { id: utf8Bytes("touch"), name: "touch" },
    algorithms: [-7],
    auth: { param: new Uint8Array(0), protocol: 1 },
  });
  const { status } = await session.ask(probe, { ...waiting, patienceMs: touchPatienceMs });
  if (status === ctapOk || status === ctapStatus.pinNotSet || status === ctapStatus.pinInvalid) return;
  throw ctapError(status, selection.name, { token: session.token });
}
