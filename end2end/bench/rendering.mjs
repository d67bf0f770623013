// How many overviews a second, and how long one takes at half of that, against the plainest answer of the same server.
import { get } from "node:http";
import zlib from "node:zlib";
import { row } from "./support/markdown.mjs";
import { flatOut, steady } from "./support/load.mjs";
import { cpuSeconds } from "./support/process.mjs";
import { signIn } from "./support/session.mjs";
import { quantile } from "./support/statistics.mjs";

const CONNECTIONS = [4, 16, 64];
const UNPACK = {
  identity: (body) => body,
  br: zlib.brotliDecompressSync,
  gzip: zlib.gunzipSync,
};

export async function measure({ url, pid, accounts, quick }) {
  const seconds = quick ? 2 : 10;
  // As Chromium asks for a page.
  const headers = async () => ({
    cookie: await signIn(url, accounts.viewer),
    accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "accept-encoding": "gzip, deflate, br, zstd",
  });
  const probe = `${url}/-/healthy`;
  const page = `${url}/`;
  const size = await checkPage(page, await headers());

  const flat = [];
  for (const connections of CONNECTIONS) {
    const signedIn = await headers();
    const before = cpuSeconds(pid);
    const overview = await flatOut(page, { headers: signedIn, connections, seconds });
    // Little disturbed by what else runs on the machine.
    overview.cpu_ms = ((cpuSeconds(pid) - before) * 1_000) / overview.requests;
    if (overview.bytes / overview.requests < size / 2) {
      throw new Error(`answers of ${overview.bytes / overview.requests} bytes are no overviews of ${size}`);
    }
    const baseline = await flatOut(probe, { headers: {}, connections, seconds });
    flat.push({ connections, overview, baseline });
  }
  const best = flat.reduce((a, b) => (b.overview.per_second > a.overview.per_second ? b : a));
  const half = best.overview.per_second / 2;
  const pages = await steady(page, { headers: await headers(), perSecond: half, seconds: seconds + 5 });
  const probes = await steady(probe, { headers: {}, perSecond: half, seconds: seconds + 5 });
  const ms = (n) => `${n.toFixed(1)} ms`;
  const count = (n) => Math.round(n).toLocaleString("en");
  return {
    rows: [
      row("Overviews rendered a second (wrk, signed in)", { value: best.overview.per_second, show: (n) => `${count(n)}/s` }),
      row("p99 of the overview at half of that (open loop)", { aim: 20, value: quantile(pages, 0.99), show: ms }),
    ],
    details: [
      ["connections", "overviews/s", "p50", "p99", "CPU each", "`/-/healthy`/s", "p50", "p99", "ratio"],
      ...flat.map(({ connections, overview, baseline }) => [
        connections,
        count(overview.per_second),
        ms(overview.p50_ms),
        ms(overview.p99_ms),
        `${overview.cpu_ms.toFixed(2)} ms`,
        count(baseline.per_second),
        ms(baseline.p50_ms),
        ms(baseline.p99_ms),
        `1 : ${(baseline.per_second / overview.per_second).toFixed(1)}`,
      ]),
      [
        `open loop, ${count(half)}/s each`,
        "",
        ms(quantile(pages, 0.5)),
        ms(quantile(pages, 0.99)),
        "",
        "",
        ms(quantile(probes, 0.5)),
        ms(quantile(probes, 0.99)),
        `p99 ${(quantile(pages, 0.99) / quantile(probes, 0.99)).toFixed(1)} : 1`,
      ],
    ],
    notes: [
      `The overview was ${(size / 1e3).toFixed(1)} kB as sent. The load generator shares the cores with the console and the estate.`,
    ],
  };
}

/** Bytes of the page as sent, after a look that it is the overview. `fetch` would tell only what it unpacked. */
async function checkPage(page, headers) {
  const { status, encoding, body } = await new Promise((resolve, reject) => {
    get(page, { headers }, (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("error", reject);
      answer.on("end", () => resolve({ status: answer.statusCode, encoding: answer.headers["content-encoding"], body: Buffer.concat(chunks) }));
    }).on("error", reject);
  });
  const unpack = UNPACK[encoding ?? "identity"];
  const text = unpack ? unpack(body).toString() : "";
  if (status !== 200 || !text.includes('class="value-number"')) {
    throw new Error(`the overview was not shown (status ${status}, encoded as ${encoding}), so there is nothing to measure`);
  }
  return body.length;
}
