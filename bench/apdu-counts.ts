import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { keyCounts } from "./key-counts.ts";
import { type ApduCount, ourCount, run } from "./our-count.ts";

/** Counts the commands that hsmadm sends to a simulated token, from its own traces, and those of sc-hsm-tool beside it. */
export async function apduCounts(root: string, home: string): Promise<ApduCount[]> {
  const peers = await peerCounts(root);
  const soPin = secretFile(home, "so.pin", "3537363231383830");
  const pin = secretFile(home, "user.pin", "648219");
  const init = ["device", "init", "--label", "bench", "--so-pin", soPin, "--pin", pin, "--dkek-shares", "1"];
  const initCount = await ourCount(root, home, "init", [...init, "--yes"]);
  const statusCount = await ourCount(root, home, "status", ["device", "status"]);
  const share = [
    "share",
    "import",
    shareFile(root, home),
    "--password",
    secretFile(home, "share.password", "password"),
  ];
  const shareCount = await ourCount(root, home, "share", share);
  await ourCount(root, home, "init-again", [...init, "--yes"]);
  const shareLoginCount = await ourCount(root, home, "share-login", [...share, "--pin", pin]);
  return [
    {
      what: "device status",
      ours: statusCount,
      budget: 6,
      peer: `sc-hsm-tool: ${peers.status}, of which 2 probe for other cards`,
      extra: [
        "beyond its 4: EF 2F02 (serial and chain) and EF 2F03 (label)",
        "without a DKEK one more where domain 0 answers 6A88: is there no DKEK, or a key domain not created yet?",
      ],
    },
    {
      what: "device init",
      ours: initCount,
      budget: 10,
      peer: `sc-hsm-tool --initialize: ${peers.init}, of which 2 probe for other cards`,
      extra: [
        "beyond its 4: EF 2F02 (which token), SO-PIN counter before INITIALIZE, user PIN counter before VERIFY,",
        "and SO-PIN, user PIN and DKEK read back: what was set is shown, not assumed",
      ],
    },
    {
      what: "share import",
      ours: shareCount,
      budget: 4,
      peer: "sc-hsm-tool --import-dkek-share: 4 (recorded), of which 2 probe for other cards",
      extra: [
        "beyond its 2: EF 2F02 (which token) and the state before: the same share twice is found, a full DKEK told",
      ],
    },
    {
      what: "share import --pin",
      ours: shareLoginCount,
      budget: 6,
      peer: "sc-hsm-tool: has no login here",
      extra: ["user PIN counter before VERIFY; some cards show the KCV after a login only"],
    },
    ...(await keyCounts(root, home, pin)),
  ];
}

function secretFile(home: string, name: string, value: string): string {
  const path = join(home, name);
  writeFileSync(path, `${value}\n`, { mode: 0o600 });
  return `file:${path}`;
}

/** The share of the test vectors: to be opened with `password`. */
function shareFile(root: string, home: string): string {
  const vectors = readFileSync(join(root, "test", "vectors", "dkek_share_file.json"), "utf8");
  const { cases } = JSON.parse(vectors) as { cases: { iterations: number; file: string }[] };
  const path = join(home, "share.pbe");
  writeFileSync(path, Buffer.from(cases.find(({ iterations }) => iterations === 10_000_000)?.file ?? "", "hex"));
  return path;
}

interface PeerCounts {
  readonly status: string;
  readonly init: string;
}

/** OpenSC's own run on the same simulated card through pcscd, where this machine has it; else the recorded figures. */
async function peerCounts(root: string): Promise<PeerCounts> {
  try {
    const output = await run(join(root, "test/support/with-pcscd"), [
      process.execPath,
      join(root, "dist/bench/peer.mjs"),
    ]);
    return JSON.parse(output) as PeerCounts;
  } catch {
    return { status: "6 (recorded)", init: "6 (recorded)" };
  }
}
