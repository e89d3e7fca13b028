// `npm start`: installs, builds, and shows the main job on a simulated token. Nothing to plug in, no root.
import { build } from "./build.mjs";
import { tour } from "./lib/tour.mjs";

await build();
process.stdout.write("hsmadm on a simulated token, in a temporary folder:\n\n");
tour((text) => process.stdout.write(text));
process.stdout.write("\nTry it yourself: node dist/bin/hsmadm.js device status --device sim:mine\n");
