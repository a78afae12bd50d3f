/** What operators, and the public, are told of services. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { type RunningService, startService } from '../harness/service.ts';
import { visits } from './visits.ts';

const HEALTH = 'application/health+json';

let service: RunningService;
let gateway: RunningGateway;

beforeAll(async () => {
  service = await startService((_request, response) => response.end('hi'));
  gateway = await startGateway({
    workers: 2,
    services: {
      quotes: { endpoints: [{ url: service.url, weight: 3 }], breaker: {} },
      broken: {
        endpoints: ['http://127.0.0.1:1'],
        passive: 'off',
        breaker: { minimum: 1, openFor: '1h' },
      },
    },
    routes: [
      { name: 'quotes', match: { path: '/*' }, service: 'quotes' },
      { name: 'broken', match: { path: '/broken' }, service: 'broken' },
      { name: 'health', match: { path: '/status', methods: ['GET'] }, builtin: 'services' },
    ],
  });
  await visits(gateway.url, 5);
  await visits(gateway.url, 1, '/broken');
});
afterAll(async () => {
  await gateway?.stop();
  await service?.close();
});

const healthOf = (path: string) => gateway.ask(path, { headers: { accept: HEALTH } });

describe('operators', () => {
  it('see each service with its endpoints, and how it is in all', async () => {
    const { status, body } = await gateway.ask('/services');
    expect(status).toBe(200);
    expect(body.status).toBe('fail');
    const [quotes, broken] = body.services;
    expect(quotes).toMatchObject({
      name: 'quotes',
      status: 'pass',
      available: 1,
      breaker: { state: 'closed', calls: 5, failed: 0 },
    });
    expect(quotes.endpoints).toMatchObject([
      {
        id: service.url,
        url: service.url,
        state: 'available',
        reasons: [],
        weight: 3,
        zone: '',
        inFlight: 0,
        latencyMs: expect.any(Number),
        probe: null,
        passive: { state: 'trusted', ejections: 0, cause: null, returnsInMs: 0 },
        breaker: null,
      },
    ]);
    expect(broken).toMatchObject({ status: 'fail', breaker: { state: 'open' } });
    expect(broken.breaker.retryInMs).toBeGreaterThan(3_000_000);
  });

  it('may ask for one', async () => {
    expect((await gateway.ask('/services/quotes')).body).toMatchObject({ name: 'quotes', status: 'pass' });
    expect((await gateway.ask('/services/none')).status).toBe(404);
  });

  it('get it as health+json, with a status that says it', async () => {
    const all = await healthOf('/services');
    expect(all.status).toBe(503);
    expect(all.headers.get('content-type')).toContain(HEALTH);
    expect(all.body.status).toBe('fail');
    expect(all.body.checks['broken:breaker']).toEqual([
      { componentType: 'component', observedValue: 'open', status: 'fail' },
    ]);
    const one = await healthOf('/services/quotes');
    expect(one.status).toBe(200);
    expect(one.body.checks['quotes:endpoints']).toMatchObject([{ componentId: service.url, status: 'pass' }]);
  });

  it('see breakers in the metrics', async () => {
    const { body } = await gateway.ask('/metrics');
    expect(body).toContain('sluice_breaker_state{service="quotes",endpoint=""} 0\n');
    expect(body).toContain('sluice_breaker_state{service="broken",endpoint=""} 3\n');
    expect(body).toContain('sluice_breaker_changes_total{service="broken",endpoint="",to="open"} 1\n');
  });
});

describe('the public', () => {
  it('sees how services are, and no address', async () => {
    const answer = await fetch(`${gateway.url}/status`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const text = await answer.text();
    expect(JSON.parse(text)).toEqual({
      status: 'fail',
      services: {
        quotes: { status: 'pass', endpoints: 1, available: 1, breaker: 'closed' },
        broken: { status: 'fail', endpoints: 1, available: 1, breaker: 'open' },
      },
    });
    expect(text).not.toContain('127.0.0.1');
  });

  it('gets it as health+json', async () => {
    const answer = await fetch(`${gateway.url}/status`, { headers: { accept: HEALTH } });
    expect(answer.status).toBe(503);
    expect(answer.headers.get('content-type')).toBe(HEALTH);
    expect(await answer.json()).toMatchObject({
      status: 'fail',
      checks: { 'quotes:endpoints': [{ observedValue: 1, status: 'pass' }] },
    });
  });
});
