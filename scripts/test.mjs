// `npm test`: installs and builds what is missing, then runs every test this machine allows and names what it left out.
import { build } from "./build.mjs";
import { root, run } from "./lib/installed.mjs";

await build();
run(process.execPath, [`${root}/node_modules/vitest/vitest.mjs`, "run", ...process.argv.slice(2)]);
