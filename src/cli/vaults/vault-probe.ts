import { leavesOf, type Slot } from "../../crypto/vault/leaf.ts";
import { HsmError } from "../../errors.ts";
import type { LeafRef } from "../../services/vault/key-source.ts";
import { neededLegs } from "../../services/vault/unlock/unlock-plan.ts";
import type { CommandContext } from "../context.ts";
import { asHsmError } from "../failure.ts";
import type { Document } from "../output.ts";
import { namedDevices } from "./vault-devices.ts";
import { withSources } from "./vault-sources.ts";

export interface Probed {
  readonly facts: Document;
  readonly words: readonly string[];
  /** Whether what is here could open a slot. */
  readonly opens: boolean;
}

/** Looks silently which keys are here: no try is spent, nobody is asked, nothing has to be touched. */
export async function probe(context: CommandContext, slots: readonly Slot[]): Promise<Probed> {
  if (namedDevices(context).length === 0) {
    throw new HsmError("DEVICE_POLICY", "device", "--probe looks at devices, and none is named", {
      advice: "give `--device auto` for all that are attached, or name them",
    });
  }
  const refs: LeafRef[] = slots.flatMap(({ id, holder }) =>
    leavesOf(holder).map((leaf, leg) => ({ slot: id, leg, leaf })),
  );
  return withSources(context, { thorough: true, withoutPassphrase: true }, async ({ sources }) => {
    const devices: Document[] = [];
    const words: string[] = [];
    const here = new Map<number, Set<number>>();
    for (const source of sources) {
      try {
        const matches = await source.match(refs);
        for (const { ref } of matches) here.set(ref.slot, (here.get(ref.slot) ?? new Set()).add(ref.leg));
        devices.push({
          device: source.title,
          kind: source.kind,
          matches: matches.map(({ ref, how, note }) => ({ slot: ref.slot, leg: ref.leg, how, note: note ?? null })),
          problem: null,
        });
        const found = matches.map(
          ({ ref, how, note }) =>
            `slot ${ref.slot}${how === "possible" ? ", perhaps" : ""}${note === undefined ? "" : ` (${note})`}`,
        );
        words.push(`${source.title}: ${found.length === 0 ? "opens nothing here" : found.join(", ")}`);
      } catch (error) {
        const { code, kind, message } = asHsmError(error);
        if (kind === "interrupted") throw error;
        devices.push({ device: source.title, kind: source.kind, matches: [], problem: { code, message } });
        words.push(`${source.title}: ${message}`);
      }
    }
    const complete = slots.filter((slot) => (here.get(slot.id)?.size ?? 0) >= neededLegs(slot)).map(({ id }) => id);
    words.push(
      complete.length === 0 ? "What is here opens no slot." : `What is here opens slot ${complete.join(", ")}.`,
    );
    return { facts: { devices, opens: complete }, words, opens: complete.length > 0 };
  });
}
