import type { CommandSpec } from "../command-spec.ts";
import { ackVault, type OptionSpec, secretOptions } from "../options.ts";

const { pin, password } = secretOptions;

const key = {
  name: "KEY",
  describe: "label, id in hex or key reference; label:…, id:…, ref:… say which",
  required: true,
} as const;
const input: OptionSpec = { name: "in", value: "FILE", describe: "what to work on; - is standard input" };
const hash: OptionSpec = { name: "hash", value: "NAME", describe: "sha1, sha224, sha256, sha384 or sha512 (sha256)" };
const signScheme: OptionSpec = { name: "scheme", value: "NAME", describe: "pkcs1 (RSA), pss or ecdsa (EC)" };
const digest: OptionSpec = { name: "digest", describe: "the input is the digest already" };
const publicOut: OptionSpec = { name: "out", value: "FILE", describe: "where to write; else standard output" };
const secretOut: OptionSpec = {
  name: "out",
  value: "FILE",
  describe: "where to write, mode 0600; - is standard output",
};
const algorithms: OptionSpec = {
  name: "algorithms",
  value: "LIST",
  describe: "what the key may be used for, for good: ecdsa,ecdh …",
};
const id: OptionSpec = { name: "id", value: "HEX", describe: "CKA_ID; else the key reference" };
const keyRef: OptionSpec = { name: "key-ref", value: "N", describe: "key reference, 1-255; else the first free one" };
const duplicate: OptionSpec = { name: "allow-duplicate", describe: "also where label, id or key is there already" };

/** The `key` commands, a part of the command table. */
export const keyCommands: readonly CommandSpec[] = [
  { words: ["key", "list"], summary: "the keys on the token", load: () => import("../commands/key-list.ts") },
  {
    words: ["key", "show"],
    summary: "one key: what it is, may do, and how often",
    positional: key,
    load: () => import("../commands/key-show.ts"),
  },
  {
    words: ["key", "generate"],
    summary: "make a key on the token",
    options: [
      { name: "type", value: "TYPE", describe: "rsa:2048, ec:p256, ec:brainpoolP256r1, aes:256, …" },
      { name: "label", value: "NAME", describe: "name of the key" },
      id,
      algorithms,
      { name: "use-counter", value: "N", describe: "how often it may be used; else without limit" },
      { name: "domain", value: "N", describe: "key domain whose DKEK wraps it" },
      keyRef,
      duplicate,
      pin,
    ],
    load: () => import("../commands/key-generate.ts"),
  },
  {
    words: ["key", "rename"],
    summary: "give a key another label",
    positional: { ...key, second: { name: "NAME", describe: "the new label" } },
    options: [duplicate, pin],
    load: () => import("../commands/key-rename.ts"),
  },
  {
    words: ["key", "delete"],
    summary: "destroy a key",
    positional: key,
    options: [ackVault, pin],
    load: () => import("../commands/key-delete.ts"),
  },
  {
    words: ["key", "public"],
    summary: "the public half: PEM, DER, JWK, JWKS or OpenSSH",
    positional: key,
    options: [
      { name: "pem", describe: "SubjectPublicKeyInfo as text (the default)" },
      { name: "der", describe: "SubjectPublicKeyInfo as bytes" },
      { name: "jwk", describe: "JSON Web Key" },
      { name: "jwks", describe: "JSON Web Key Set, as a service registers it: with kid and algorithm" },
      { name: "ssh", describe: "a line of authorized_keys" },
      publicOut,
    ],
    load: () => import("../commands/key-public.ts"),
  },
  {
    words: ["key", "sign"],
    summary: "sign a file; RSA: PKCS#1 v1.5, EC: ECDSA in DER",
    positional: key,
    options: [hash, signScheme, digest, input, { ...publicOut, describe: "the signature; else base64 as text" }, pin],
    load: () => import("../commands/key-sign.ts"),
  },
  {
    words: ["key", "verify"],
    summary: "check a signature; exit 9 when it does not hold",
    positional: { ...key, required: false },
    options: [
      { name: "signature", value: "FILE", describe: "the signature; ECDSA in DER" },
      { name: "public-key", value: "FILE", describe: "PEM, DER, JWK or X.509 in place of KEY; no token needed" },
      hash,
      signScheme,
      input,
    ],
    load: () => import("../commands/key-verify.ts"),
  },
  {
    words: ["key", "decrypt"],
    summary: "decrypt with an RSA or AES key",
    positional: key,
    options: [
      { name: "scheme", value: "NAME", describe: "pkcs1, oaep or raw (RSA), cbc (AES, whole blocks)" },
      { ...hash, describe: "of OAEP: sha1, sha224, sha256, sha384 or sha512 (sha256)" },
      { name: "iv", value: "HEX", describe: "of CBC, 16 bytes (zeros)" },
      input,
      secretOut,
      pin,
    ],
    load: () => import("../commands/key-decrypt.ts"),
  },
  {
    words: ["key", "derive"],
    summary: "a shared secret (ECDH), or a secret from an AES key",
    positional: key,
    options: [
      { name: "peer", value: "FILE", describe: "EC: the other public key, PEM, DER, JWK or X.509" },
      { ...input, describe: "AES: what to derive from; - is standard input" },
      secretOut,
      pin,
    ],
    load: () => import("../commands/key-derive.ts"),
  },
  {
    words: ["key", "mac"],
    summary: "AES-CMAC of a file of up to 1000 bytes",
    positional: key,
    options: [input, secretOut, pin],
    load: () => import("../commands/key-mac.ts"),
  },
  {
    words: ["key", "wrap"],
    summary: "a key under the DKEK, in a file of sc-hsm-tool's form",
    positional: key,
    options: [{ name: "out", value: "FILE", describe: "where to write" }, pin],
    load: () => import("../commands/key-wrap.ts"),
  },
  {
    words: ["key", "unwrap"],
    summary: "put a wrapped key on the token",
    positional: { name: "FILE", describe: "of `key wrap` or sc-hsm-tool --wrap-key", required: true },
    options: [
      keyRef,
      { name: "label", value: "NAME", describe: "another label than the one in the file" },
      duplicate,
      pin,
    ],
    load: () => import("../commands/key-unwrap.ts"),
  },
  {
    words: ["key", "import"],
    summary: "put a key from a file on the token, under its DKEK",
    positional: { name: "FILE", describe: "PEM, DER, PKCS#12, JWK, or AES bytes with --aes", required: true },
    options: [
      { name: "label", value: "NAME", describe: "name of the key" },
      id,
      password,
      { name: "share", value: "FILE", describe: "a DKEK share of the token; all of them are needed", many: true },
      {
        name: "share-password",
        value: "SOURCE",
        describe: "where the password of the share comes from, once for all or once for each",
        many: true,
      },
      {
        name: "share-parts",
        value: "prompt|file:PATH",
        describe: "the custodians' parts of a split password",
        many: true,
      },
      algorithms,
      { name: "aes", describe: "the file is the bare bytes of an AES key" },
      keyRef,
      duplicate,
      pin,
    ],
    load: () => import("../commands/key-import.ts"),
  },
];
