import { hexNumber } from "../../bytes/hex.ts";
import { type Fact, fact, individual, shownValue } from "../smartcard-hsm/narrator-facts.ts";
import { parseAuthData } from "./auth-data.ts";
import type { CborMap, CborValue } from "./cbor.ts";

type KeyNames = Readonly<Record<number, string>>;

/** Keys of each request and answer by name (CTAP 2.1); `*` marks what differs between any two recordings. */
const names: Readonly<Record<number, { readonly request: KeyNames; readonly answer: KeyNames }>> = {
  1: {
    request: {
      1: "client data hash*",
      2: "service",
      3: "user*",
      4: "algorithms",
      5: "exclude",
      6: "extensions",
      7: "options",
      8: "proof",
      9: "protocol",
    },
    answer: { 1: "format", 2: "authenticator data", 3: "attestation*" },
  },
  2: {
    request: {
      1: "service",
      2: "client data hash*",
      3: "credentials*",
      4: "extensions",
      5: "options",
      6: "proof",
      7: "protocol",
    },
    answer: { 1: "credential*", 2: "authenticator data", 3: "signature*", 4: "user*", 5: "credentials in all" },
  },
  4: {
    request: {},
    answer: {
      1: "versions",
      2: "extensions",
      3: "aaguid",
      4: "options",
      5: "longest message",
      6: "protocols",
      7: "credentials in a list",
      8: "longest credential id",
      9: "transports",
      10: "algorithms",
      12: "PIN must be changed",
      13: "shortest PIN",
      14: "firmware",
    },
  },
  6: {
    request: {
      1: "protocol",
      2: "subcommand",
      3: "key agreement*",
      4: "proof",
      5: "new PIN",
      6: "PIN",
      9: "permissions",
      10: "service",
    },
    answer: {
      1: "key agreement*",
      2: "token",
      3: "tries left",
      4: "must be unplugged",
      5: "tries left for the finger",
    },
  },
  13: { request: { 1: "subcommand", 2: "parameters", 3: "protocol", 4: "proof" }, answer: {} },
};

const authDataName = "authenticator data";

/** What the map of a request or an answer says. @param covered whether bytes of it are not known (they are 0) */
export function mapFacts(command: number, part: "request" | "answer", map: CborMap, covered: boolean): Fact[] {
  return [...map].flatMap(([key, value]) => {
    const known = typeof key === "number" ? names[command]?.[part][key] : undefined;
    const name = known?.replace("*", "") ?? `key ${typeof key === "number" ? hexNumber(key, 2) : key}`;
    if (name === authDataName && value instanceof Uint8Array) return authDataFacts(value);
    const shown = valueText(value, covered);
    return [known?.endsWith("*") === true ? individual(name, shown) : fact(name, shown)];
  });
}

function authDataFacts(bytes: Uint8Array): Fact[] {
  try {
    const data = parseAuthData(bytes);
    const seen = [data.userPresent ? "present" : "not present", data.userVerified ? "verified" : "not verified"];
    return [
      fact("user", seen.join(", ")),
      individual("signatures so far", String(data.signCount)),
      ...(data.credential === undefined ? [] : [individual("new credential", shownValue(data.credential.id))]),
      ...[...data.extensions].map(([name, value]) => fact(String(name), valueText(value, true))),
    ];
  } catch {
    return [fact(authDataName, `${bytes.length} bytes`)];
  }
}

function valueText(value: CborValue, covered: boolean): string {
  if (value instanceof Uint8Array) {
    const hidden = covered && value.length > 0 && value.every((byte) => byte === 0);
    return hidden ? `${value.length} bytes, hidden` : shownValue(value);
  }
  if (Array.isArray(value)) return value.map((each) => valueText(each, covered)).join(", ");
  if (value instanceof Map) {
    const entries = [...(value as CborMap)].map(([key, each]) => `${key}: ${valueText(each, covered)}`);
    return `{${entries.join(", ")}}`;
  }
  return String(value);
}
