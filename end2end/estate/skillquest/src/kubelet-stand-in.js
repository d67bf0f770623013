// A stand-in for what cAdvisor and kube-state-metrics say on Kubernetes, which can't be had here: the same names and
// labels, real figures of the API and AI processes from /proc, and the limits that the estate states for them. The
// limits are not enforced.
//
// PODS_FILE: [{ "pod": "skillquest-api-0", "container": "api", "pid": 1, "cpu": 0.5, "memory": 402653184 }]

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import client from 'prom-client';
import { answerMetrics } from './metrics.js';
import { stopOnSignal } from './stop.js';

/** The unit of times in /proc is 1/100 s on every Linux that Node.js runs on. */
const TICKS_PER_SECOND = 100;
const namespace = 'skillquest';
const register = new client.Registry();
const registers = [register];
const labelNames = ['namespace', 'pod', 'container'];

/** The pods whose process runs; of others there is nothing to say. */
function running() {
  const pods = [];
  for (const pod of JSON.parse(readFileSync(process.env.PODS_FILE, 'utf8'))) {
    try {
      // The second field is the program's name in parentheses, which may hold anything: count from its end.
      const stat = readFileSync(`/proc/${pod.pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const status = readFileSync(`/proc/${pod.pid}/status`, 'utf8');
      const kilobytes = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)[1]);
      pods.push({
        ...pod,
        cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
        // The working set is what the kernel can't reclaim: not the pages of files.
        workingSet: 1024 * (kilobytes('RssAnon') + kilobytes('RssShmem')),
      });
    } catch {
      // It ended between two scrapes.
    }
  }
  return pods;
}

new client.Counter({
  name: 'container_cpu_usage_seconds_total',
  help: 'CPU time used',
  labelNames,
  registers,
  collect() {
    this.reset();
    for (const { pod, container, cpuSeconds } of running()) this.inc({ namespace, pod, container }, cpuSeconds);
  },
});

new client.Gauge({
  name: 'container_memory_working_set_bytes',
  help: 'Memory that can not be reclaimed',
  labelNames,
  registers,
  collect() {
    this.reset();
    for (const { pod, container, workingSet } of running()) this.set({ namespace, pod, container }, workingSet);
  },
});

new client.Gauge({
  name: 'kube_pod_container_resource_limits',
  help: 'Stated limits (not enforced here)',
  labelNames: [...labelNames, 'resource', 'unit'],
  registers,
  collect() {
    this.reset();
    for (const { pod, container, cpu, memory } of running()) {
      this.set({ namespace, pod, container, resource: 'cpu', unit: 'core' }, cpu);
      this.set({ namespace, pod, container, resource: 'memory', unit: 'byte' }, memory);
    }
  },
});

const server = createServer((request, response) =>
  request.url === '/metrics' ? answerMetrics(register, response) : response.writeHead(404).end(),
);
server.listen(Number(process.env.PORT), '127.0.0.1');
stopOnSignal(() => server.close());
