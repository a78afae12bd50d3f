/** How much time is left is told to the service, and taken from whoever is trusted. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { exchangeRaw, get } from '../harness/raw-client.ts';
import { ok, type ScriptedService, startScriptedService } from '../harness/scripted-service.ts';
import { expectBooksInOrder } from '../proxy/books.ts';

let service: ScriptedService;
/** Trusts nobody. */
let gateway: RunningGateway;
/** Trusts its peers. */
let behind: RunningGateway;

const NAME = 'X-Request-Deadline';

beforeAll(async () => {
  service = await startScriptedService();
  const config = {
    accessLog: 'all',
    services: {
      bounded: {
        endpoints: [service.url],
        timeouts: { total: '5s', firstByte: '10s' },
        retries: {
          attempts: 1,
          on: [503],
          backoff: { base: '1ms' },
          budget: { share: '100%', minimum: 100 },
        },
      },
      unbounded: { endpoints: [service.url] },
    },
    routes: [
      { name: 'bounded', match: { path: '/bounded/*' }, service: 'bounded' },
      { name: 'unbounded', match: { path: '/unbounded/*' }, service: 'unbounded' },
    ],
  };
  [gateway, behind] = await Promise.all([
    startGateway(config),
    startGateway({ ...config, listen: { host: '127.0.0.1', port: 0, trustedProxies: ['127.0.0.1'] } }),
  ]);
});

afterAll(async () => {
  expect(await gateway?.stop()).toBe(0);
  expect(await behind?.stop()).toBe(0);
  await service?.close();
});

/** What the service was told. */
function told(path: string): string[][] {
  return service.to(path).map((request) => request.all('x-request-deadline'));
}

describe('a service', () => {
  it('is told how many milliseconds are left', async () => {
    await exchangeRaw(gateway.url, get('/bounded/a'));
    const [[ms]] = told('/bounded/a');
    expect(ms).toMatch(/^\d+$/);
    expect(Number(ms)).toBeGreaterThan(3_000);
    expect(Number(ms)).toBeLessThanOrEqual(5_000);
  });

  it('is told nothing when there is no bound', async () => {
    await exchangeRaw(gateway.url, get('/unbounded/a'));
    expect(told('/unbounded/a')).toEqual([[]]);
  });

  it('is told less with each try', async () => {
    let n = 0;
    service.on('/bounded/twice', (socket) => {
      const status = n++ === 0 ? '503 Service Unavailable' : '200 OK';
      setTimeout(() => socket.write(ok('').replace('200 OK', status)), 100);
    });
    expect((await exchangeRaw(gateway.url, get('/bounded/twice'))).status).toBe(200);
    const [[first], [second]] = told('/bounded/twice');
    expect(Number(first) - Number(second)).toBeGreaterThanOrEqual(95);
  });
});

describe('a client that nobody trusts', () => {
  it.each(['bounded', 'unbounded'])('has no say (%s)', async (path) => {
    const answer = await exchangeRaw(gateway.url, get(`/${path}/untrusted`, `${NAME}: 1`));
    expect(answer.status).toBe(200);
    expect(
      told(`/${path}/untrusted`)
        .flat()
        .every((ms) => Number(ms) > 3_000),
    ).toBe(true);
  });
});

describe('a trusted peer', () => {
  it('shortens the time', async () => {
    await exchangeRaw(behind.url, get('/bounded/shorter', `${NAME}: 2000`));
    const [[ms]] = told('/bounded/shorter');
    expect(Number(ms)).toBeGreaterThan(500);
    expect(Number(ms)).toBeLessThanOrEqual(2_000);
  });

  it('never makes it longer', async () => {
    await exchangeRaw(behind.url, get('/bounded/longer', `${NAME}: 60000`));
    expect(Number(told('/bounded/longer')[0][0])).toBeLessThanOrEqual(5_000);
  });

  it('sets a bound where there was none, and it is kept', async () => {
    service.on('/unbounded/silent', () => {});
    const from = performance.now();
    const answer = await exchangeRaw(behind.url, get('/unbounded/silent', `${NAME}: 200`));
    expect(JSON.parse(answer.body.toString()).code).toBe('UPSTREAM_TOTAL_TIMEOUT');
    expect(performance.now() - from).toBeGreaterThanOrEqual(190);
    expect(performance.now() - from).toBeLessThan(5_000);
  });

  it('that has no time left gets an answer without a call', async () => {
    const answer = await exchangeRaw(behind.url, get('/unbounded/over', `${NAME}: 0`));
    expect([answer.status, JSON.parse(answer.body.toString()).code]).toEqual([504, 'UPSTREAM_TOTAL_TIMEOUT']);
    expect(told('/unbounded/over')).toEqual([]);
  });

  it.each(['-5', 'soon', '1e3', '99999999999', '5, 6', '0x10'])(
    'that says "%s" says nothing',
    async (value) => {
      const path = `/unbounded/${encodeURIComponent(value)}`;
      expect((await exchangeRaw(behind.url, get(path, `${NAME}: ${value}`))).status).toBe(200);
      expect(told(path)).toEqual([[]]);
    },
  );
});

it('leaves the books in order', async () => {
  await expectBooksInOrder(gateway);
  await expectBooksInOrder(behind);
});
