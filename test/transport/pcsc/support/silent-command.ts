/** A command as `hsmadm` is one: sends one APDU to a reader and exits with the error's code, by `process.exit`. */
import { readFileSync } from "node:fs";
import { HsmError } from "../../../../src/errors.ts";
import { openPcsc, type PcscOptions } from "../../../../src/transport/pcsc/pcsc.ts";

const [driver, hostEntry, reader, timeoutMs] = process.argv.slice(2);
if (hostEntry === undefined || reader === undefined) throw new Error("usage: driver host reader timeout");
try {
  const pcsc = await openPcsc({ driver: driver as PcscOptions["driver"], hostEntry, timeoutMs: Number(timeoutMs) });
  const channel = await pcsc.connect(reader, { share: "shared" });
  process.stdout.write("connected\n");
  const answer = await channel.transceive(Uint8Array.of(0, 1, 2, 3));
  if (/pcsclite|pcsc-mini/.test(readFileSync("/proc/self/maps", "utf8"))) throw new Error("a binding is loaded here");
  process.stdout.write(`${answer.length}\n`);
  // Nothing is closed, on purpose: an idle host must not keep a command from ending.
} catch (error) {
  process.stdout.write(`${error instanceof HsmError ? error.code : String(error)}\n`);
  process.exit(error instanceof HsmError ? error.exitCode : 99);
}
