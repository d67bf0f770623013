#!/usr/bin/env node
// Checks the alert rules: promtool's syntax check and unit tests, and that nothing is left untested.
//   node deploy/prometheus/test.mjs             all of that
//   node deploy/prometheus/test.mjs --mutants   also breaks each rule in turn and wants a test to notice
// PROMTOOL names another promtool. Exit code 1 if anything fails; the last line is "N passed, N failed".
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const repo = join(here, '..', '..');
const promtool = process.env.PROMTOOL ?? 'promtool';
let passed = 0;
let failed = 0;

function check(what, problem) {
  if (problem) {
    failed += 1;
    console.error(`FAILED  ${what}: ${problem}`);
  } else {
    passed += 1;
  }
}

function run(args, cwd = here) {
  const done = spawnSync(promtool, args, { cwd, encoding: 'utf8' });
  if (done.error) {
    console.error(`${promtool} cannot be started (${done.error.message}). It is in Debian's package prometheus.`);
    console.log('0 passed, 1 failed');
    process.exit(1);
  }
  return done.status === 0 ? null : `\n${done.stdout}${done.stderr}`.trimEnd();
}

const yamlIn = (folder) => readdirSync(join(here, folder)).filter((name) => name.endsWith('.yml')).sort();

/** The rules of a file: name, its lines as text, `metric` label, `runbook_url`. Rules start with "- alert:". */
function rulesOf(path) {
  const text = readFileSync(path, 'utf8');
  return text.split(/^(?= *- alert: )/m).slice(1).map((body) => ({
    name: /- alert: (\w+)/.exec(body)[1],
    body,
    metric: /^ +metric: (\w+)$/m.exec(body)?.[1],
    runbook: /^ +runbook_url: (\S+)$/m.exec(body)?.[1],
    severity: /^ +severity: (\w+)$/m.exec(body)?.[1],
  }));
}

/** What a test file expects: { name, fires } for each alert_rule_test. */
function expectationsOf(path) {
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.flatMap((line, at) => {
    const name = /^ +alertname: (\w+)$/.exec(line)?.[1];
    if (!name) return [];
    const expected = /^ +exp_alerts:(.*)$/.exec(lines[at + 1] ?? '')?.[1].trim();
    if (expected === undefined || (expected !== '' && expected !== '[]')) {
      throw new Error(`${path}:${at + 2}: exp_alerts must follow alertname, as "[]" or as a list below it`);
    }
    return [{ name, fires: expected === '' }];
  });
}

const ruleFiles = yamlIn('rules');
const testFiles = yamlIn('tests');
for (const file of ruleFiles) check(`rules/${file}`, run(['check', 'rules', `rules/${file}`]));
for (const file of testFiles) check(`tests/${file}`, run(['test', 'rules', file], join(here, 'tests')));

const rules = ruleFiles.flatMap((file) => rulesOf(join(here, 'rules', file)));
const isAsWritten = (file) => file.startsWith('as-written-');
const corrected = testFiles.filter((file) => !isAsWritten(file)).flatMap((file) => expectationsOf(join(here, 'tests', file)));
const asWritten = testFiles.filter(isAsWritten).flatMap((file) => expectationsOf(join(here, 'tests', file)));

for (const rule of rules) {
  const own = corrected.filter((expectation) => expectation.name === rule.name);
  check(`${rule.name}: fires`, own.some((e) => e.fires) ? null : 'no test makes it fire');
  // The dead-man's switch is never silent; that is what it is for.
  if (rule.name !== 'Watchdog') {
    check(`${rule.name}: silent`, own.some((e) => !e.fires) ? null : 'no test keeps it silent');
  }
  check(`${rule.name}: severity`, rule.severity ? null : 'has no severity');
  check(`${rule.name}: runbook`, rule.runbook && existsSync(join(repo, rule.runbook)) ? null : `${rule.runbook ?? 'no runbook_url'} is not there`);
}
const names = rules.map((rule) => rule.name);
check('names', new Set(names).size === names.length ? null : 'two rules have the same name');
for (const file of yamlIn('tests/as-written')) {
  for (const { name } of rulesOf(join(here, 'tests/as-written', file))) {
    check(`${name}: kept`, names.includes(name) ? null : 'a rule of the handbook is missing');
    check(`${name}: as written`, asWritten.some((e) => e.name === name) ? null : 'no test shows what the rule as written gets wrong');
  }
}

// The profile and the rules name each other.
const profile = readFileSync(join(repo, 'deploy/profiles/skillquest.toml'), 'utf8');
const metrics = profile.split(/^\[\[metric\]\]$/m).slice(1).map((body) => ({
  id: /^id = "(\w+)"$/m.exec(body)?.[1],
  rule: /^rule = "(\w+)"$/m.exec(body)?.[1],
  runbook: /^runbook = "(\S+)"$/m.exec(body)?.[1],
}));
for (const { id, rule, runbook } of metrics) {
  const found = rules.find(({ name }) => name === rule);
  check(`${id}: rule`, found?.metric === id ? null : `its rule ${rule} does not carry the label metric: ${id}`);
  check(`${id}: runbook`, runbook && existsSync(join(repo, runbook)) ? null : `${runbook} is not there`);
}
for (const { name, metric } of rules) {
  if (metric) check(`${name}: metric`, metrics.some(({ id }) => id === metric) ? null : `metric ${metric} is not in the profile`);
}

if (process.argv.includes('--mutants')) {
  const scratch = mkdtempSync(join(tmpdir(), 'quarterdeck-rules-'));
  cpSync(join(here, 'rules'), join(scratch, 'rules'), { recursive: true });
  cpSync(join(here, 'tests'), join(scratch, 'tests'), { recursive: true });
  for (const file of ruleFiles) {
    const tests = testFiles.filter((test) => readFileSync(join(here, 'tests', test), 'utf8').includes(`../rules/${file}`));
    const path = join(scratch, 'rules', file);
    const text = readFileSync(path, 'utf8');
    for (const { name, body } of rulesOf(path)) {
      const mutants = { 'never fires': body.replace(/^( +)expr:[^]*?(?=^\1(?:for|labels):)/m, '$1expr: vector(1) > 2\n') };
      if (/^ +for: /m.test(body)) {
        mutants['fires at once'] = body.replace(/^ +for: .*\n/m, '');
        mutants['waits for a day longer'] = body.replace(/^( +for: ).*$/m, '$11d');
      }
      for (const [what, mutant] of Object.entries(mutants)) {
        if (mutant === body) throw new Error(`${relative(repo, path)}: ${name} could not be changed so that it ${what}`);
        writeFileSync(path, text.replace(body, () => mutant));
        const noticed = run(['test', 'rules', ...tests], join(scratch, 'tests')) !== null;
        check(`${name} that ${what}`, noticed ? null : 'no test notices');
      }
    }
    writeFileSync(path, text);
  }
  rmSync(scratch, { recursive: true });
}

console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
