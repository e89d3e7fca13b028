// Runs inside the namespace of pcscd-room.ts: starts and stops pcscd, and plays the cards in vpcd's two slots.
// Commands come as JSON lines on standard input, each is answered with one line. End of input ends everything.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { createInterface } from "node:readline";

const firstPort = 0x8c7b;
const slots = [newSlot(), newSlot()];
let pcscd = null;

function newSlot() {
  return { socket: null, atr: Buffer.from("3B80800101", "hex"), mode: "echo", commands: [], resets: 0 };
}

async function until(condition) {
  for (let i = 0; i < 200; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error("waited in vain");
}

async function startPcscd() {
  pcscd = spawn("setpriv", ["--pdeathsig", "KILL", "pcscd", "-f"], { stdio: "ignore" });
  await until(() => existsSync("/run/pcscd/pcscd.comm"));
}

async function stopPcscd() {
  const ended = new Promise((resolve) => pcscd.once("exit", resolve));
  pcscd.kill("SIGKILL");
  await ended;
  const { rmSync } = await import("node:fs");
  rmSync("/run/pcscd/pcscd.comm", { force: true });
  rmSync("/run/pcscd/pcscd.pid", { force: true });
}

async function insert(index) {
  const slot = slots[index];
  slot.commands = [];
  slot.resets = 0;
  await until(async () => {
    slot.socket = await dial(firstPort + index).catch(() => null);
    return slot.socket !== null;
  });
  const socket = slot.socket;
  let pending = Buffer.alloc(0);
  socket.on("error", () => {});
  socket.on("data", (bytes) => {
    pending = Buffer.concat([pending, bytes]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const length = pending.readUInt16BE(0);
      const message = pending.subarray(2, 2 + length);
      pending = pending.subarray(2 + length);
      serve(slot, socket, message);
    }
  });
}

function dial(port) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    socket.setNoDelay(true);
    socket.once("connect", () => resolve(socket));
    socket.once("error", reject);
  });
}

function serve(slot, socket, message) {
  if (message.length === 1) {
    if (message[0] === 0x04) say(socket, slot.atr);
    if (message[0] === 0x02) slot.resets++;
    return;
  }
  slot.commands.push(message.toString("hex").toUpperCase());
  if (slot.mode === "silent") return;
  if (slot.mode === "drop") {
    socket.destroy();
    return;
  }
  if (slot.mode === "garbage") return say(socket, Buffer.from("42", "hex"));
  // Echo: the whole command, then 9000; but 00B1 gives 65,536 bytes... see the tests.
  if (message[0] === 0x00 && message[1] === 0xb1) {
    return say(socket, Buffer.concat([Buffer.alloc(message.readUInt16BE(2), 0xab), Buffer.from("9000", "hex")]));
  }
  say(socket, Buffer.concat([message, Buffer.from("9000", "hex")]));
}

function say(socket, bytes) {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  socket.write(Buffer.concat([length, bytes]));
}

async function obey(request) {
  const slot = slots[request.slot ?? 0];
  if (request.atr !== undefined) slot.atr = Buffer.from(request.atr, "hex");
  if (request.mode !== undefined) slot.mode = request.mode;
  if (request.do === "insert") await insert(request.slot ?? 0);
  if (request.do === "remove") {
    slot.socket?.destroy();
    slot.socket = null;
  }
  if (request.do === "stop-pcscd") await stopPcscd();
  if (request.do === "start-pcscd") await startPcscd();
  return { commands: slot.commands, resets: slot.resets };
}

await startPcscd();
process.stdout.write("ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await obey(JSON.parse(line)))}\n`);
}
pcscd?.kill("SIGKILL");
process.exit(0);
