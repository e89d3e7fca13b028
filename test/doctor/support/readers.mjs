// Ends with 0 once a reader has a card in it, mute or not; sends it nothing.
const { openPcsc } = await import(new URL("../../../dist/src/transport/pcsc/pcsc.js", import.meta.url).href);
const pcsc = await openPcsc({ timeoutMs: 5000 });
const readers = await pcsc.listReaders();
await pcsc.close();
process.exitCode = readers.some(({ state }) => state !== "empty") ? 0 : 1;
