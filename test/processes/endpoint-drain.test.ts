/** Endpoints that an operator takes out. */
import { expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { startGateway } from '../harness/gateway.ts';
import { startService } from '../harness/service.ts';

const route = { name: 'all', match: { path: '/*' }, service: 'quotes' };

test('a drained endpoint gets nothing new from any worker, what runs there ends, and a reload changes nothing', async () => {
  let release: () => void = () => {};
  const drained = await startService((incoming, response) => {
    if (incoming.url === '/long') release = () => response.end('late');
    else response.end('a');
  });
  const other = await startService((_, response) => response.end('b'));
  const gateway = await startGateway({
    workers: 2,
    services: { quotes: { endpoints: [drained.url, other.url], balance: 'least-requests' } },
    routes: [route],
  });
  const names = async (count: number) => {
    const ask = async () => (await fetch(gateway.url, { headers: { connection: 'close' } })).text();
    return new Set(await Promise.all(Array.from({ length: count }, ask)));
  };
  const at = `/services/quotes/endpoints/${encodeURIComponent(drained.url)}/drain`;

  // The other is told to wait by being out: the long request must go to the one to drain.
  const otherAt = at.replace(encodeURIComponent(drained.url), encodeURIComponent(other.url));
  await gateway.ask(otherAt, { method: 'PUT' });
  const long = fetch(`${gateway.url}/long`);
  await eventually(() => drained.requests.length === 1);
  expect((await gateway.ask(otherAt, { method: 'DELETE' })).body).toMatchObject({
    drained: false,
    inFlight: 0,
  });

  const { status, body } = await gateway.ask(at, { method: 'PUT' });
  expect([status, body]).toEqual([
    200,
    { service: 'quotes', endpoint: drained.url, drained: true, inFlight: 1 },
  ]);
  expect(await names(40)).toEqual(new Set(['b']));
  await gateway.reload();
  expect(await names(40)).toEqual(new Set(['b']));
  expect(drained.requests).toHaveLength(1);
  release();
  expect(await (await long).text()).toBe('late');
  await eventually(async () => (await gateway.ask(at, { method: 'PUT' })).body.inFlight === 0);

  await gateway.ask(at, { method: 'DELETE' });
  expect(await names(40)).toEqual(new Set(['a', 'b']));
  const audited = gateway.log.filter(({ msg, endpoint }) => msg === 'audit' && endpoint === drained.url);
  expect(audited.map(({ event, service }) => [event, service])).toEqual([
    ['admin.endpoint.drain', 'quotes'],
    ['admin.endpoint.undrain', 'quotes'],
  ]);
});

test('with all endpoints drained a service answers 503; what does not exist is 404', async () => {
  const service = await startService((_, response) => response.end('a'));
  const gateway = await startGateway({ services: { quotes: { endpoints: [service.url] } }, routes: [route] });
  const drain = (name: string, id: string) =>
    gateway.ask(`/services/${name}/endpoints/${encodeURIComponent(id)}/drain`, { method: 'PUT' });
  expect((await drain('quotes', 'http://elsewhere')).body.detail).toContain(
    'has no endpoint "http://elsewhere"',
  );
  expect((await drain('nobody', service.url)).status).toBe(404);
  expect((await drain('quotes', service.url)).status).toBe(200);
  const refused = await fetch(gateway.url);
  expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([503, 'NO_ENDPOINT']);
});
