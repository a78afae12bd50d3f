/**
 * What breakers and passive health cost a request: `node bench/micro/breaker.bench.ts` after a build. One request is: may it be
 * tried, a guard at its beginning and its end. Processes work on the same endpoints at once, so that they take words
 * from each other's caches. Exits with 1 when the bar is passed.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Exchange } from '../../src/exchange.ts';

type Tables = typeof import('../../src/shared/endpoint-table.ts');
type Segments = typeof import('../../src/shared/segment.ts');
type Health = typeof import('../../src/upstream/health/service-health.ts');
type Options = typeof import('../../src/upstream/health/options.ts');
type Endpoints = typeof import('../../src/upstream/endpoint.ts');
type Breakers = typeof import('../../src/shared/health/breaker.ts');
type Schema = typeof import('../../src/config/schema/services/service.ts');

const built = (file: string) => import(new URL(`../../dist/${file}.js`, import.meta.url).href);
const { EndpointTable, endpointTableBytes } = (await built('shared/endpoint-table')) as Tables;
const { createSegment, openSegment } = (await built('shared/segment')) as Segments;
const { ServiceHealth } = (await built('upstream/health/service-health')) as Health;
const { healthOptions } = (await built('upstream/health/options')) as Options;
const { Endpoint } = (await built('upstream/endpoint')) as Endpoints;
const { NO_TICKET } = (await built('shared/health/breaker')) as Breakers;
const { service } = (await built('config/schema/services/service')) as Schema;

const PROCESSES = Math.min(4, availableParallelism());
const ENDPOINTS = 3;
const BATCH = 1_000;
const WARM_UP_MS = 500;
const MEASURE_MS = 1_500;
/**
 * Nanoseconds. `together` is the worst there can be: all processes do nothing else, to the same words. A request that does
 * something in between meets others there far less often.
 */
const BARS_NS = { alone: 400, together: 1_000 };

const MIXES = {
  'nothing but the count of requests': { passive: 'off' },
  'passive (the default)': {},
  'passive, breaker of the service': { breaker: {} },
  'passive, breakers of service and endpoints': { breaker: { scope: 'both' } },
  'the same, slow calls and success rate too': {
    breaker: { scope: 'both', slowCall: '2s' },
    passive: { successRate: {} },
  },
  'the same, one of ten fails': { breaker: { scope: 'both' }, failing: true },
} as const;

if (process.send === undefined) await main();
else serve();

async function main(): Promise<void> {
  const segment = createSegment({ endpoints: endpointTableBytes(PROCESSES) });
  if (!segment.shared) throw new Error(`no shared memory: ${segment.reason}`);
  const children = Array.from({ length: PROCESSES }, (_, i) =>
    fork(fileURLToPath(import.meta.url), [segment.path as string, String(i + 1)]),
  );
  await Promise.all(children.map((child) => once(child, 'message')));
  console.log(`${PROCESSES} processes on ${availableParallelism()} cores, ns per request\n`);
  let slow = false;
  for (const title of Object.keys(MIXES)) {
    const alone = await measure(children.slice(0, 1), title);
    const together = await measure(children, title);
    const passed = alone > BARS_NS.alone || together > BARS_NS.together;
    slow ||= passed;
    console.log(
      `${title.padEnd(44)} alone ${alone.toFixed(0).padStart(4)}  together ${together.toFixed(0).padStart(4)}${passed ? `  SLOWER than ${BARS_NS.alone} / ${BARS_NS.together}` : ''}`,
    );
  }
  for (const child of children) child.kill();
  segment.close();
  if (slow) process.exitCode = 1;
}

/** The median of the processes. */
async function measure(children: ChildProcess[], title: string): Promise<number> {
  const answers = Promise.all(children.map(async (child) => (await once(child, 'message'))[0] as number));
  for (const child of children) child.send(title);
  const sorted = (await answers).sort((a, b) => a - b);
  return sorted[sorted.length >> 1] as number;
}

/** One of the processes. */
function serve(): void {
  const [path, id] = process.argv.slice(2) as [string, string];
  const table = new EndpointTable(openSegment(path).region('endpoints'), Number(id));
  process.on('message', (title) => process.send?.(run(table, title as keyof typeof MIXES)));
  process.send?.('ready');
}

function run(table: InstanceType<Tables['EndpointTable']>, title: keyof typeof MIXES): number {
  const { failing, ...given } = MIXES[title] as { failing?: boolean };
  const config = service.parse({ endpoints: ['http://a'], ...given });
  const options = healthOptions(config);
  const judged = options.breaker !== null || options.passive !== null;
  const health = judged ? new ServiceHealth(table, options) : null;
  const entries = Array.from({ length: ENDPOINTS }, (_, slot) => ({
    id: `http://${slot}`,
    url: `http://${slot}.example`,
    weight: 1,
    zone: '',
    priority: 0,
    slot,
  }));
  const endpoints = entries.map(
    ({ url, slot }) =>
      new Endpoint(
        { url, maxConnections: 1, maxWaiting: 0, keepAliveMs: 1_000, tls: { verify: true } },
        { table, slot },
      ),
  );
  health?.take({ service: 'bench', version: 1, slot: 0, entries }, endpoints);
  const ticket = { serviceTicket: NO_TICKET, endpointTicket: NO_TICKET, judged: false, startedAt: 0 };
  const refused: Exchange[] = [];
  const batch = () => {
    for (let i = 0; i < BATCH; i++) {
      const endpoint = endpoints[i % ENDPOINTS] as (typeof endpoints)[0];
      ticket.serviceTicket = NO_TICKET;
      ticket.endpointTicket = NO_TICKET;
      ticket.judged = false;
      if (health !== null && !health.admits()) throw new Error('the breaker is open');
      if (!endpoint.available) throw new Error('nobody is available');
      if (endpoint.guard?.hesitates()) refused.length = 0;
      if (!endpoint.began(ticket)) throw new Error('refused');
      endpoint.ended(ticket, null, failing && i % 10 === 0 ? 500 : 200, 1.5);
    }
  };
  const until = (ms: number) => {
    const begun = performance.now();
    let batches = 0;
    while (performance.now() - begun < ms) {
      batch();
      batches++;
    }
    return ((performance.now() - begun) * 1e6) / (batches * BATCH);
  };
  until(WARM_UP_MS);
  return until(MEASURE_MS);
}
