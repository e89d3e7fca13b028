/** The bindings that `--driver` can name, in the order they are tried when it names none. */
const known = { pcsclite: true, "pcsc-mini": true } as const;

export type DriverName = keyof typeof known;

export const driverNames: readonly DriverName[] = Object.keys(known) as DriverName[];
