import { exitCodes } from "../../errors.ts";
import type { CommandContext } from "../context.ts";
import { asHsmError } from "../failure.ts";
import { slotId } from "../vaults/slot-id.ts";
import { openerWords, slotName, vaultFacts } from "../vaults/vault-facts.ts";
import { withVault } from "../vaults/vault-session.ts";

/** Opens each slot whose keys are here: a backup that was never tried is none. */
export async function run(context: CommandContext): Promise<number | undefined> {
  const { args, output } = context;
  const wanted = args.texts("slot").map(slotId);
  return withVault(
    context,
    { write: false, thorough: true, ...(wanted.length === 0 ? {} : { only: wanted }) },
    async ({ vault, sources }) => {
      const rows = [];
      for (const slot of vault.slots.filter(({ id }) => wanted.length === 0 || wanted.includes(id))) {
        const row = { slot: slot.id, label: slot.label, opener: openerWords(slot) };
        try {
          const { by } = await vault.testSlot(slot.id, sources.sources);
          rows.push({ ...row, opens: true, by: by.map(({ title }) => title), problem: null, absent: false });
        } catch (error) {
          const { code, kind, message } = asHsmError(error);
          if (kind === "interrupted") throw error;
          rows.push({ ...row, opens: false, by: [], problem: { code, message }, absent: kind === "device" });
        }
      }
      const lines = rows.map(({ slot, label, opens, by, problem, absent, opener }) => {
        const name = slotName({ id: slot, label });
        if (opens) return `slot ${name}: opens, with ${by.join(" and ")}`;
        return absent
          ? `slot ${name}: not tried, not here: ${opener}`
          : `slot ${name}: DOES NOT OPEN: ${problem?.message}`;
      });
      output.result({ vault: vaultFacts(vault), slots: rows }, lines);
      return rows.some(({ opens, absent }) => !opens && !absent) ? exitCodes["check-failed"] : undefined;
    },
  );
}
