// A card in vpcd's first reader: `token` is a simulated one, the others have their fault:
//   silent       powers up and answers no command        garbled      has an answer to reset that makes no sense
//   stranger     knows no applet                          pulled       is taken out at the first command
//   broken       gives answers that are none
//   short-card   a simulated token that answers 6700 to extended length
//   short-reader a simulated token whose reader fails the exchange at extended length
// Built command first: the token comes from dist.
import { connect } from "node:net";

const kind = process.argv[2];
const { SimulatedToken, repeatableWorld } = await import(new URL("../../../dist/src/testing.js", import.meta.url).href);
const token = await SimulatedToken.create(repeatableWorld("doctor"), { profile: "genuine" });
const atr = kind === "garbled" ? Buffer.from("00", "hex") : Buffer.from(token.powerOn());

async function answer(command) {
  const extended = command.length > 6 && command[4] === 0;
  if (kind === "silent") return null;
  if (kind === "stranger") return Buffer.from("6D00", "hex");
  if (kind === "pulled") return "pull";
  if (kind === "broken") return Buffer.from("42", "hex");
  if (kind === "short-card" && extended) return Buffer.from("6700", "hex");
  // One byte is no answer: pcscd calls it a failed exchange, as it does with a reader that refuses the length.
  if (kind === "short-reader" && extended) return Buffer.from("42", "hex");
  return Buffer.from(await token.transceive(new Uint8Array(command)));
}

function say(socket, bytes) {
  const frame = Buffer.alloc(2 + bytes.length);
  frame.writeUInt16BE(bytes.length);
  bytes.copy(frame, 2);
  socket.write(frame);
}

function serve() {
  const socket = connect({ port: 35963, host: "127.0.0.1", noDelay: true });
  let pending = Buffer.alloc(0);
  let turn = Promise.resolve();
  socket.on("error", () => {});
  socket.on("close", () => setTimeout(serve, 50));
  socket.on("data", (bytes) => {
    pending = Buffer.concat([pending, bytes]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const message = pending.subarray(2, 2 + pending.readUInt16BE(0));
      pending = pending.subarray(2 + message.length);
      turn = turn.then(() => heard(socket, message));
    }
  });
}

async function heard(socket, message) {
  if (message.length === 1) {
    if (message[0] === 4) say(socket, atr);
    if (message[0] === 1 || message[0] === 2) token.reset();
    return;
  }
  const said = await answer(message);
  if (said === "pull") process.exit(0);
  else if (said !== null) say(socket, said);
}

serve();
