// The main job on a simulated token: every line is the built command run as a child process, with its real output.
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./installed.mjs";

const bin = join(root, "dist", "bin", "hsmadm.js");

/** `say` is printed as a comment; `run` is a command line of hsmadm, `shell` another; `exit` is the code it must end with. */
const steps = [
  { say: "A token springs up at first use, uninitialised." },
  { run: "device status", exit: 0 },
  { say: "Initialise it: PINs come from files of mode 0600, never from the command line." },
  { run: "device init --label demo --so-pin file:so.pin --pin file:first.pin --retries 3 --dkek-shares none", exit: 0 },
  { run: "pin change --pin file:first.pin --new-pin file:user.pin", exit: 0 },
  { say: "A wrong PIN costs a try. The same wrong PIN again is not even sent." },
  { run: "pin verify --pin file:wrong.pin", exit: 4 },
  { run: "pin verify --pin file:wrong.pin", exit: 5 },
  { say: "A script asks before a risky step: two tries are left, it wants three." },
  { run: "guard --user-pin-tries 3 -- echo the risky step", exit: 5 },
  { run: "guard -- echo the risky step", exit: 0 },
  { say: "The last try is kept unless a lower floor is named. Here it is, and the PIN is blocked." },
  { run: "pin verify --pin file:other.pin", exit: 4 },
  { run: "pin verify --pin file:third.pin", exit: 5 },
  { run: "pin verify --pin file:third.pin --min-tries 0", exit: 6 },
  { run: "device status", exit: 0 },
  { say: "The SO-PIN gives a new user PIN." },
  { run: "pin unblock --so-pin file:so.pin --new-pin file:user.pin", exit: 0 },
  { say: "Record a session, with the PIN redacted as it is written, and replay it without the token." },
  { run: "pin verify --pin file:user.pin --trace session.apdu", exit: 0 },
  { shell: "grep -A 1 VERIFY session.apdu" },
  { run: "pin verify --pin file:user.pin", device: "trace:session.apdu", exit: 0 },
  { say: "Keys may leave a token whose DKEK is made of shares. Here is one: `hsmadm share create` made its file." },
  {
    run: "device init --label first --so-pin file:so.pin --pin file:user.pin --dkek-shares 1",
    device: "sim:first",
    exit: 0,
  },
  { run: "share import dkek.pbe --password file:share.pw --pin file:user.pin", device: "sim:first", exit: 0 },
  { run: "key generate --type ec:p256 --label signing --pin file:user.pin", device: "sim:first", exit: 0 },
  { run: "key public signing --out signing.pem", device: "sim:first", exit: 0 },
  { say: "Back it up, and prove the backup: no token, no reader, only the share." },
  { run: "backup create keys.bak --pin file:user.pin", device: "sim:first", exit: 0 },
  { run: "backup verify keys.bak --share dkek.pbe --share-password file:share.pw", device: "none", exit: 0 },
  { say: "The token is lost. Another one gets the same share, and the key." },
  { run: "simulator remove first --yes", device: "none", exit: 0 },
  {
    run: "device init --label second --so-pin file:so.pin --pin file:user.pin --dkek-shares 1",
    device: "sim:second",
    exit: 0,
  },
  { run: "share import dkek.pbe --password file:share.pw --pin file:user.pin", device: "sim:second", exit: 0 },
  { run: "backup restore keys.bak --pin file:user.pin", device: "sim:second", exit: 0 },
  { run: "key sign signing --in keys.bak --out keys.sig --pin file:user.pin", device: "sim:second", exit: 0 },
  { run: "key verify --public-key signing.pem --in keys.bak --signature keys.sig", device: "none", exit: 0 },
  { say: "A vault keeps a disk key. A key on the HSM opens it, and so does a FIDO2 device with its PIN." },
  { run: "key generate --type ec:p256 --label vault --algorithms ecdh,wrap --pin file:user.pin", exit: 0 },
  { run: "fido pin set --new-pin file:fido.pin", device: "sim-fido:desk", exit: 0 },
  {
    run: "vault create home.vault --slot card:vault --slot fido --no-recovery --pin file:user.pin --fido-pin file:fido.pin",
    device: "sim:demo,sim-fido:desk",
    exit: 0,
  },
  { run: "vault set home.vault disk --in disk.key --pin file:user.pin", exit: 0 },
  { say: "No device is touched that was not named." },
  { run: "vault get home.vault disk", device: "none", exit: 3 },
  { run: "vault get home.vault disk --text --pin file:user.pin", exit: 0 },
  { say: "One opener is enough to add another, here a recovery key for the safe: the HSM is not needed." },
  {
    run: "vault slot add home.vault recovery --recovery-out recovery.txt --fido-pin file:fido.pin",
    device: "sim-fido:desk",
    exit: 0,
  },
  { run: "vault guard", exit: 0 },
  { say: "The HSM is lost. The FIDO2 device opens the vault, and takes the lost key out of it." },
  { run: "simulator remove demo --yes", device: "none", exit: 0 },
  { run: "vault get home.vault disk --text --fido-pin file:fido.pin", device: "sim-fido:desk", exit: 0 },
  { run: "vault slot remove home.vault 1 --fido-pin file:fido.pin", device: "sim-fido:desk", exit: 0 },
];

