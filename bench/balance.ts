/**
 * What balancing costs a request: `npm run bench -- balance`, and `npm run bench -- balance quick` for an indication. Three
 * endpoints under each policy, with passive health and a breaker, against one endpoint without.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addedBar, addedCosts, addedTable, type CostPlan, howMeasured } from './added-cost.ts';
import { GATEWAY_CORE, Launched, LOAD_CORE, launchNode, workspace } from './proc.ts';
import { prove } from './proof.ts';
import { barTable, provenance, saveSections } from './report.ts';

const MAIN = new URL('../dist/main.js', import.meta.url);
const MOST_US = 1;
const FULL: CostPlan = { sets: 3, cycles: 60 };
const QUICK: CostPlan = { sets: 1, cycles: 20 };

interface Setting {
  readonly name: string;
  /** How many of the services stand behind it. */
  readonly endpoints: number;
  /** Of the service. */
  readonly options: object;
  /** Cookies that the gateway itself adds to an answer. */
  readonly cookies?: number;
}

const GUARDED = { passive: { consecutiveErrors: 5 }, breaker: {} };

const SETTINGS: readonly Setting[] = [
  { name: 'one endpoint', endpoints: 1, options: { passive: 'off' } },
  { name: 'round-robin', endpoints: 3, options: GUARDED },
  { name: 'random', endpoints: 3, options: { ...GUARDED, balance: 'random' } },
  { name: 'least-requests', endpoints: 3, options: { ...GUARDED, balance: 'least-requests' } },
  { name: 'peak-ewma', endpoints: 3, options: { ...GUARDED, balance: 'peak-ewma' } },
  {
    name: 'consistent-hash',
    endpoints: 3,
    options: { ...GUARDED, balance: { type: 'consistent-hash', by: 'ip', maxLoad: 1.25 } },
  },
  {
    name: 'sticky, each client new',
    endpoints: 3,
    options: { ...GUARDED, sticky: { cookie: 'at', secret: '0123456789abcdef' } },
    cookies: 1,
  },
];

const prefix = (i: number) => `/setting-${i}`;

async function start(origins: readonly string[]) {
  const services = SETTINGS.map(({ endpoints, options }, i) => [
    `service-${i}`,
    { endpoints: origins.slice(0, endpoints), ...options },
  ]);
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
  for (const [i, { cookies }] of SETTINGS.entries()) await prove(url + prefix(i), cookies);
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
  const candidates = SETTINGS.map(({ name }, i) => ({ name, path: `${prefix(i)}/small` }));
  const added = await addedCosts(candidates, plan, () => start(origins));
  await service.stop();
  // A cookie is signed for a client that has none: no part of choosing an endpoint.
  const chosen = added.filter((_, i) => i > 0 && SETTINGS[i]?.cookies === undefined);
  const bars = chosen.map((one) => addedBar(one, MOST_US));
  const text = `${provenance()} Small GET, three endpoints with passive health and a breaker against one without. ${howMeasured(plan)}`;
  saveSections({ Balancing: [text, barTable(bars), addedTable(added)].join('\n\n') });
  return bars.every(({ met }) => met);
}
