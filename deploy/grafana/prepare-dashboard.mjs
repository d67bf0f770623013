// Checks a dashboard as grafana.com exports it and prints it ready for provisioning, which asks nobody to pick a
// data source: every ${DS_…} input becomes the provisioned data source's uid.
//   node prepare-dashboard.mjs ID FILE
import { readFileSync } from 'node:fs';

const [id, file] = process.argv.slice(2);

function refuse(why) {
  console.error(`error: dashboard ${id}: ${why}`);
  process.exit(1);
}

const text = readFileSync(file, 'utf8');
let exported;
try {
  exported = JSON.parse(text);
} catch (error) {
  refuse(`is not JSON (${error.message}); a proxy's error page?`);
}
if (typeof exported.title !== 'string' || exported.title === '') refuse('has no title');
const hasPanels = [exported.panels, exported.rows].some((list) => Array.isArray(list) && list.length > 0);
if (!hasPanels) refuse('has no panels');

const inputs = exported.__inputs ?? [];
const foreign = inputs.filter(({ type, pluginId }) => type === 'datasource' && pluginId !== 'prometheus');
if (foreign.length > 0) refuse(`wants a data source that is not Prometheus: ${foreign.map(({ pluginId }) => pluginId).join(', ')}`);

let ready = text;
for (const { name, type, value } of inputs) {
  const replacement = type === 'datasource' ? 'prometheus' : String(value ?? '');
  ready = ready.replaceAll(`\${${name}}`, JSON.stringify(replacement).slice(1, -1));
}
const dashboard = JSON.parse(ready);
delete dashboard.__inputs;
delete dashboard.__requires;
// A number in `id` is another installation's; the uid keeps links stable across fetches.
dashboard.id = null;
dashboard.uid = `skillquest-${id}`;
console.log(JSON.stringify(dashboard, null, 2));
