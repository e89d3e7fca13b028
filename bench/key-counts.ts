import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ApduCount, ourCount } from "./our-count.ts";

/** Rows of the `key` verbs, on the token that {@link ApduCount}s are counted on; it has a DKEK by now. */
export async function keyCounts(root: string, home: string, pin: string): Promise<ApduCount[]> {
  const data = join(home, "data");
  writeFileSync(data, "to be signed");
  // Recordings leave the remembered list of keys out unless told otherwise.
  const env = { HSMADM_KEY_CACHE: "on" };
  const count = (name: string, ...args: string[]) => ourCount(root, home, `key-${name}`, ["key", ...args], env);
  const login = ["--pin", pin];
  await count("generate-rsa", "generate", "--type", "rsa:2048", "--label", "rsa", ...login);
  await count("generate-ec", "generate", "--type", "ec:p256", "--label", "ec", ...login);
  const list = await count("list", "list");
  await count("sign-first", "sign", "ec", "--in", data, ...login);
  const sign = await count("sign", "sign", "ec", "--in", data, ...login);
  const wrap = await count("wrap", "wrap", "ec", "--out", join(home, "ec.key"), ...login);
  const beyond = "SELECT, EF 2F02 (which token), EF 2F03 (label), description and certificate: still the same key?";
  return [
    {
      what: "key list, 2 keys",
      ours: list,
      budget: 4 + 2 * 2,
      peer: "pkcs11-tool -O: 60 with 4 keys (recorded)",
      extra: ["beyond the two files of each key and the list: SELECT, EF 2F02 (which token), EF 2F03 (label)"],
    },
    {
      what: "key sign by label, list remembered",
      ours: sign,
      budget: 8,
      peer: "pkcs11-tool --sign: 60 with 4 keys (recorded)",
      extra: [beyond, "and the user PIN counter before VERIFY"],
    },
    {
      what: "key wrap by label, list remembered",
      ours: wrap,
      budget: 8,
      peer: "sc-hsm-tool --wrap-key: 10 (recorded), by key reference",
      extra: ["as sign"],
    },
  ];
}
