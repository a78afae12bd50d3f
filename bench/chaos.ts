/**
 * 100,000 POSTs to services that fail at random points: `npm run bench -- chaos [REQUESTS]`. Everything that sends a request
 * again is on. No POST may be read twice by any of the services, and no answer may be another request's.
 */
import { runChaos, startChaosService } from '../test/harness/chaos.ts';
import { startSluice } from './contenders/sluice.ts';
import { workspace } from './proc.ts';
import { type Bar, barTable, provenance, saveSections } from './report.ts';

const CONNECTIONS = 64;
/** Of which five are POSTs and one is a GET. */
const OF_SIX = 6 / 5;

const SERVICE = [
  'retries: { attempts: 4, on: [connect, reset, timeout, 5xx], backoff: { base: 1ms, max: 10ms }, budget: 100% }',
  'hedge: { after: 20ms, max: 2, budget: 100% }',
  'bulkhead: { maxInFlight: 48, maxWaiting: 100 }',
].join('\n    ');

/** Measures and records; false when a bar is missed. */
export async function runChaosBench(posts: number): Promise<boolean> {
  const services = await Promise.all([1, 2, 3].map(() => startChaosService()));
  const endpoints = [...services.map(({ url }) => url), 'http://127.0.0.1:1'].join(', ');
  const gateway = await startSluice(endpoints, workspace(), { service: SERVICE });
  const start = performance.now();
  const { outcomes, twice, repeatedGets, mixed, fates } = await runChaos(gateway.url, services, {
    requests: Math.ceil(posts * OF_SIX),
    connections: CONNECTIONS,
  });
  const seconds = (performance.now() - start) / 1000;
  await gateway.stop();
  await Promise.all(services.map((service) => service.close()));

  const list = (counts: Map<string, number>): string =>
    [...counts]
      .sort(([, a], [, b]) => b - a)
      .map(([name, n]) => `${name} ${n}`)
      .join(', ');
  const sent = [...outcomes.values()].reduce((sum, n) => sum + n, 0);
  const bars: Bar[] = [
    { what: 'POSTs read twice', bar: '0', measured: String(twice.length), met: twice.length === 0 },
    { what: 'answers of another request', bar: '0', measured: String(mixed), met: mixed === 0 },
    {
      what: 'GETs read twice (that retries were on)',
      bar: '> 0',
      measured: String(repeatedGets),
      met: repeatedGets > 0,
    },
  ];
  const text = `${provenance()} ${sent} POSTs in ${seconds.toFixed(0)} s, ${CONNECTIONS} at a time, to three services and an address
where nobody listens. What clients saw: ${list(outcomes)}. What services did: ${list(fates)}.`;
  saveSections({ Chaos: `${text}\n\n${barTable(bars)}` });
  return bars.every(({ met }) => met);
}
