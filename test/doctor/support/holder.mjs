// Another program that holds the card in the first reader for itself alone, until it is ended.
const { openPcsc } = await import(new URL("../../../dist/src/transport/pcsc/pcsc.js", import.meta.url).href);
const pcsc = await openPcsc({ timeoutMs: 5000 });
const [reader] = await pcsc.listReaders();
await pcsc.connect(reader.name, { share: "exclusive" });
process.stdout.write("held\n");
setInterval(() => {}, 1 << 30);
