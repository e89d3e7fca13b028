import { equal } from "../../../bytes/bytes.ts";
import { fromHex, hexNumber } from "../../../bytes/hex.ts";
import { HsmError } from "../../../errors.ts";
import type { AuthenticatorInfo } from "../authenticator-info.ts";

/** The AAGUID of every version. */
const picoFidoAaguid = fromHex("89fb94b706c936739b7e30526d968145");

/**
 * What AUT_ENABLE does to the device key (`pico-fido-vendor.md`, sections 0 and 2): `keeps` it; `changes` the key in
 * effect, so that credentials from before stop and those made meanwhile die at disable; `may-change` it on chips with
 * OTP; `destroys` it for good and answers success; `unproven`: read in the source, seen by nobody.
 */
export type LockEffect = "keeps" | "changes" | "may-change" | "destroys" | "unproven";

/** What one version of the firmware wants and does. */
export interface PicoFidoFirmware {
  /** `5.12` */
  readonly version: string;
  /** Subcommand of authenticatorConfig; the other one makes the token loop until it is unplugged. */
  readonly vendorPrototype: 0x7f | 0xff;
  readonly enableId: bigint;
  readonly disableId: bigint;
  readonly lock: LockEffect;
  /** Versions between which a backup can be carried. */
  readonly family: string;
}

interface VersionRow {
  readonly from: number;
  readonly to: number;
  readonly vendorPrototype: 0x7f | 0xff;
  readonly newIds?: true;
  readonly lock: LockEffect;
  readonly family: string;
}

/** `major * 256 + minor`, as getInfo 0E has it. What lies between the rows was never released. */
const versions: readonly VersionRow[] = [
  { from: 0x0204, to: 0x0506, vendorPrototype: 0xff, lock: "unproven", family: "2.4 to 5.6" },
  { from: 0x0508, to: 0x050c, vendorPrototype: 0x7f, lock: "keeps", family: "5.8 to 5.12" },
  { from: 0x0600, to: 0x0600, vendorPrototype: 0x7f, lock: "may-change", family: "6.0" },
  { from: 0x0602, to: 0x0606, vendorPrototype: 0x7f, lock: "changes", family: "6.2 to 6.6" },
  { from: 0x0700, to: 0x07ff, vendorPrototype: 0xff, lock: "destroys", family: "7" },
  { from: 0x0800, to: 0x08ff, vendorPrototype: 0xff, newIds: true, lock: "destroys", family: "8" },
];

const ids = { enable: 0x03e43f56b34285e2n, disable: 0x1831a40f04a25ed9n } as const;
const idsSince8 = { enable: 0x00043f56b34285e2n, disable: 0x0001a40f04a25ed9n } as const;

/**
 * Tells a Pico FIDO by what getInfo says, and what its version wants.
 * @throws HsmError `PICO_FIDO_NOT_SUPPORTED` (not-supported) for any other token, and for versions nobody has looked at
 */
export function picoFidoFirmware({ aaguid, firmwareVersion }: AuthenticatorInfo, token: string): PicoFidoFirmware {
  const unsupported = (what: string, advice: string) =>
    new HsmError("PICO_FIDO_NOT_SUPPORTED", "not-supported", `${token} ${what}; nothing was sent to it`, {
      token,
      advice,
    });
  if (!equal(aaguid, picoFidoAaguid)) {
    throw unsupported(
      "is no Pico FIDO, and only these have this lock and backup",
      "what has to survive a lost token goes into a vault with two tokens: `hsmadm vault create`",
    );
  }
  if (firmwareVersion === undefined) {
    throw unsupported(
      "does not tell the version of its firmware",
      "hsmadm does not guess: a wrong guess hangs the token",
    );
  }
  const row = versions.find(({ from, to }) => from <= firmwareVersion && firmwareVersion <= to);
  const version = `${firmwareVersion >> 8}.${firmwareVersion & 0xff}`;
  if (row === undefined) {
    throw unsupported(
      `has the firmware ${version} (${hexNumber(firmwareVersion, 4)}), which hsmadm does not know`,
      "hsmadm does not guess: a wrong guess hangs the token or costs its key",
    );
  }
  const { enable: enableId, disable: disableId } = row.newIds ? idsSince8 : ids;
  const { vendorPrototype, lock, family } = row;
  return { version, vendorPrototype, enableId, disableId, lock, family };
}
