// Drives apps/live.html in headless Chromium over its debugging protocol (CDP), as a person would:
// opens the page, clicks once, waits for readings, looks at what is shown; then breaks the
// connection and sees it come back; then the raw formats.  Needs Node and Debian's `ws` module.
// Usage: node live.js BASE-URL CHROMIUM OUT-DIR
"use strict";
const { spawn } = require("child_process");
const fs = require("fs");
const http = require("http");
const path = require("path");
const WebSocket = require("ws");

const [base, chromium, out] = process.argv.slice(2);
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
  "--remote-debugging-port=0", "--window-size=1240,900"];

function get(url) {
  return new Promise((resolve, reject) => {
    http.get(url, r => {
      let text = "";
      r.on("data", d => { text += d; });
      r.on("end", () => resolve(JSON.parse(text)));
    }).on("error", reject);
  });
}

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

async function until(what, fn, ms = 15000) {
  const end = Date.now() + ms;
  for (;;) {
    const v = await fn();
    if (v) return v;
    if (Date.now() > end) throw new Error("waited in vain for " + what);
    await sleep(100);
  }
}

class Page {
  constructor(ws) {
    this.ws = ws;
    this.waiting = new Map();
    this.id = 0;
    this.errors = [];
    ws.on("message", data => {
      const m = JSON.parse(data);
      if (m.method === "Runtime.exceptionThrown") {
        this.errors.push(m.params.exceptionDetails.exception?.description || "exception");
      }
      if (m.method === "Log.entryAdded" && m.params.entry.level === "error" &&
          m.params.entry.source === "security") this.errors.push(m.params.entry.text);
      const w = this.waiting.get(m.id);
      if (w) { this.waiting.delete(m.id); m.error ? w[1](new Error(m.error.message)) : w[0](m.result); }
    });
  }
  send(method, params = {}) {
    return new Promise((resolve, reject) => {
      this.waiting.set(++this.id, [resolve, reject]);
      this.ws.send(JSON.stringify({ id: this.id, method, params }));
    });
  }
  async eval(expression) {
    const r = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (r.exceptionDetails) throw new Error(r.exceptionDetails.exception.description);
    return r.result.value;
  }
  async shot(name) {
    const r = await this.send("Page.captureScreenshot", { format: "png" });
    fs.writeFileSync(path.join(out, name + ".png"), Buffer.from(r.data, "base64"));
  }
}

async function open(profile) {
  const child = spawn(chromium, [...FLAGS, "--user-data-dir=" + profile, "about:blank"],
    { stdio: ["ignore", "ignore", "ignore"] });
  const file = path.join(profile, "DevToolsActivePort");
  const port = await until("chromium", () => fs.existsSync(file) &&
    fs.readFileSync(file, "utf8").split("\n")[0], 30000);
  const tabs = await until("a tab", async () =>
    (await get(`http://127.0.0.1:${port}/json/list`)).filter(t => t.type === "page"));
  const ws = new WebSocket(tabs[0].webSocketDebuggerUrl);
  await new Promise((resolve, reject) => { ws.on("open", resolve); ws.on("error", reject); });
  const page = new Page(ws);
  for (const domain of ["Page", "Runtime", "Log"]) await page.send(domain + ".enable");
  return { child, page };
}

const readings = page => page.eval("Number(document.documentElement?.dataset.readings || 0)");
const state = page => page.eval("document.documentElement?.dataset.state || ''");
const legend = page => page.eval("[...document.querySelectorAll('.legend button')].map(b => b.innerText).join(' | ')");

function check(what, ok) {
  console.log((ok ? "ok   " : "FAIL ") + what);
  if (!ok) process.exitCode = 1;
}

async function drawn(page) {          // pixels of the first canvas that are not background
  return page.eval(`(() => { const c = document.querySelector("canvas");
    const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
    let n = 0; for (let i = 3; i < d.length; i += 4) if (d[i]) n++; return n; })()`);
}

async function main(page) {
  await page.send("Page.navigate", { url: base + "/live" });
  await until("the button", () => page.eval("document.readyState === 'complete' && !document.getElementById('show').hidden"));
  await page.shot("live-start");
  await page.eval("document.getElementById('show').click()");
  await until("readings", async () => await readings(page) >= 15);
  check("one click: connected", await state(page) === "open");
  check("three charts", await page.eval("document.querySelectorAll('canvas').length") === 3);
  check("legend has this host's load: " + await legend(page), /m1\s+[\d.]+/.test(await legend(page)));
  check("something is drawn", await drawn(page) > 2000);
  const hash = await page.eval("location.hash");
  check("the hash is the notification URL", /^#ws:\/\/.*\/notify\//.test(hash));

  await sleep(8000);
  await page.send("Input.dispatchMouseEvent", { type: "mouseMoved", x: 420, y: 300 });
  await sleep(700);
  await page.shot("live");
  await page.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: "dark" }] });
  await sleep(700);
  await page.shot("live-dark");
  await page.send("Emulation.setDeviceMetricsOverride", { width: 390, height: 800, deviceScaleFactor: 2, mobile: true });
  await sleep(700);
  await page.shot("live-phone");
  await page.send("Emulation.clearDeviceMetricsOverride");

  let before = await readings(page);
  await page.eval("socket.onclose({ code: 1006 })");          // as a lost link looks to the page
  check("reconnects by itself", await until("reconnection", async () =>
    await state(page) === "open" && await readings(page) > before + 3));

  for (const format of ["senml", "compact", "cloudevents", "cbor_minimal"]) {
    before = await readings(page);
    await page.eval(`(() => { const p = document.getElementById("protocol"); p.value = "${format}";
      p.onchange(); })()`);
    await until(format, async () => await state(page) === "open" && await readings(page) > before + 6);
    check(`${format}: same three charts`, await page.eval("charts.size") === 3 &&
      await page.eval("socket.protocol") === format);
  }
  await page.send("Page.navigate", { url: "about:blank" });
  await page.send("Page.navigate", { url: base + "/live" + hash });
  await until("readings after opening the URL again", async () => await readings(page) > 3);
  check("opened again by its hash: connected", await state(page) === "open");
  const errors = page.errors.splice(0);
  await page.eval("connect('ws://192.0.2.1/notify/x')").catch(() => {});
  check("another host is refused by the policy, and said", await until("the note", () =>
    page.eval("/own host only/.test(document.getElementById('note').textContent)")));
  page.errors = errors;
  check("no errors on the page: " + page.errors.join("; "), page.errors.length === 0);
}

(async () => {
  const profile = fs.mkdtempSync("/tmp/moon2m-chromium.");
  const { child, page } = await open(profile);
  const ended = new Promise(resolve => child.on("exit", resolve));
  try {
    await main(page);
  } catch (e) {
    console.log("FAIL " + e.message + "; the page says: " +
      await page.eval("document.getElementById('note')?.textContent + ' / ' + document.documentElement.dataset.state").catch(() => "nothing"));
    await page.shot("live-failed").catch(() => {});
    process.exitCode = 1;
  }
  await page.send("Browser.close").catch(() => {});
  await Promise.race([ended, sleep(5000)]);
  child.kill();
  fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  process.exit();
})();
