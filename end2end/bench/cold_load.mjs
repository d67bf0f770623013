// A cold load of the overview in Chromium: what is transferred, and when values are on screen.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import { setTimeout as sleep } from "node:timers/promises";
import { row } from "./support/markdown.mjs";
import { signIn } from "./support/session.mjs";
import { spread } from "./support/statistics.mjs";

const PROGRAMS = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser"];
const KINDS = { html: "HTML", css: "CSS", js: "JavaScript", wasm: "WebAssembly", svg: "icon" };

export async function measure({ url, accounts, quick }) {
  const browser = await chromium.launch({
    executablePath: PROGRAMS.find((program) => program && existsSync(program)),
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  try {
    const cookie = await signIn(url, accounts.viewer);
    const loads = [];
    // The first one warms the browser, not its cache: every load has a context, and so a cache, of its own.
    for (let n = 0; n < (quick ? 3 : 16); n += 1) loads.push(await load(browser, url, cookie));
    return report(loads.slice(1), browser.version());
  } finally {
    await browser.close();
  }
}

async function load(browser, url, cookie) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  await context.addCookies(cookie.split("; ").map((pair) => ({ name: pair.split("=")[0], value: pair.slice(pair.indexOf("=") + 1), url })));
  const page = await context.newPage();
  const network = await context.newCDPSession(page);
  await network.send("Network.enable");
  const files = new Map();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  let begun = null;
  let live = null;
  network.on("Network.requestWillBeSent", ({ requestId, request, timestamp }) => {
    begun ??= timestamp;
    const { pathname } = new URL(request.url);
    if (pathname === "/api/v1/events") live = (timestamp - begun) * 1_000;
    else files.set(requestId, { pathname, bytes: null });
  });
  network.on("Network.responseReceived", ({ requestId, response }) => {
    const file = files.get(requestId);
    if (file) Object.assign(file, { status: response.status, headers: lowerCase(response.headers) });
  });
  network.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const file = files.get(requestId);
    if (file) file.bytes = encodedDataLength;
  });
  await page.addInitScript(watchValues);
  await page.goto(url, { waitUntil: "load" });
  const deadline = Date.now() + 20_000;
  while (live === null || [...files.values()].some((file) => file.bytes === null)) {
    if (Date.now() > deadline) throw new Error(`the overview did not go live within 20 s; errors: ${errors.join(", ") || "none"}`);
    await sleep(20);
  }
  const { values, paints } = await page.evaluate(() => ({
    values: window.__values,
    paints: performance.getEntriesByType("paint").map(({ name, startTime }) => [name, startTime]),
  }));
  const firstPaint = Object.fromEntries(paints)["first-contentful-paint"];
  await context.close();
  if (errors.length > 0) throw new Error(`the page has errors: ${errors.join(", ")}`);
  if (!values || !firstPaint) throw new Error("no value came onto the screen");
  // Frames are counted before they are shown, and the first paint when it is: what is later holds.
  const onScreen = Math.max(firstPaint, values.painted);
  return { files: [...files.values()], live, firstPaint, inDom: values.inDom, onScreen };
}

/** Runs in the page before anything else: when the first tile has its number, and when that was painted. */
function watchValues() {
  const look = () => {
    const number = document.querySelector(".tile .value-number")?.textContent;
    if (!number) return false;
    const inDom = performance.now();
    // The callback after the next frame's: by then the frame that holds the number has been handed over.
    requestAnimationFrame(() => requestAnimationFrame(() => (window.__values = { inDom, painted: performance.now() })));
    return true;
  };
  const observer = new MutationObserver(() => look() && observer.disconnect());
  observer.observe(document, { childList: true, subtree: true, characterData: true });
}

function report(loads, version) {
  const { files } = loads[0];
  const parts = Object.keys(KINDS).map((kind) => ({ kind, of: files.filter((file) => kindOf(file) === kind) }));
  const strange = files.filter((file) => file.status !== 200 || !(kindOf(file) in KINDS));
  if (strange.length > 0) throw new Error(`unexpected answers: ${strange.map((file) => `${file.status} ${file.pathname}`).join(", ")}`);
  const bytes = (of) => of.reduce((sum, file) => sum + file.bytes, 0);
  const kb = (n) => `${(n / 1e3).toFixed(1)} kB`;
  const onScreen = spread(loads.map((load) => load.onScreen));
  const ms = (n) => `${Math.round(n)} ms`;
  const line = (name, figure) => {
    const { min, median, p90, max } = spread(loads.map((load) => load[figure]));
    return [name, ...[min, median, p90, max].map(ms)];
  };
  const before = bytes(files.filter((file) => ["html", "css"].includes(kindOf(file))));
  return {
    rows: [
      row("Values on screen after a cold load (median)", { aim: 200, best: "250 ms (Alertmanager)", value: onScreen.median, show: ms }),
      row("Transferred for a cold load, everything", { aim: 200e3, best: "367 kB (Alertmanager)", value: bytes(files), show: kb }),
      row("Transferred until values are on screen (HTML, CSS)", { value: before, show: kb }),
    ],
    details: [
      ["part", "transferred", "content-encoding", "cache-control"],
      ...parts.map(({ kind, of }) => [
        KINDS[kind],
        kb(bytes(of)),
        [...new Set(of.map((file) => file.headers["content-encoding"] ?? "none"))].join(", "),
        [...new Set(of.map((file) => file.headers["cache-control"] ?? "none"))].join(", "),
      ]),
    ],
    more: [
      ["time after a cold load", "min", "median", "90th percentile", "max"],
      line("first contentful paint", "firstPaint"),
      line("first tile's value in the document", "inDom"),
      line("… and on screen", "onScreen"),
      line("live: the event stream is asked for, so WebAssembly runs", "live"),
    ],
    notes: [`${loads.length} loads in Chromium ${version}, headless, 1280 × 900, each in a context of its own, over loopback; bytes include headers.`],
  };
}

function kindOf({ pathname }) {
  const ending = pathname.match(/\.([a-z]+)$/);
  return ending ? ending[1] : "html";
}

function lowerCase(headers) {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
