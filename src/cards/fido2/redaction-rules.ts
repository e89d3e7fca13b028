import { hexNumber } from "../../bytes/hex.ts";
import type { MapRule, MaskRule } from "./cbor-masker.ts";

/** What of one CTAP command and its answer is secret. */
export interface CtapRedactionRule {
  /** As in the driver's error messages: `authenticatorGetAssertion`. */
  readonly name: string;
  readonly request: MaskRule;
  readonly answer: MaskRule;
}

/**
 * Everything the platform makes under its key agreement is covered, not only what is secret: so a trace gives nothing
 * away, and a replay with another key agreement still matches it. The authenticator's key stays: a replay needs a point.
 */
const platformKey: MapRule = {
  keys: { 1: "open", 3: "open", [-1]: "open", [-2]: "hidden", [-3]: "hidden" },
  others: "secret",
};
const hmacSecretInput: MapRule = { keys: { 1: platformKey, 2: "hidden", 3: "hidden", 4: "open" }, others: "secret" };
const open: MaskRule = "open";

function map(keys: MapRule["keys"]): MapRule {
  return { keys, others: "secret" };
}

/** An allow-list by command byte, then by key: what nobody has looked at is secret as a whole. */
const rules: Readonly<Record<number, CtapRedactionRule>> = {
  1: {
    name: "authenticatorMakeCredential",
    request: map({
      1: open,
      2: open,
      3: open,
      4: open,
      5: open,
      6: map({ "hmac-secret": open, "hmac-secret-mc": hmacSecretInput, credProtect: open }),
      7: open,
      8: "hidden",
      9: open,
    }),
    answer: map({ 1: open, 2: "auth-data", 3: open, 4: open, 5: "hidden" }),
  },
  2: {
    name: "authenticatorGetAssertion",
    request: map({
      1: open,
      2: open,
      3: open,
      4: map({ "hmac-secret": hmacSecretInput }),
      5: open,
      6: "hidden",
      7: open,
    }),
    answer: map({ 1: open, 2: "auth-data", 3: open, 4: open, 5: open, 6: open, 7: "hidden" }),
  },
  4: { name: "authenticatorGetInfo", request: "secret", answer: open },
  6: {
    name: "authenticatorClientPIN",
    request: map({ 1: open, 2: open, 3: platformKey, 4: "hidden", 5: "hidden", 6: "hidden", 9: open, 10: open }),
    answer: map({ 1: open, 2: "hidden", 3: open, 4: open, 5: open }),
  },
  7: { name: "authenticatorReset", request: "secret", answer: "secret" },
  8: {
    name: "authenticatorGetNextAssertion",
    request: "secret",
    answer: map({ 1: open, 2: "auth-data", 3: open, 4: open, 5: open, 6: open, 7: "hidden" }),
  },
  11: { name: "authenticatorSelection", request: "secret", answer: "secret" },
  13: { name: "authenticatorConfig", request: map({ 1: open, 2: "secret", 3: open, 4: "hidden" }), answer: "secret" },
};

export function ctapRule(command: number): CtapRedactionRule {
  return (
    rules[command] ?? { name: `unknown CTAP command ${hexNumber(command, 2)}`, request: "secret", answer: "secret" }
  );
}

const pinSubCommands: Readonly<Record<number, string>> = {
  1: "getPINRetries",
  2: "getKeyAgreement",
  3: "setPIN",
  4: "changePIN",
  5: "getPinToken",
  6: "getPinUvAuthTokenUsingUvWithPermissions",
  7: "getUVRetries",
  9: "getPinUvAuthTokenUsingPinWithPermissions",
};

/** The command in words, from the start of its message: `clientPIN getPINRetries`. */
export function ctapName(message: Uint8Array): string {
  const [command = 0, , firstKey, , secondKey, subCommand = 0] = message;
  // Canonical order puts the protocol (key 1) before the subcommand (key 2), both in one byte.
  const sub = firstKey === 1 && secondKey === 2 ? pinSubCommands[subCommand] : undefined;
  return command === 0x06 && sub !== undefined ? `clientPIN ${sub}` : ctapRule(command).name;
}
