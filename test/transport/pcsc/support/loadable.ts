import { describe } from "vitest";
import type { DriverName } from "../../../../src/transport/pcsc/driver-name.ts";
import { probeBindings } from "../../../../src/transport/pcsc/probe.ts";
import { builtHost } from "./host-entry.ts";
import { pcscdContract } from "./pcscd-contract.ts";

/** The contract suite of a binding, or a skipped suite with the reason where this Node cannot load the binding. */
export async function contractOf(driver: DriverName): Promise<void> {
  const probes = await probeBindings({ hostEntry: await builtHost(), timeoutMs: 20_000 });
  const probe = probes.find(({ name }) => name === driver);
  if (probe?.loads) {
    pcscdContract(driver);
    return;
  }
  const reason = `${driver} does not load: ${probe?.error}`;
  if (process.env["HSMADM_TEST_NOTHING_MISSING"] !== undefined) throw new Error(reason);
  process.stderr.write(`left out: a real pcscd through ${driver} (${reason})\n`);
  describe.skip(`a real pcscd through ${driver} (left out: ${reason})`, () => {});
}
