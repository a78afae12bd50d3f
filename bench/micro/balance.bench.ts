/**
 * How long it takes to choose an endpoint, by policy and number of endpoints, in nanoseconds:
 * `node bench/micro/balance.bench.ts` after a build. "in all" is, with three endpoints, the pick and what is counted and measured
 * when an attempt begins and ends: all that balancing adds to a request. "worked out" is what it takes, once, when endpoints change.
 */
import type { Config } from '../../src/config/schema.ts';

type Balance = typeof import('../../src/upstream/balance/build.ts');
type Loading = typeof import('../../src/config/load.ts');
type Table = typeof import('../../src/shared/endpoint-table.ts');
type Segments = typeof import('../../src/shared/segment.ts');
type Endpoints = typeof import('../../src/upstream/endpoint.ts');
type Exchanges = typeof import('../../src/exchange.ts');

const TICKET = { serviceTicket: 0, endpointTicket: 0, judged: false, startedAt: 0 };
const built = (file: string) => import(new URL(`../../dist/${file}.js`, import.meta.url).href);
const { buildBalancer, meterFor } = (await built('upstream/balance/build')) as Balance;
const { parseConfig } = (await built('config/load')) as Loading;
const { EndpointTable, endpointTableBytes, UNHEALTHY } = (await built('shared/endpoint-table')) as Table;
const { createInProcess } = (await built('shared/segment')) as Segments;
const { Endpoint } = (await built('upstream/endpoint')) as Endpoints;
const { Exchange } = (await built('exchange')) as Exchanges;

const SIZES = [1, 3, 10, 1_000];
const WORKERS = 4;
const REQUESTS = 1_024;
const ROUNDS = 15;
const PICKS = 200_000;

const POLICIES: readonly [title: string, options: string, weights?: boolean][] = [
  ['round-robin', ''],
  ['round-robin, weights 1 to 1000', '', true],
  ['random', 'balance: random'],
  ['least-requests', 'balance: least-requests'],
  ['least-requests, weights', 'balance: least-requests', true],
  ['peak-ewma', 'balance: peak-ewma'],
  ['consistent-hash by header', "balance: { type: consistent-hash, by: 'header:x-room' }"],
  ['consistent-hash, maxLoad 1.25', "balance: { type: consistent-hash, by: 'header:x-room', maxLoad: 1.25 }"],
  ['failover', 'balance: failover'],
  ['sticky, round-robin', 'sticky: { cookie: at, secret: 0123456789abcdef }'],
];

const requests = Array.from({ length: REQUESTS }, (_, i) => {
  const x = new Exchange(0);
  x.headers = [
    'accept',
    '*/*',
    'cookie',
    'theme=dark; at=AAAAAAAAAAAAAAAAAAAAAA',
    'x-room',
    `room-${i * 7_919}`,
  ];
  return x;
});

console.log(
  `${'ns per pick'.padEnd(34)}${SIZES.map((size) => `${size}`.padStart(7)).join('')}   in all   worked out for 1,000`,
);
for (const [title, options, weighted = false] of POLICIES) {
  const results = SIZES.map((size) => measure(size, options, weighted));
  const figures = results.map(({ ns }) => ns.toFixed(0).padStart(7)).join('');
  const [, three, , thousand] = results as [Figures, Figures, Figures, Figures];
  console.log(
    `${title.padEnd(34)}${figures}${three.inAllNs.toFixed(0).padStart(9)}   ${thousand.lookMs.toFixed(2)} ms`,
  );
}

interface Figures {
  ns: number;
  inAllNs: number;
  lookMs: number;
}

function measure(size: number, options: string, weighted: boolean): Figures {
  const segment = createInProcess({ endpoints: endpointTableBytes(WORKERS) });
  const table = new EndpointTable(segment.region('endpoints'), 1);
  const members = Array.from({ length: size }, (_, slot) => {
    const url = `http://10.0.${slot >> 8}.${slot & 255}:9001`;
    const endpoint = new Endpoint(
      { url, maxConnections: 1, maxWaiting: 0, keepAliveMs: 1, tls: { verify: true } },
      { table, slot },
    );
    const weight = weighted ? 1 + ((slot * 389) % 1_000) : 1;
    return { id: url, url, slot, weight, zone: '', priority: 0, endpoint };
  });
  const config = configOf(options);
  for (const { endpoint, slot } of members) endpoint.meter = meterFor(config, table, slot);
  const balancer = buildBalancer('quotes', config, { table, offset: 0, zone: null });
  balancer.take(members);
  const time = (work: (x: InstanceType<typeof Exchange>) => void): number => {
    const rounds = Array.from({ length: ROUNDS }, () => {
      const startedAt = performance.now();
      for (let i = 0; i < PICKS; i++) work(requests[i & (REQUESTS - 1)] as (typeof requests)[0]);
      return ((performance.now() - startedAt) * 1e6) / PICKS;
    });
    return rounds.sort((a, b) => a - b)[ROUNDS >> 2] as number;
  };
  const ns = time((x) => {
    if (balancer.pick(x, null) === null) throw new Error('none');
  });
  const inAllNs = time((x) => {
    const endpoint = balancer.pick(x, null);
    if (endpoint === null) throw new Error('none');
    endpoint.began(TICKET);
    endpoint.ended(TICKET, null, 200, 1.5);
  });
  const looks = Array.from({ length: 20 }, (_, i) => {
    table.mark(0, UNHEALTHY, i % 2 === 0);
    const startedAt = performance.now();
    balancer.pick(requests[0] as (typeof requests)[0], null);
    return performance.now() - startedAt;
  }).sort((a, b) => a - b);
  segment.close();
  return { ns, inAllNs, lookMs: looks[10] as number };
}

function configOf(options: string): Config['services'][string] {
  const route = 'routes: [{ name: a, match: { path: "/" }, service: quotes }]';
  const text = `services: { quotes: { endpoints: [http://unused], ${options} } }\n${route}\n`;
  const result = parseConfig(text, '/bench.yaml', {});
  if (!result.ok) throw new Error(JSON.stringify(result.mistakes));
  return result.config.services.quotes as Config['services'][string];
}
