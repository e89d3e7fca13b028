import type { CommandSpec } from "../command-spec.ts";
import { secretOptions } from "../options.ts";

/** The `jwt` commands, a part of the command table. */
export const jwtCommands: readonly CommandSpec[] = [
  {
    words: ["jwt", "sign"],
    summary: "a short-lived JWT, signed by a key on the token",
    options: [
      { name: "key", value: "KEY", describe: "label, id in hex or key reference; its kind decides the algorithm" },
      { name: "aud", value: "NAME", describe: "audience: the service it is for", many: true },
      { name: "iss", value: "NAME", describe: "issuer" },
      { name: "sub", value: "NAME", describe: "subject: the device it speaks for" },
      { name: "ttl", value: "TIME", describe: "how long it is valid: 90s, 10m, 12h (10m)" },
      { name: "allow-long-ttl", describe: "also longer than a day" },
      { name: "nbf", value: "TIME", describe: "not valid before: now, or 2026-11-20T12:00:00Z" },
      { name: "jti", value: "TEXT", describe: "its own name; else random" },
      { name: "claim", value: "NAME=TEXT", describe: "a further claim", many: true },
      { name: "claims", value: "FILE", describe: "further claims, a JSON object" },
      { name: "typ", value: "NAME", describe: "type in the header (JWT)" },
      { name: "out", value: "FILE", describe: "where to write, mode 0600; else standard output" },
      secretOptions.pin,
    ],
    load: () => import("./jwt-sign.ts"),
  },
  {
    words: ["jwt", "verify"],
    summary: "check a JWT against registered keys; exit 9 when it does not hold",
    positional: { name: "TOKEN", describe: "the JWT; else standard input", required: false, secret: true },
    options: [
      { name: "jwks", value: "FILE", describe: "the registered public keys: a JWKS, or one JWK" },
      { name: "aud", value: "NAME", describe: "the audience it must be for", many: true },
      { name: "iss", value: "NAME", describe: "the issuer it must come from" },
      { name: "sub", value: "NAME", describe: "the subject it must speak for" },
      { name: "typ", value: "NAME", describe: "the type it must be of" },
      { name: "leeway", value: "S", describe: "seconds that clocks may differ, 0-600 (0)" },
    ],
    load: () => import("./jwt-verify.ts"),
  },
];
