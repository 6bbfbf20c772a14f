// A Modbus TCP device that is not ours: holding and input registers, functions 3, 4, 6 and 16,
// exceptions; answers in two pieces.  Arguments: PORT.  Standard input: lines "input 0 195" set a
// register.  Prints "ready", and "write ADDRESS VALUE" for each register that is written.
"use strict";

const net = require("net");
const readline = require("readline");

const registers = { input: new Uint16Array(64), holding: new Uint16Array(64) };

function exception(code, what) { return Buffer.from([code | 0x80, what]); }

function read(code, bank, address, count) {
  if (count < 1 || count > 125) return exception(code, 3);
  if (address + count > bank.length) return exception(code, 2);
  const out = Buffer.alloc(2 + 2 * count);
  out[0] = code;
  out[1] = 2 * count;
  for (let i = 0; i < count; i++) out.writeUInt16BE(bank[address + i], 2 + 2 * i);
  return out;
}

function write(code, pdu, address, count) {
  if (address + count > registers.holding.length) return exception(code, 2);
  if (pdu[5] !== 2 * count || pdu.length !== 6 + 2 * count) return exception(code, 3);
  for (let i = 0; i < count; i++) {
    const value = pdu.readUInt16BE(6 + 2 * i);
    registers.holding[address + i] = value;
    console.log(`write ${address + i} ${value}`);
  }
  return pdu.subarray(0, 5);
}

function answer(pdu) {
  const code = pdu[0], address = pdu.readUInt16BE(1), count = pdu.readUInt16BE(3);
  if (code === 3) return read(code, registers.holding, address, count);
  if (code === 4) return read(code, registers.input, address, count);
  if (code === 16) return write(code, pdu, address, count);
  return exception(code, 1);
}

net.createServer((socket) => {
  let waiting = Buffer.alloc(0);
  socket.setNoDelay(true);
  socket.on("error", () => {});
  socket.on("data", (data) => {
    waiting = Buffer.concat([waiting, data]);
    while (waiting.length >= 7 && waiting.length >= 6 + waiting.readUInt16BE(4)) {
      const end = 6 + waiting.readUInt16BE(4);
      const pdu = answer(waiting.subarray(7, end));
      const head = Buffer.from(waiting.subarray(0, 7));
      head.writeUInt16BE(pdu.length + 1, 4);
      socket.write(head.subarray(0, 5));
      const rest = Buffer.concat([head.subarray(5), pdu]);
      setTimeout(() => socket.write(rest), 5);
      waiting = waiting.subarray(end);
    }
  });
}).listen(Number(process.argv[2]), "127.0.0.1", () => console.log("ready"));

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const [bank, address, value] = line.split(" ");
  registers[bank][Number(address)] = Number(value);
}).on("close", () => process.exit(0));
