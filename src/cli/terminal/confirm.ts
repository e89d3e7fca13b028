import { HsmError } from "../../errors.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";
import { terminalOf } from "../secrets/secrets.ts";

export interface Destruction {
  /** `all keys and certificates on demo, UTSIM…`: what will be lost, one a line. */
  readonly losses: readonly string[];
  /** The serial (or what stands for it) that has to be typed. */
  readonly serial: string;
  /** Whether `--device` named this very token. */
  readonly exact: boolean;
  /** What `--device` has to say, where that is not the serial. */
  readonly device?: string;
}

/**
 * Lets the operator see what will be lost and wants the serial typed, or `--yes` together with an exact `--device`.
 * @throws HsmError `CONFIRMATION_MISSING` (usage) where nobody can be asked, `CANCELLED` when something else is typed
 */
export async function confirmDestruction(context: CommandContext, destruction: Destruction): Promise<void> {
  const { globals, output } = context;
  const { losses, serial, exact } = destruction;
  output.say("This will be lost for ever:");
  for (const loss of losses) output.say(`  ${loss}`);
  if (globals.yes && exact) return;
  const terminal = terminalOf(context);
  if (terminal === null) {
    throw usage(
      "CONFIRMATION_MISSING",
      globals.yes
        ? "--yes is not enough: --device does not name this very token"
        : "nobody can be asked whether that is meant",
      `give --yes together with --device ${destruction.device ?? serial}`,
    );
  }
  const typed = (await terminal.readLine(`Type the serial ${serial} to go on [Enter: stop]: `)).trim();
  if (typed !== serial) {
    throw new HsmError("CANCELLED", "cancelled", "that is not the serial, nothing was changed");
  }
}
