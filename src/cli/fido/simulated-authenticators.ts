import { existsSync } from "node:fs";
import type { CommandContext } from "../context.ts";
import type { Document } from "../output.ts";

export interface SimulatedAuthenticatorEntry extends Document {
  /** `sim-fido:NAME` */
  readonly device: string;
  readonly pinSet: boolean | null;
  /** Why nothing could be read. */
  readonly problem: string | null;
}

/** The simulated authenticators that exist, by name. None is opened. */
export async function listSimulatedAuthenticators({ paths }: CommandContext): Promise<SimulatedAuthenticatorEntry[]> {
  if (!existsSync(paths.simulator)) return [];
  const { listAuthenticators } = await import("../../simulator/fido2/authenticator-store.ts");
  return listAuthenticators(paths.simulator).map(({ name, pinSet, problem }) => ({
    device: `sim-fido:${name}`,
    pinSet,
    problem,
  }));
}
