// Stands in for `zfs`, which is not to be had where this was written: takes what `load-key`, `unload-key` and `change-key`
// take, refuses what they refuse, remembers each dataset's key in ./.zfs.json, and writes its arguments and what it read
// to ./.zfs.log.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";

const [verb, ...rest] = process.argv.slice(2);
const dataset = rest.at(-1) ?? "";
const properties = Object.fromEntries(rest.flatMap((word, i) => (rest[i - 1] === "-o" ? [word.split("=")] : [])));
const state = existsSync(".zfs.json") ? JSON.parse(readFileSync(".zfs.json", "utf8")) : {};
const known = state[dataset] ?? { keyformat: "passphrase", loaded: true };
const note = (stdin) => appendFileSync(".zfs.log", `${JSON.stringify({ argv: [verb, ...rest], stdin })}\n`);
const save = () => writeFileSync(".zfs.json", JSON.stringify({ ...state, [dataset]: known }));

function refuse(text) {
  process.stderr.write(`${text}\n`);
  process.exit(255);
}

/** As libzfs reads a key from a pipe: raw to the byte, the others up to a line feed. */
function readKey(format) {
  const bytes = readFileSync(0);
  note(bytes.toString("hex"));
  if (format === "raw") {
    if (bytes.length < 32) refuse("Raw key too short (expected 32).");
    if (bytes.length > 32) refuse("Raw key too long (expected 32).");
    return bytes.toString("hex");
  }
  const line = bytes.toString().replace(/\n$/, "");
  if (format === "hex") {
    if (line.length < 64) refuse("Hex key too short (expected 64).");
    if (line.length > 64) refuse("Hex key too long (expected 64).");
    if (!/^[0-9a-fA-F]+$/.test(line)) refuse("Invalid hex character detected.");
    return line.toLowerCase();
  }
  if (line.length < 8) refuse("Passphrase too short (min 8).");
  return line;
}

switch (verb) {
  case "change-key": {
    if (!known.loaded) refuse(`Key change error: Key must be loaded.`);
    const keyformat = properties.keyformat ?? known.keyformat;
    Object.assign(known, { keyformat, key: readKey(keyformat) });
    save();
    break;
  }
  case "load-key": {
    const dryRun = rest.includes("-n");
    if (known.loaded && !dryRun) refuse(`Key load error: Key already loaded for '${dataset}'.`);
    if (readKey(known.keyformat) !== known.key) refuse(`Key load error: Incorrect key provided for '${dataset}'.`);
    if (!dryRun) known.loaded = true;
    save();
    break;
  }
  case "unload-key":
    note("");
    known.loaded = false;
    save();
    break;
  default:
    refuse(`the stand-in for zfs knows no ${verb}`);
}
