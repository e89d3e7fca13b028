// Runs the bundled command once on the commands whose start matters, then keeps what V8 compiled on the way.
// Standard output: the help text.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const { loadBundle } = await import(pathToFileURL(join(folder, "../src/cli/launch.js")).href);
const home = mkdtempSync(join(tmpdir(), "hsmadm-build-"));
try {
  const { script, exports } = loadBundle(join(folder, "hsmadm.cjs"), undefined, "hsmadm.cjs");
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const io = { ...exports.processIo(), stdout: nowhere, stderr: nowhere, env: { HSMADM_HOME: home } };
  for (let round = 0; round < 2; round++) {
    await exports.run(["device", "status", "--device", "sim:build"], io);
    await exports.run(["device", "status", "--device", "sim:build", "--json"], io);
    await exports.run(["guard", "--device", "sim:build"], io);
  }
  writeFileSync(join(folder, "hsmadm.cache"), script.createCachedData());
  process.stdout.write(await exports.renderHelp());
} finally {
  rmSync(home, { recursive: true, force: true });
}
