/**
 * Curves of card keys that may open a vault, by their names in SEC 2 and RFC 5639: those of 256 bits and more that cards and
 * drivers agree on.
 */
const names: ReadonlySet<string> = new Set([
  "secp256r1",
  "secp384r1",
  "secp521r1",
  "brainpoolP256r1",
  "brainpoolP384r1",
  "brainpoolP512r1",
  "secp256k1",
]);

export function isVaultCurve(name: string): boolean {
  return names.has(name);
}
