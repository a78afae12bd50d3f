/** What limits add to a whole request. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Added, addedCosts, type CostPlan } from '../added-cost.ts';
import { GATEWAY_CORE, Launched, workspace } from '../proc.ts';
import { prove } from '../proof.ts';

const MAIN = new URL('../../dist/main.js', import.meta.url);
const RATE = '1000000/s';
const bucket = (by: readonly string[]) => ({ by, rate: RATE });
const BUCKETS = [bucket(['ip']), bucket(['route']), bucket(['ip', 'route'])];

/** The first is what the others are compared with, the second what the bar is about. */
const SETTINGS: readonly { name: string; limit?: readonly object[] }[] = [
  { name: 'no limit' },
  { name: '3 limits', limit: BUCKETS },
  {
    name: '3 limits, one of each algorithm',
    limit: [
      bucket(['ip']),
      { ...bucket(['route']), algorithm: 'sliding-window' },
      { by: ['ip', 'route'], algorithm: 'concurrency', max: 1000 },
    ],
  },
  {
    name: '3 limits with queues, nobody waits',
    limit: BUCKETS.map((one) => ({ ...one, over: 'queue' })),
  },
];

const prefix = (i: number) => `/setting-${i}`;

async function start(origin: string) {
  const routes = SETTINGS.map(({ limit }, i) => ({
    name: `route-${i}`,
    match: { path: `${prefix(i)}/*` },
    service: 'bench',
    rewrite: { prefix: '/' },
    ...(limit !== undefined && { limit }),
  }));
  const file = join(workspace(), 'sluice.yaml');
  const listen = { listen: '127.0.0.1:0', admin: '127.0.0.1:0', accessLog: 'off' };
  writeFileSync(file, JSON.stringify({ ...listen, services: { bench: { endpoints: [origin] } }, routes }));
  const command = [process.execPath, MAIN.pathname, 'start', '-c', file, '--workers', '1'];
  const child = new Launched('sluice', command, GATEWAY_CORE);
  const { url } = await child.ready();
  for (const i of SETTINGS.keys()) await prove(url + prefix(i));
  return { url, pid: child.pid, stop: () => child.stop() };
}

export async function measureCost(origin: string, plan: CostPlan): Promise<Added[]> {
  const candidates = SETTINGS.map(({ name }, i) => ({ name, path: `${prefix(i)}/small` }));
  return await addedCosts(candidates, plan, () => start(origin));
}
