import { usage } from "../failure.ts";

/** The number of a slot, as `vault status` shows it. @throws HsmError `SLOT_ID_INVALID` (usage) */
export function slotId(text: string): number {
  const id = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (id >= 1) return id;
  throw usage("SLOT_ID_INVALID", "a slot is named by its number", "`hsmadm vault status` shows them");
}
