// Node's `ws` with a client's certificate: it speaks for MINE without a header, not for OTHER.
// Arguments: PORT DIRECTORY MINE OTHER.  Prints "all well" and exits 0, or what went wrong, 1.
"use strict";

const WebSocket = require("ws");
const assert = require("assert");
const fs = require("fs");

const [port, dir, mine, other] = process.argv.slice(2);
const read = (name) => fs.readFileSync(`${dir}/${name}`);

function options(more) {
  return { ca: read("localhost.pem"), cert: read("client.pem"), key: read("client.key"), ...more };
}

// Resolves to the answers to a retrieve of the CSEBase by each originator, or "HTTP status".
function ask(opts, originators) {
  return new Promise((ok, bad) => {
    const ws = new WebSocket(`wss://127.0.0.1:${port}/`, "oneM2M.json",
      { servername: "localhost", ...opts });
    const answers = [];
    ws.on("unexpected-response", (req, res) => { req.destroy(); ok(["HTTP " + res.statusCode]); });
    ws.on("error", bad);
    ws.on("open", () => originators.forEach((fr, i) =>
      ws.send(JSON.stringify({ op: 2, to: fr, fr, rqi: String(i), rvi: "3" }))));
    ws.on("message", (data) => {
      const a = JSON.parse(data);
      answers[a.rqi] = a.rsc;
      if (answers.filter((x) => x).length < originators.length) return;
      ws.close();
      ok(answers);
    });
  });
}

async function main() {
  assert.deepStrictEqual(await ask(options(), [mine, other]), [2000, 4106]);
  const headers = { "X-M2M-Origin": other };
  assert.deepStrictEqual(await ask(options({ headers }), [mine]), ["HTTP 403"]);
  assert.deepStrictEqual(await ask({ ca: read("localhost.pem") }, [mine]), ["HTTP 401"]);
  console.log("all well");
}

main().catch((e) => { console.log(e.message); process.exit(1); });
