import type { DeviceReport } from "../device-report.ts";

/**
 * What is special about the firmware of a card, as far as an operator notices it: one sentence each, with what it means
 * here. Source: reference "Traps", chapters 02, 05 and 06. Nothing is said of what hsmadm deals with unseen.
 */
export function firmwareQuirks(report: DeviceReport): string[] {
  if (report.maker === "pico") return picoQuirks(report);
  const [major = 0, minor = 0] = report.version.split(".").map(Number);
  const before = (otherMajor: number, otherMinor = 0): boolean =>
    major < otherMajor || (major === otherMajor && minor < otherMinor);
  return [
    ...(before(2)
      ? ["firmware before 2.0 does not tell how it was initialised, nor the state of the SO-PIN before that"]
      : []),
    ...(before(3) ? ["firmware before 3.0 has no AES keys, no key domains and no RSA keys beyond 2048 bits"] : []),
    ...(major === 3 && minor === 1
      ? [
          "firmware 3.1 refuses to import a wrapped key that has a list of allowed algorithms (SW 6F00): such a key has to be exported again without the list",
        ]
      : []),
    ...(major === 3 && minor <= 2
      ? [
          "firmware 3.0 to 3.2 writes a wrong algorithm identifier into wrapped AES keys: it must not be compared on import",
        ]
      : []),
    ...(before(3, 4)
      ? [
          'firmware before 3.4 may say "end of file" (SW 6282) although more follows: hsmadm reads on, other programs may show half a file',
        ]
      : []),
    ...ofShares(report),
  ];
}

/** A Pico HSM speaks the same language and keeps other promises; versions named are those whose code was read. */
function picoQuirks(report: DeviceReport): string[] {
  const serial = report.serial ?? "";
  return [
    "a Pico HSM does not check the SO-PIN when it is initialised: whoever holds it can erase it",
    "its identity is not certified by a maker, and its keys are protected by a microcontroller's flash, not by a smart card",
    ...(/^ESPICOHSM/.test(serial)
      ? [`Pico HSMs share the serial ${serial}: tell two of them apart by the key hash in \`hsmadm device info\``]
      : []),
    ...ofShares(report),
  ];
}

function ofShares({ dkek, keyDomains }: DeviceReport): string[] {
  const pending = (keyDomains ?? [dkek]).some(({ state }) => state === "pending");
  return pending
    ? [
        "while shares are missing the key check value reads as zeros, and a share can be imported without any PIN: finish before the token leaves your hands",
      ]
    : [];
}
