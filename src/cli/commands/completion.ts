import { completionScripts } from "../completion/completion-scripts.ts";
import { isShell, shells } from "../completion/completion-shells.ts";
import type { CommandContext } from "../context.ts";
import { usage } from "../failure.ts";

/** The script a shell loads. */
export async function run({ args, output }: CommandContext): Promise<undefined> {
  const shell = args.required("SHELL");
  if (!isShell(shell)) throw usage("ARGUMENT_VALUE", `completion is there for ${shells.join(", ")}`);
  const script = completionScripts[shell];
  output.result({ shell, script }, script.trimEnd().split("\n"));
}
