/** What the gateway itself may send again. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { startGateway } from '../harness/gateway.ts';
import { later, order, startWorkshop } from './workshop.ts';

async function start(serviceHonours: boolean, more: object = {}) {
  const data = mkdtempSync(join(tmpdir(), 'sluice-idempotency-'));
  onTestFinished(() => rmSync(data, { recursive: true, force: true }));
  const workshop = await startWorkshop();
  const gateway = await startGateway({
    data,
    services: { shop: { endpoints: [workshop.url] } },
    routes: [
      { name: 'do', match: { path: '/do' }, service: 'shop', idempotency: { serviceHonours }, ...more },
    ],
  });
  // The connection that the next one goes out on has carried an answer.
  await order(gateway.url, '"warm"');
  return { workshop, gateway };
}

it('a request that was sent is not sent again', async () => {
  const { workshop, gateway } = await start(false);
  expect((await order(gateway.url, '"k"', { want: 'reset once' })).status).toBe(502);
  expect((await later(gateway.url, '"k"', { want: 'reset once' })).code).toBe('IDEMPOTENCY_OUTCOME_UNKNOWN');
  expect(workshop.executed()).toBe(2);
});

it('a request that was sent is sent again, with its key, to a service that honours keys', async () => {
  const { workshop, gateway } = await start(true);
  const told = await order(gateway.url, '"k"', { want: 'reset once' });
  expect([told.status, told.text]).toEqual([201, 'done 3 b']);
  expect(workshop.requests.map(({ headers }) => headers['idempotency-key'])).toEqual([
    '"warm"',
    '"k"',
    '"k"',
  ]);
  expect((await later(gateway.url, '"k"', { want: 'reset once' })).replayed).toBe(true);
  expect(workshop.executed()).toBe(3);
  // Without a key nothing is said about it.
  expect((await order(gateway.url, null, { want: 'reset once' })).status).toBe(502);
});

const instead = { fallback: [{ respond: { status: 200, body: 'instead' } }] };

it('what takes the place of an answer that did not come is not the outcome', async () => {
  const { workshop, gateway } = await start(true, instead);
  expect((await order(gateway.url, '"k"', { want: 'reset' })).text).toBe('instead');
  const before = workshop.executed();
  expect((await later(gateway.url, '"k"', { want: 'reset' })).code).toBe('IDEMPOTENCY_OUTCOME_UNKNOWN');
  expect(workshop.executed()).toBe(before);
});

it.each([
  ['status=503', 'kept, when the client has left before', 503],
  ['reset', 'unknown, when the client has left before', 409],
])('nothing takes the place of "%s": it is %s', async (want, _, status) => {
  const { workshop, gateway } = await start(true, {
    ...instead,
    retries: { attempts: 3, on: [503, 'reset'] },
  });
  workshop.hold();
  const leaving = new AbortController();
  const first = order(gateway.url, '"k"', { want, signal: leaving.signal }).catch(() => {});
  await eventually(() => workshop.executed() === 2);
  leaving.abort();
  await first;
  await eventually(async () => (await order(gateway.url, '"k"', { want })).code === 'IDEMPOTENCY_IN_FLIGHT');
  workshop.release();
  const told = await later(gateway.url, '"k"', { want });
  expect([told.status, told.replayed]).toEqual([status, status === 503]);
  expect(workshop.executed()).toBe(2);
});
