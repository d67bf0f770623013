// What the console costs at rest and with 100 and 1,000 viewers: memory, CPU, bytes.
import { setTimeout as sleep } from "node:timers/promises";
import { row } from "./support/markdown.mjs";
import { cpuSeconds, memory } from "./support/process.mjs";
import { signIn } from "./support/session.mjs";
import { view } from "./support/sse.mjs";

const CROWDS = [0, 100, 1_000];

export async function measure({ url, pid, accounts, estate, quick }) {
  const seconds = quick ? 8 : 60;
  // Sparklines and caches fill in the first polls.
  await sleep(quick ? 2_000 : 20_000);
  const untouched = memory(pid);
  const cookies = [];
  for (const account of Object.values(accounts)) cookies.push(await signIn(url, account));
  const viewers = [];
  const stages = [];
  for (const count of CROWDS) {
    const since = await presentEvent(url, cookies[0]);
    while (viewers.length < count) {
      const cookie = cookies[viewers.length % cookies.length];
      viewers.push(await view(url, `/api/v1/events?since=${encodeURIComponent(since)}`, cookie));
    }
    await sleep(quick ? 1_000 : 5_000);
    const before = { cpu: cpuSeconds(pid), bytes: sum(viewers, "bytes"), events: sum(viewers, "events"), at: performance.now() };
    await sleep(seconds * 1_000);
    const minutes = (performance.now() - before.at) / 60_000;
    stages.push({
      count,
      ...memory(pid),
      cpuPerMinute: (cpuSeconds(pid) - before.cpu) / minutes,
      bytesPerMinute: (sum(viewers, "bytes") - before.bytes) / minutes,
      eventsPerMinute: (sum(viewers, "events") - before.events) / minutes,
    });
    const lost = viewers.find((viewer) => viewer.ended !== null);
    if (lost) throw new Error(`of ${count} viewers one was cut off (${lost.ended}), so the figures would be too good`);
    const deaf = viewers.filter((viewer) => viewer.events === 0).length;
    if (deaf > 0) throw new Error(`${deaf} of ${count} viewers saw no event in ${seconds} s, so the figures would be too good`);
  }
  for (const viewer of viewers) viewer.close();

  const [none, some, many] = stages;
  const alertmanager = memory(estate.pids.alertmanager);
  const extra = (stage, figure) => (stage[figure] - none[figure]) / stage.count;
  const mb = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  return {
    rows: [
      row("Resident memory, idle (RSS, after sign-ins)", { aim: 35e6, best: "35 MB (Alertmanager)", value: none.rss, show: mb }),
      row("Memory per idle viewer (RSS, 1,000 viewers)", {
        aim: 20e3,
        value: extra(many, "rss"),
        show: (bytes) => `${(bytes / 1e3).toFixed(1)} kB`,
      }),
      row("CPU per viewer and minute (1,000 viewers)", {
        aim: 0.005,
        best: "0.01 s (Uptime Kuma)",
        value: extra(many, "cpuPerMinute"),
        show: (s) => `${s.toFixed(4)} s`,
      }),
      row("Sent per viewer and minute (1,000 viewers)", {
        aim: 3e3,
        best: "4 kB (Uptime Kuma)",
        value: many.bytesPerMinute / many.count,
        show: (bytes) => `${(bytes / 1e3).toFixed(2)} kB`,
      }),
    ],
    details: [
      ["viewers", "RSS", "PSS", "CPU s/min", "kB/min each", "events/min each"],
      ["0, before the first sign-in", mb(untouched.rss), mb(untouched.pss), "", "", ""],
      ...[none, some, many].map((stage) => [
        stage.count.toLocaleString("en"),
        mb(stage.rss),
        mb(stage.pss),
        stage.cpuPerMinute.toFixed(2),
        stage.count ? (stage.bytesPerMinute / stage.count / 1e3).toFixed(2) : "",
        stage.count ? (stage.eventsPerMinute / stage.count).toFixed(1) : "",
      ]),
    ],
    notes: [
      `Baseline of the same run: the estate's Alertmanager ${mb(alertmanager.rss)} RSS; the console idle takes ${(none.rss / alertmanager.rss).toFixed(2)} times that.`,
      `Each stage was watched for ${seconds} s after the last viewer had come; CPU per viewer is what the stage costs more than the one without viewers.`,
    ],
  };
}

/** The event that the page would name: with it a viewer begins as a browser does, without a snapshot. */
export async function presentEvent(url, cookie) {
  const answer = await fetch(`${url}/api/v1/health`, { headers: { cookie } });
  if (!answer.ok) throw new Error(`the state could not be read: status ${answer.status}`);
  return (await answer.json()).event_id;
}

function sum(viewers, figure) {
  return viewers.reduce((total, viewer) => total + viewer[figure], 0);
}
