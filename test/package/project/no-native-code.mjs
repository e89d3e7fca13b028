// Imports what it is told to and prints, as JSON, every module of a package that was loaded and every native library.
import { register } from "node:module";
import { MessageChannel } from "node:worker_threads";

const { port1, port2 } = new MessageChannel();
const loaded = [];
port1.on("message", (url) => loaded.push(url));
const hooks = `
  let port;
  export function initialize(data) { port = data.port; }
  export async function load(url, context, next) { port.postMessage(url); return next(url, context); }
`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`, { data: { port: port2 }, transferList: [port2] });

for (const name of process.argv.slice(2)) await import(name);
await new Promise((resolve) => setImmediate(resolve));
port1.close();
const { sharedObjects } = process.report.getReport();
console.log(JSON.stringify({ modules: loaded, libraries: sharedObjects }));
process.exit();
