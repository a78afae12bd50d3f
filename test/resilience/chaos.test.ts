/** No POST is executed twice, whatever services do and however much is tried again. More of them: bench/chaos.ts. */
import { expect, it } from 'vitest';
import { runChaos, startChaosService } from '../harness/chaos.ts';
import { startGateway } from '../harness/gateway.ts';
import { expectBooksInOrder } from '../proxy/books.ts';
import { counted } from './counts.ts';

it('5,000 POSTs to services that fail at random points are each read once at most', async () => {
  const services = await Promise.all([1, 2, 3, 4].map(() => startChaosService()));
  const urls = services.map(({ url }) => url);
  const budget = { share: '100%', minimum: 1_000 };
  const gateway = await startGateway({
    accessLog: 'all',
    services: {
      chaos: {
        endpoints: [...urls.slice(0, 3), 'http://127.0.0.1:1'],
        retries: {
          attempts: 4,
          on: ['connect', 'reset', 'timeout', '5xx'],
          backoff: { base: '1ms', max: '5ms' },
          budget,
        },
        hedge: { after: '20ms', max: 2, budget },
        bulkhead: { maxInFlight: 24, maxWaiting: 100 },
      },
      backup: { endpoints: urls.slice(3) },
    },
    routes: [
      {
        name: 'chaos',
        match: { path: '/*' },
        service: 'chaos',
        fallback: [
          { service: 'backup', on: ['5xx'] },
          { respond: { status: 500, body: 'degraded' }, on: ['5xx'] },
        ],
      },
    ],
  });
  const { outcomes, twice, repeatedGets, mixed, fates } = await runChaos(gateway.url, services, {
    requests: 6_000,
    connections: 32,
  });
  expect(twice).toEqual([]);
  expect(mixed).toBe(0);
  // It was chaos, and what may be repeated was.
  expect(fates.size).toBe(10);
  expect(outcomes.get('200')).toBeGreaterThan(1_000);
  expect(outcomes.get('502')).toBeGreaterThan(100);
  expect(repeatedGets).toBeGreaterThan(50);
  expect(
    [...outcomes.keys()].filter((outcome) => !['200', '500', '502', '503', 'cut'].includes(outcome)),
  ).toEqual([]);
  const retries = await counted(gateway, 'sluice_retries_total');
  expect(retries['service="chaos",reason="reset",result="success"']).toBeGreaterThan(10);
  await expectBooksInOrder(gateway);
  expect((await counted(gateway, 'sluice_bulkhead_in_flight'))['service="chaos"']).toBe(0);
}, 60_000);
