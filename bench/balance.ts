/**
 * What balancing, passive health and a breaker cost a request: `npm run bench -- balance`, and `npm run bench -- balance quick` for
 * an indication.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Added, addedCosts, addedTable, type CostPlan, howMeasured } from './added-cost.ts';
import { GATEWAY_CORE, Launched, LOAD_CORE, launchNode, workspace } from './proc.ts';
import { prove } from './proof.ts';
import { type Bar, barTable, provenance, saveSections } from './report.ts';
import { median } from './statistics.ts';

const MAIN = new URL('../dist/main.js', import.meta.url);
const MOST_US = 1;
const FULL: CostPlan = { sets: 3, cycles: 60 };
const QUICK: CostPlan = { sets: 1, cycles: 20 };

const GUARDED = { passive: { consecutiveErrors: 5 }, breaker: {} };
const UNGUARDED = { passive: 'off' };

/** What a service may be balanced by; `micro` is its line in micro/balance.bench.ts. */
const POLICIES: readonly { name: string; options: object; micro: string }[] = [
  { name: 'round-robin', options: {}, micro: 'round-robin' },
  { name: 'random', options: { balance: 'random' }, micro: 'random' },
  { name: 'least-requests', options: { balance: 'least-requests' }, micro: 'least-requests' },
  { name: 'peak-ewma', options: { balance: 'peak-ewma' }, micro: 'peak-ewma' },
  {
    name: 'consistent-hash',
    options: { balance: { type: 'consistent-hash', by: 'ip', maxLoad: 1.25 } },
    micro: 'consistent-hash, maxLoad 1.25',
  },
];

/** Each policy without passive health and breaker, and then with both. */
const SETTINGS = POLICIES.flatMap(({ name, options }) => [
  { name, options: { ...options, ...UNGUARDED } },
  { name: `${name}, breaker, passive health`, options: { ...options, ...GUARDED } },
]);

const prefix = (i: number) => `/setting-${i}`;

async function start(origins: readonly string[]) {
  const services = SETTINGS.map(({ options }, i) => [`service-${i}`, { endpoints: origins, ...options }]);
  const routes = SETTINGS.map((_, i) => ({
    name: `route-${i}`,
    match: { path: `${prefix(i)}/*` },
    service: `service-${i}`,
    rewrite: { prefix: '/' },
  }));
  const file = join(workspace(), 'sluice.yaml');
  const listen = { listen: '127.0.0.1:0', admin: '127.0.0.1:0', accessLog: 'off' };
  writeFileSync(file, JSON.stringify({ ...listen, services: Object.fromEntries(services), routes }));
  const command = [process.execPath, MAIN.pathname, 'start', '-c', file, '--workers', '1'];
  const child = new Launched('sluice', command, GATEWAY_CORE);
  const { url } = await child.ready();
  for (const i of SETTINGS.keys()) await prove(url + prefix(i));
  return { url, pid: child.pid, stop: () => child.stop() };
}

/** Measures and records; false when the bar is missed. */
export async function runBalance(quick: boolean): Promise<boolean> {
  const plan = quick ? QUICK : FULL;
  const script = new URL('./service.ts', import.meta.url);
  const service = launchNode('service', script, [], LOAD_CORE);
  const { port } = new URL((await service.ready()).url);
  // One process under three names: three would answer in smaller batches, which costs the gateway more wake-ups.
  const origins = ['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]'].map((host) => `http://${host}:${port}`);
  const candidates = SETTINGS.map(({ name }, i) => ({
    name,
    path: `${prefix(i)}/small`,
    against: i - (i % 2),
  }));
  const added = await addedCosts(candidates, plan, () => start(origins));
  await service.stop();
  const choosing = await choosingUs();
  // The same few lines run whatever the policy is: what differs between the policies is noise.
  const guards = median(POLICIES.map((_, i) => (added[2 * i + 1] as Added).addedUs));
  const bars = POLICIES.map(({ name, micro }): Bar => {
    const chosen = choosing.get(micro) as number;
    return {
      what: `${name}: choosing and counting, in process + breaker and passive health, in a whole request`,
      bar: `<= ${MOST_US} us`,
      measured: `${chosen.toFixed(2)} + ${guards.toFixed(2)} us`,
      met: chosen + guards <= MOST_US,
    };
  });
  const text = `${provenance()} Small GET, three endpoints. ${howMeasured(plan)} That there are three endpoints at all (more connections, in smaller batches) is no part of it.`;
  saveSections({ Balancing: [text, barTable(bars), addedTable(added, 'the policy alone')].join('\n\n') });
  return bars.every(({ met }) => met);
}

/** Of each line of the micro bench "in all": the choice among three, and what is counted when an attempt begins and ends. */
async function choosingUs(): Promise<ReadonlyMap<string, number>> {
  const script = new URL('./micro/balance.bench.ts', import.meta.url);
  const text = await launchNode('micro', script, [], GATEWAY_CORE).finished();
  const lines = text
    .split('\n')
    .slice(1)
    .filter((line) => line.endsWith(' ms'));
  return new Map(
    lines.map((line) => [line.slice(0, 34).trim(), Number(line.slice(34).trim().split(/ +/)[4]) / 1000]),
  );
}