/** A share as `share create` or `sc-hsm-tool` writes it, always the same so that the README can show its KCV. */
const shareFile =
  "53616c7465645f5f01020304050607082585d4f5f834ed0d917b9811186cbfb588380a503c9f2839f4b48ebadf59e8a9412fc1f3f65bcbfe0b66b041df8ec330";

const secrets = {
  "so.pin": "3537363231383830",
  "first.pin": "123456",
  "user.pin": "648219",
  "wrong.pin": "111111",
  "other.pin": "222222",
  "third.pin": "333333",
  "share.pw": "password",
  "fido.pin": "73915",
  "disk.key": "correct horse battery staple",
};

/** What is drawn anew for every vault, whatever the simulator's seed, and what stands for it in README. */
const drawn = [
  [/\bv1-[a-z2-7]{26}\b/g, "v1-f7dk2mzqxw4c3haqj6rbtyn5le"],
  [/\bFIDO2 [0-9a-f]{8}\b/g, "FIDO2 3f2a0011"],
];

/**
 * @param {(text: string) => void} write gets the tour as it happens
 * @throws when a command ends with another exit code than the tour tells
 */
export function tour(write) {
  const folder = mkdtempSync(join(tmpdir(), "hsmadm-tour-"));
  try {
    for (const [name, value] of Object.entries(secrets))
      writeFileSync(join(folder, name), `${value}\n`, { mode: 0o600 });
    writeFileSync(join(folder, "dkek.pbe"), Buffer.from(shareFile, "hex"), { mode: 0o600 });
    let last;
    for (const step of steps) {
      if (step.say !== undefined) write(`${last === undefined ? "" : "\n"}# ${step.say}\n`);
      else if (step.shell !== undefined) shell(step.shell, folder, write);
      else command(step, folder, write);
      last = step;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function shell(line, folder, write) {
  const done = spawnSync("sh", ["-c", line], { cwd: folder, encoding: "utf8" });
  write(`$ ${line}\n${done.stdout}`);
}

function command(step, folder, write) {
  const line = step.device === undefined ? step.run : `--device ${step.device} ${step.run}`;
  write(`$ hsmadm ${line}\n`);
  const log = join(folder, ".output");
  const output = openSync(log, "w");
  const done = spawnSync(process.execPath, [bin, ...line.split(" ")], {
    cwd: folder,
    // A repeatable token: the README shows exactly this output.
    env: {
      PATH: process.env.PATH,
      HSMADM_HOME: join(folder, "home"),
      HSMADM_DEVICE: "sim:demo",
      HSMADM_SIMULATOR_SEED: "tour",
      NO_COLOR: "1",
    },
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  write(readFileSync(log, "utf8").replaceAll(`${folder}/`, ""));
  if (done.status !== 0) write(`[exit ${done.status}]\n`);
  if (done.status !== step.exit) throw new Error(`hsmadm ${line}: exit ${done.status}, the tour expects ${step.exit}`);
}

/**
 * What README shows of the tour: a screen of it at the top (the acts about the try that is not spent), all of it below.
 * @param {string} session
 */
export function readmeBlocks(session) {
  const whole = drawn.reduce((text, [what, as]) => text.replace(what, as), session);
  const acts = whole.split(/\n(?=# )/);
  return { screen: `${acts.slice(1, 4).join("\n").trimEnd()}\n`, whole };
}

/** The block of README.md with this name. */
export function readmeBlock(name) {
  return new RegExp(`(<!-- tour ${name}: begin -->\n\`\`\`console\n)([\\s\\S]*?)(\`\`\`\n<!-- tour ${name}: end -->)`);
}
