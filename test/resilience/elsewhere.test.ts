/** A second try goes elsewhere, also where balancing would not: another group, another zone. */
import { expect, it } from 'vitest';
import { startGateway } from '../harness/gateway.ts';
import { startService } from '../harness/service.ts';
import { statuses, visits } from '../health/visits.ts';

const ROUTES = [{ name: 'any', match: { path: '/*' }, service: 'quotes' }];

async function twoServices(status = 200) {
  const first = await startService((_request, response) => {
    response.statusCode = status;
    response.end('first');
  });
  const second = await startService((_request, response) => response.end('second'));
  return { first, second };
}

const GROUPS = { balance: 'failover' };
const ZONES = { zones: { spillBelow: '70%' } };

it.each([
  ['group', GROUPS, {}],
  ['group', GROUPS, { passive: 'off' }],
  ['zone', ZONES, {}],
  ['zone', ZONES, { passive: 'off' }],
])('the only endpoint of the first %s is away: no request fails (%j, %j)', async (_what, balance, more) => {
  const { first, second } = await twoServices();
  await first.close();
  const endpoints = [
    { url: first.url, zone: 'a', ...('balance' in balance && { priority: 0 }) },
    { url: second.url, zone: 'b', ...('balance' in balance && { priority: 1 }) },
  ];
  const gateway = await startGateway({
    zone: 'a',
    services: { quotes: { endpoints, ...balance, ...more } },
    routes: ROUTES,
  });
  expect(statuses(await visits(gateway.url, 12))).toEqual(new Array(12).fill(200));
});

it('a retry of an answer goes to the next group, too', async () => {
  const { first, second } = await twoServices(503);
  const retries = {
    attempts: 1,
    on: [503],
    backoff: { base: '1ms' },
    budget: { share: '100%', minimum: 100 },
  };
  const endpoints = [
    { url: first.url, priority: 0 },
    { url: second.url, priority: 1 },
  ];
  const gateway = await startGateway({
    services: { quotes: { endpoints, balance: 'failover', retries } },
    routes: ROUTES,
  });
  expect((await visits(gateway.url, 6)).map(({ said }) => said)).toEqual(new Array(6).fill('second'));
  expect(first.requests).toHaveLength(6);
});
