// Which faults are switched on, read from the file that the estate writes. A missing file means none.

import { readFile } from 'node:fs/promises';

const active = new Set();

async function read() {
  try {
    const names = JSON.parse(await readFile(process.env.FAULTS_FILE, 'utf8')).active;
    active.clear();
    for (const name of names) active.add(name);
  } catch {
    active.clear();
  }
}

if (process.env.FAULTS_FILE) {
  await read();
  setInterval(read, 500).unref();
}

export const isActive = (fault) => active.has(fault);
