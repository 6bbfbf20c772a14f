// Node's `ws` and the ways in for it: a bearer token in the header, the same among the subprotocols
// (what a browser can send), a password.  Arguments: PORT TOKEN PASSWORD.
// Prints "all well" and exits 0, or what went wrong and exits 1.
"use strict";

const WebSocket = require("ws");
const assert = require("assert");

const [port, token, password] = process.argv.slice(2);
const url = `ws://127.0.0.1:${port}/`;

// Opens, asks for /moon/pump as `fr` when it is open; resolves to "HTTP status", "close code" or rsc.
function attempt(protocols, options, fr) {
  return new Promise((ok) => {
    const ws = new WebSocket(url, protocols, options);
    let chosen;
    ws.on("unexpected-response", (req, res) => { req.destroy(); ok("HTTP " + res.statusCode); });
    ws.on("error", () => {});
    ws.on("open", () => {
      chosen = ws.protocol;
      ws.send(JSON.stringify({ op: 2, to: "moon/pump", fr, rqi: "1", rvi: "3" }));
    });
    ws.on("message", (data) => {
      ok(JSON.parse(data).rsc + " " + chosen);
      ws.close();
    });
    ws.on("close", (code) => ok("close " + code));
  });
}

function header(text) {
  return { headers: { Authorization: text } };
}

async function main() {
  const json = "oneM2M.json";
  const basic = "Basic " + Buffer.from("anna:" + password).toString("base64");
  const wrong = "Basic " + Buffer.from("anna:" + password + "x").toString("base64");
  const cases = [
    [[json], header("Bearer " + token), "Cpump", "2000 " + json],
    [[json, "bearer." + token], {}, "Cpump", "2000 " + json],
    [["bearer." + token, json], { origin: "http://page.example" }, "Cpump", "2000 " + json],
    [[json, "bearer." + token], {}, "Cvictim", "4106 " + json],
    [[json, "bearer." + token + "x"], {}, "Cpump", "HTTP 401"],
    [[json], { ...header("Bearer " + token), origin: "http://page.example" }, "Cpump", "HTTP 403"],
    [[json], header(basic), "Canna", /^(4103|2000) /],
    [[json], header(basic), "Cpump", "4106 " + json],
    [[json], header(wrong), "Canna", "close 1008"],
    [[json], {}, "Cpump", "HTTP 401"],
  ];
  for (const [protocols, options, fr, expected] of cases) {
    const got = await attempt(protocols, options, fr);
    const text = `${JSON.stringify(protocols)} ${fr}: ${got}`.replace(token, "TOKEN");
    if (expected instanceof RegExp) assert(expected.test(got), text);
    else assert.strictEqual(got, expected, text);
  }
  console.log("all well");
}

main().catch((e) => { console.log(e.message); process.exit(1); });
