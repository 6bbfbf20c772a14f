// Node's `ws` as an AE: registers over the connection, subscribes, receives, acknowledges; many
// requests at once; ping; orderly close; the notification URL.  Arguments: PORT NAME [CA],
// with a file of authorities over TLS.
// Prints "all well" and exits 0, or what went wrong and exits 1.
"use strict";

const WebSocket = require("ws");
const fs = require("fs");
const assert = require("assert");

const [port, name, authority] = process.argv.slice(2);
const ca = authority && fs.readFileSync(authority);
const http = require(ca ? "https" : "http");
const scheme = ca ? "wss" : "ws";
let count = 0;

class Client {
  constructor(url, protocol, options) {
    assert(url.startsWith(scheme + ":"), url);
    this.ws = new WebSocket(url, protocol, { ca, ...options });
    this.waiting = new Map();
    this.notices = [];
    this.takers = [];
    this.ws.on("message", (data, binary) => this.take(data, binary));
  }
  opened() {
    return new Promise((ok, bad) => { this.ws.on("open", ok); this.ws.on("error", bad); });
  }
  take(data, binary) {
    assert.strictEqual(binary, false);
    const m = JSON.parse(data);
    if (m.rsc) {
      const ok = this.waiting.get(m.rqi);
      assert(ok, "an answer to nothing: " + data);
      this.waiting.delete(m.rqi);
      ok(m);
      return;
    }
    this.ws.send(JSON.stringify({ rsc: 2000, rqi: m.rqi, rvi: "3" }));
    const taker = this.takers.shift();
    if (taker) taker(m); else this.notices.push(m);
  }
  request(p) {
    p.rqi = p.rqi || "n" + ++count;
    p.rvi = "3";
    return new Promise((ok) => {
      this.waiting.set(p.rqi, ok);
      this.ws.send(JSON.stringify(p));
    });
  }
  notice() {
    if (this.notices.length) return Promise.resolve(this.notices.shift());
    return new Promise((ok) => this.takers.push(ok));
  }
  closed() {
    return new Promise((ok) => this.ws.on("close", ok));
  }
}

async function expect(rsc, answer) {
  const a = await answer;
  assert.strictEqual(a.rsc, rsc, JSON.stringify(a));
  return a.pc && Object.values(a.pc)[0];
}

function register(ae) {
  return new Promise((ok, bad) => {
    const req = http.request({ ca, host: "127.0.0.1", port, path: "/moon", method: "POST", headers: {
      "X-M2M-Origin": "C" + ae, "X-M2M-RI": "1", "X-M2M-RVI": "3",
      "Content-Type": "application/json;ty=2" } }, (res) => {
      res.resume();
      ok(/<([^>]+)>/.exec(res.headers.link)[1]);
    });
    req.on("error", bad);
    req.end(JSON.stringify({ "m2m:ae": { rn: ae, api: "Nn", rr: true, srv: ["3"] } }));
  });
}

async function main() {
  const c = new Client(`${scheme}://127.0.0.1:${port}/`, ["oneM2M.json"]);
  await c.opened();
  assert.strictEqual(c.ws.protocol, "oneM2M.json");
  const ae = await expect(2001, c.request({ op: 1, to: "moon", ty: 2,
    pc: { "m2m:ae": { rn: name, api: "Nnode", rr: true, srv: ["3"] } } }));
  const fr = ae.aei;
  await expect(2001, c.request({ op: 1, to: "moon/" + name, ty: 3, fr,
    pc: { "m2m:cnt": { rn: "c" } } }));
  await expect(2001, c.request({ op: 1, to: `moon/${name}/c`, ty: 23, fr,
    pc: { "m2m:sub": { nu: [fr], enc: { net: [3] } } } }));

  const all = [];
  for (let i = 0; i < 100; i++)
    all.push(expect(2001, c.request({ op: 1, to: `moon/${name}/c`, ty: 4, fr,
      pc: { "m2m:cin": { con: i } } })));
  await Promise.all(all);
  for (let i = 0; i < 100; i++) {
    const m = await c.notice();
    assert.strictEqual(m.pc["m2m:sgn"].nev.rep["m2m:cin"].con, i);
  }

  const pong = new Promise((ok) => c.ws.on("pong", ok));
  c.ws.ping("hello");
  assert.strictEqual((await pong).toString(), "hello");

  const big = "x".repeat(300000);
  await expect(2001, c.request({ op: 1, to: `moon/${name}/c`, ty: 4, fr,
    pc: { "m2m:cin": { con: big } } }));
  assert.strictEqual((await c.notice()).pc["m2m:sgn"].nev.rep["m2m:cin"].con, big);

  // over the notification URL a newer connection of the same AE takes over
  const url = await register(name + "b");
  const first = new Client(url, ["oneM2M.json"]);
  await first.opened();
  const gone = first.closed();
  const second = new Client(url);
  await second.opened();
  assert.strictEqual(await gone, 1000);
  second.ws.close(1000);
  assert.strictEqual(await second.closed(), 1000);

  const end = c.closed();
  c.ws.close(1000, "bye");
  assert.strictEqual(await end, 1000);
  console.log("all well");
}

setTimeout(() => { console.error("took too long"); process.exit(1); }, 20000).unref();
main().catch((e) => { console.error(e.stack); process.exit(1); });
