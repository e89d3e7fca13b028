import type { CommandSpec } from "../command-spec.ts";
import { type OptionSpec, secretOptions } from "../options.ts";

const { pin } = secretOptions;

const key = {
  name: "KEY",
  describe: "label, id in hex or key reference; label:…, id:…, ref:… say which",
  required: true,
} as const;
const certificate = {
  name: "CERT",
  describe: "label or id, ref:N of its key, ca:N of an authority",
  required: true,
} as const;
const pem: OptionSpec = { name: "pem", describe: "as text (the default)" };
const der: OptionSpec = { name: "der", describe: "as bytes" };
const out: OptionSpec = { name: "out", value: "FILE", describe: "where to write; else standard output" };

/** What a request and a self-signed certificate may say. */
const content: readonly OptionSpec[] = [
  { name: "subject", value: "NAME", describe: "distinguished name, CN=Door 7,O=Example,C=DE (RFC 4514)" },
  { name: "san", value: "NAME", describe: "dns:HOST, ip:ADDRESS, email:ADDRESS or uri:URI", many: true },
  { name: "key-usage", value: "LIST", describe: "digital-signature, key-agreement, key-encipherment, …" },
  { name: "ext-key-usage", value: "LIST", describe: "client-auth, server-auth, code-signing, … or identifiers" },
  { name: "authority", describe: "of an authority that signs other certificates (CA:TRUE)" },
  { name: "scheme", value: "NAME", describe: "pkcs1 (RSA), pss or ecdsa (EC)" },
  { name: "hash", value: "NAME", describe: "sha224, sha256, sha384 or sha512; else as strong as the key" },
];

/** The `cert` commands, a part of the command table. */
export const certificateCommands: readonly CommandSpec[] = [
  { words: ["cert", "list"], summary: "the certificates on the token", load: () => import("./cert-list.ts") },
  {
    words: ["cert", "show"],
    summary: "one certificate: names, validity, purposes, fingerprint",
    positional: certificate,
    load: () => import("./cert-show.ts"),
  },
  {
    words: ["cert", "get"],
    summary: "a certificate out of the token",
    positional: certificate,
    options: [pem, der, out],
    load: () => import("./cert-get.ts"),
  },
  {
    words: ["cert", "put"],
    summary: "put certificates beside their keys, or those of authorities",
    positional: { name: "FILE", describe: "PEM (also a chain) or DER", required: true },
    options: [
      { name: "key", value: "KEY", describe: "the key it must belong to; else found by its public key" },
      { name: "authority", describe: "store what belongs to no key as that of an authority" },
      { name: "label", value: "NAME", describe: "of an authority's; else its common name" },
      { name: "id", value: "HEX", describe: "of an authority's; else its key identifier" },
      pin,
    ],
    load: () => import("./cert-put.ts"),
  },
  {
    words: ["cert", "delete"],
    summary: "delete a certificate; the key's request takes its place again",
    positional: certificate,
    options: [pin],
    load: () => import("./cert-delete.ts"),
  },
  {
    words: ["cert", "csr"],
    summary: "a certification request (PKCS#10), signed by the key",
    positional: key,
    options: [...content, pem, der, out, pin],
    load: () => import("./cert-csr.ts"),
  },
  {
    words: ["cert", "self-sign"],
    summary: "a certificate that the key signs for itself",
    positional: key,
    options: [
      ...content,
      { name: "days", value: "N", describe: "how long it is valid, 1-36500 (365)" },
      { name: "put", describe: "put it beside the key on the token as well" },
      pem,
      der,
      out,
      pin,
    ],
    load: () => import("./cert-self-sign.ts"),
  },
];
