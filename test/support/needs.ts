import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe } from "vitest";

/** `test/support/with-pcscd CMD…`: a pcscd and two vpcd readers of its own. */
export const withPcscd = fileURLToPath(new URL("with-pcscd", import.meta.url));

/** The Python that Debian's python3-* packages are for; another one may stand before it in PATH. */
export const debianPython = "/usr/bin/python3";

/** What a test on the real stack wants: `root`, `vpcd` (the virtual reader's driver), a python3-… package of Debian, or the name of a program. */
export type Need = "root" | "vpcd" | (string & {});

/** Programs that a test with {@link withPcscd} wants besides its own. */
export const stackNeeds = ["root", "unshare", "setpriv", "ip", "pcscd", "vpcd"] as const;

/**
 * Why a suite cannot run on this machine, or `null` when it can.
 * @returns one sentence that names everything that is missing, for example `not on this machine: pcscd, root`
 */
export function missing(...needs: readonly Need[]): string | null {
  const absent = needs.filter((need) => !isThere(need));
  return absent.length === 0 ? null : `not on this machine: ${absent.join(", ")}`;
}

/**
 * `describe` where everything is there; else a skipped suite whose name says why, so that every reporter prints it.
 * The reason is also written to standard error once: `npm test` names what it left out.
 */
export function describeWith(needs: readonly Need[], name: string, suite: () => void): void {
  const reason = missing(...needs);
  if (reason === null) {
    describe(name, suite);
    return;
  }
  // CI installs everything: a suite left out there would be a test that nobody runs.
  if (process.env["HSMADM_TEST_NOTHING_MISSING"] !== undefined) throw new Error(`${name}: ${reason}`);
  process.stderr.write(`left out: ${name} (${reason})\n`);
  describe.skip(`${name} (left out: ${reason})`, suite);
}

function isThere(need: Need): boolean {
  if (need === "root") return process.getuid?.() === 0;
  if (need === "vpcd") return vpcdDrivers.some((path) => canRead(path));
  const pythonFolder = pythonPackages.get(need);
  if (pythonFolder !== undefined) return canRun(debianPython) && canRead(pythonFolder);
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => canRun(join(folder, need)));
}

// Where Debian's vsmartcard-vpcd and the project's own `make install` put the driver's configuration or bundle.
const vpcdDrivers = [
  "/etc/reader.conf.d/vpcd",
  "/usr/lib/pcsc/drivers/serial/libifdvpcd.so",
  "/var/lib/pcsc/drivers/serial/libifdvpcd.so",
  "/usr/lib/pcsc/drivers/ifd-vpcd.bundle",
];

const pythonPackages = new Map<string, string>([
  ["python3-fido2", "/usr/lib/python3/dist-packages/fido2"],
  ["python3-pyscard", "/usr/lib/python3/dist-packages/smartcard"],
]);

function canRead(path: string): boolean {
  return can(path, constants.R_OK);
}

function canRun(path: string): boolean {
  return can(path, constants.X_OK);
}

function can(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
