/**
 * What the worker thread of {@link deriveShareKey} runs, as text: a thread wants a file or a text, and a file would
 * have to be found from the sources, from dist and from the bundled command alike. It stays short: the heavy part is
 * the WebAssembly module, which comes ready as bytes.
 *
 * In (`workerData`): `module`, `password`, `salt`, `iterations`, `slice` (rounds between two reports).
 * Out (messages): `{ done }` rounds so far, at last `{ digests }`, the three digests D1 ‖ D2 ‖ D3.
 */
export const shareKeyWorker = `
"use strict";
const { parentPort, workerData } = require("node:worker_threads");
const { createHash } = require("node:crypto");
const { module: code, password, salt, iterations, slice } = workerData;
const chain = new WebAssembly.Instance(new WebAssembly.Module(code)).exports;
const words = [chain.w0, chain.w1, chain.w2, chain.w3];
const digests = new Uint8Array(48);
let done = 0;
// V8 swaps in its optimised code between two calls, so the first calls are short.
let most = 500;
for (let block = 0; block < 3; block++) {
  const hash = createHash("md5");
  if (block > 0) hash.update(digests.subarray(16 * block - 16, 16 * block));
  const first = hash.update(password).update(salt).digest();
  words.forEach((word, i) => { word.value = first.readInt32LE(4 * i); });
  done++;
  for (let left = iterations - 1; left > 0; ) {
    const rounds = Math.min(left, most);
    most = Math.min(2 * most, slice);
    chain.run(rounds);
    left -= rounds;
    done += rounds;
    parentPort.postMessage({ done });
  }
  const view = new DataView(digests.buffer, 16 * block);
  words.forEach((word, i) => { view.setInt32(4 * i, word.value, true); });
}
password.fill(0);
parentPort.postMessage({ digests });
`;
