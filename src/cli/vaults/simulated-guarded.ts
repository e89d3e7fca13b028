import type { CommandContext } from "../context.ts";
import { inTurn } from "../devices/device-session.ts";
import { reachAuthenticator } from "../devices/reach-authenticator.ts";
import type { SimulatedEntry } from "../devices/simulated-tokens.ts";
import { simulatedMark } from "../wording.ts";
import { refuseLastOpener, refuseUnacknowledged } from "./vault-guarded.ts";
import { vaultState } from "./vault-session.ts";

/**
 * Before a simulated token is reset or removed: as before any other that is erased. One whose file is damaged opens
 * nothing anyway.
 * @throws HsmError `VAULT_ONLY_OPENER` (refused)
 */
export async function refuseLastSimulated(context: CommandContext, token: SimulatedEntry): Promise<string[]> {
  if (token.problem !== null || token.initialised === false) return [];
  if ((await (await vaultState(context)).all()).length === 0) return [];
  const name = `${token.device} (${simulatedMark})`;
  if (token.kind === "hsm") {
    return inTurn(context, (open) =>
      open(token.device, "exclusive", ({ card }) => refuseLastOpener(context, card, name)),
    );
  }
  const [{ Fido2Authenticator }, { endangeredWith }] = await Promise.all([
    import("../../cards/fido2/authenticator.ts"),
    import("./authenticator-guarded.ts"),
  ]);
  const raw = await reachAuthenticator(context, { kind: "simulated", name: token.name }, undefined);
  try {
    const authenticator = await Fido2Authenticator.open(raw.ctap);
    return refuseUnacknowledged(context, name, await endangeredWith(context, authenticator));
  } finally {
    await raw.close();
  }
}
