/** Which endpoint gets a request. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { exchangeRaw, get } from '../harness/raw-client.ts';
import { type RunningService, startService } from '../harness/service.ts';

let services: RunningService[];
let gateway: RunningGateway;

beforeAll(async () => {
  services = await Promise.all(
    ['a', 'b', 'c'].map((name) => startService((_request, response) => response.end(name))),
  );
  const endpoints = services.map(({ url }, i) => ({ url, weight: [5, 3, 1][i] }));
  const equal = services.map(({ url }) => url);
  const weighted = (balance: string) => ({ endpoints, balance });
  gateway = await startGateway({
    services: {
      turns: { endpoints: services.map(({ url }) => url) },
      weighted: weighted('round-robin'),
      random: weighted('random'),
      rooms: { endpoints: equal, balance: { type: 'consistent-hash', by: 'param:room' } },
      tenants: { endpoints: equal, balance: { type: 'consistent-hash', by: 'header:X-Tenant' } },
      sites: {
        endpoints: services.map(({ url }, i) => ({ url, zone: ['east', 'west', 'east'][i] })),
      },
      backup: {
        endpoints: services.map(({ url }, i) => ({ url, priority: [1, 0, 2][i] })),
        balance: { type: 'failover', within: 'least-requests' },
      },
    },
    zone: 'east',
    routes: [
      ...['turns', 'weighted', 'random', 'tenants', 'sites', 'backup'].map((name) => ({
        name,
        match: { path: `/${name}` },
        service: name,
      })),
      { name: 'rooms', match: { path: '/rooms/:room' }, service: 'rooms' },
    ],
  });
});

afterAll(async () => {
  await gateway?.stop();
  for (const service of services ?? []) await service.close();
});

async function names(path: string, count: number): Promise<string> {
  let answered = '';
  for (let i = 0; i < count; i++) answered += (await exchangeRaw(gateway.url, get(path))).body.toString();
  return answered;
}

function times(name: string, answered: string): number {
  return answered.split(name).length - 1;
}

describe('round-robin', () => {
  it('takes the endpoints in turn', async () => {
    const answered = await names('/turns', 9);
    for (let i = 0; i < 9; i += 3) expect([...answered.slice(i, i + 3)].sort().join('')).toBe('abc');
  });

  it('shares by weight exactly, and mixes', async () => {
    const answered = await names('/weighted', 18);
    for (const turn of [answered.slice(0, 9), answered.slice(9)]) {
      expect([times('a', turn), times('b', turn), times('c', turn)]).toEqual([5, 3, 1]);
    }
    expect(answered).not.toContain('aaa');
    expect(answered).not.toContain('bb');
  });
});

describe('random', () => {
  it('shares by weight on the whole', async () => {
    const answered = await names('/random', 450);
    // Three standard deviations and more of the binomial: fails once in many thousand runs.
    expect(Math.abs(times('a', answered) - 250)).toBeLessThan(50);
    expect(Math.abs(times('b', answered) - 150)).toBeLessThan(50);
    expect(Math.abs(times('c', answered) - 50)).toBeLessThan(35);
  });
});

describe('consistent-hash', () => {
  it('leads a parameter of the path, and a header, to one endpoint each', async () => {
    const rooms = Array.from({ length: 30 }, (_, i) => `/rooms/${i}`);
    const first = await Promise.all(rooms.map((path) => names(path, 1)));
    expect(await Promise.all(rooms.map((path) => names(path, 1)))).toEqual(first);
    expect(new Set(first).size).toBe(3);
    const tenant = async (name: string) => {
      const answer = await fetch(`${gateway.url}/tenants`, { headers: { 'x-tenant': name } });
      return await answer.text();
    };
    const tenants = await Promise.all(rooms.map(tenant));
    expect(await Promise.all(rooms.map(tenant))).toEqual(tenants);
    expect(new Set(tenants).size).toBe(3);
  });
});

describe('zones and groups', () => {
  it('are asked in their order', async () => {
    expect(new Set(await names('/sites', 10))).toEqual(new Set(['a', 'c']));
    expect(new Set(await names('/backup', 5))).toEqual(new Set(['b']));
    const drain = (service: string, i: number) =>
      gateway.ask(`/services/${service}/endpoints/${encodeURIComponent(services[i]!.url)}/drain`, {
        method: 'PUT',
      });
    await drain('backup', 1);
    expect(new Set(await names('/backup', 5))).toEqual(new Set(['a']));
    await drain('sites', 0);
    await drain('sites', 2);
    expect(new Set(await names('/sites', 5))).toEqual(new Set(['b']));
  });
});
