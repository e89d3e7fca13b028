/**
 * A WebAssembly module that runs MD5 over its own 16-byte result again and again: the slow part of a DKEK share file.
 *
 * Every input after the first is 16 bytes, so one block holds it with its padding, and twelve of the sixteen message
 * words are constants that melt into the round constants. The three chains of a share file depend on each other, so
 * nothing can run side by side; what counts is how few steps lie between one addition and the next. The code is put
 * together here (2 KB, no build step) because 64 unrolled rounds from a table can be reviewed and a binary cannot.
 *
 * Exports `run(rounds)`, `rounds` from 1 to 2^31 - 1, and the mutable globals `w0`-`w3`: the digest as little-endian words, in and out.
 * Source: RFC 1321 section 3.4; WebAssembly core specification 1.0, section 5.
 */
export function md5ChainModule(): Uint8Array<ArrayBuffer> {
  const i32 = 0x7f;
  const words = ["w0", "w1", "w2", "w3"];
  const globals = words.map(() => [i32, 1, op.const, 0, op.end]);
  const exported = [...words.map((name, i) => [...text(name), 3, i]), [...text("run"), 0, 0]];
  const body = [...vector([[9, i32]]), ...loopOfRounds(), op.end];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector([[0x60, 1, i32, 0]])),
    ...section(3, vector([[0]])),
    ...section(6, vector(globals)),
    ...section(7, vector(exported)),
    ...section(10, vector([[...unsigned(body.length), ...body]])),
  ]);
}

const op = {
  loop: 0x03,
  end: 0x0b,
  branchIf: 0x0d,
  get: 0x20,
  set: 0x21,
  tee: 0x22,
  globalGet: 0x23,
  globalSet: 0x24,
  const: 0x41,
  add: 0x6a,
  sub: 0x6b,
  and: 0x71,
  or: 0x72,
  xor: 0x73,
  shiftRight: 0x76,
  rotateLeft: 0x77,
} as const;

/** Locals: the parameter, the digest that goes into a block, and the working registers. */
const rounds = 0;
const digestWords = [1, 2, 3, 4] as const;
const registers = [5, 6, 7, 8] as const;
const zero = 9;
const initial = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476] as const;
const shifts = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
] as const;

function loopOfRounds(): number[] {
  const code: number[] = [];
  for (const [i, word] of digestWords.entries()) code.push(op.globalGet, i, op.set, word);
  code.push(op.get, rounds, ...constant(31), op.shiftRight, op.set, zero);
  code.push(op.loop, 0x40);
  for (const [i, register] of registers.entries()) code.push(...constant(initial[i] as number), op.set, register);
  for (let step = 0; step < 64; step++) code.push(...oneStep(step));
  for (const [i, register] of registers.entries()) {
    code.push(...constant(initial[i] as number), op.get, register, op.add, op.set, digestWords[i] as number);
  }
  code.push(op.get, rounds, ...constant(1), op.sub, op.tee, rounds, op.branchIf, 0, op.end);
  for (const [i, word] of digestWords.entries()) code.push(op.get, word, op.globalSet, i);
  return code;
}

/** `a = b + rotateLeft(a + f(b, c, d) + message word + round constant)`; the registers change roles from step to step. */
function oneStep(step: number): number[] {
  const turn = step >> 4;
  const role = (i: number): number => registers[(((i - step) % 4) + 4) % 4] as number;
  const [a, b, c, d] = [role(0), role(1), role(2), role(3)];
  const index = [step, 5 * step + 1, 3 * step + 5, 7 * step][turn] as number;
  const word = index % 16;
  // 16 bytes of message, then the padding: 0x80, and the length of 128 bits.
  const fixed = word === 4 ? 0x80 : word === 14 ? 128 : 0;
  const sine = Math.floor(Math.abs(Math.sin(step + 1)) * 2 ** 32);
  const code: number[] = [op.get, a, ...constant(sine + fixed), op.add];
  // A zero that the compiler cannot see: without it V8 joins constant and mixed value in one three-part LEA, whose
  // second cycle lies on the chain (measured: 2.50 s against 2.25 s for 30 million rounds; unrolled C took 2.2 s).
  code.push(op.get, word < 4 ? (digestWords[word] as number) : zero, op.add);
  code.push(...mix(turn, b, c, d), op.add);
  code.push(...constant((shifts[turn] as readonly number[])[step % 4] as number), op.rotateLeft);
  code.push(op.get, b, op.add, op.set, a);
  return code;
}

/** The four functions of RFC 1321, written so that `b`, which comes last, goes through as few operations as can be. */
function mix(turn: number, b: number, c: number, d: number): number[] {
  const not = [...constant(-1), op.xor];
  if (turn === 0) return [op.get, c, op.get, d, op.xor, op.get, b, op.and, op.get, d, op.xor];
  // c & ~d and b & d have no bit in common: an addition joins them, and the first half is ready before b is.
  if (turn === 1) return [op.get, d, ...not, op.get, c, op.and, op.add, op.get, b, op.get, d, op.and];
  if (turn === 2) return [op.get, c, op.get, d, op.xor, op.get, b, op.xor];
  return [op.get, d, ...not, op.get, b, op.or, op.get, c, op.xor];
}

function constant(value: number): number[] {
  return [op.const, ...signed(value | 0)];
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function text(name: string): number[] {
  return [name.length, ...Array.from(name, (letter) => letter.charCodeAt(0))];
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  const low = value & 0x7f;
  const rest = value >> 7;
  const last = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
  return last ? [low] : [low | 0x80, ...signed(rest)];
}
