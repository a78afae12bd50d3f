/** Where endpoints come from, through a whole gateway: the environment, the admin API, and from one to the other by reload. */
import { describe, expect, it } from 'vitest';
import { eventually } from '../../harness/eventually.ts';
import { type LogLine, launchGateway, type RunningGateway, startGateway } from '../../harness/gateway.ts';
import { startService } from '../../harness/service.ts';

const ROUTES = [{ name: 'quotes', match: { path: '/*' }, service: 'quotes' }];

async function ask(gateway: RunningGateway): Promise<string> {
  const answer = await fetch(gateway.url, { headers: { connection: 'close' } });
  return answer.ok ? await answer.text() : `${answer.status}`;
}

const put = (gateway: RunningGateway, path: string, body: unknown) =>
  gateway.ask(path, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

describe('the environment', () => {
  it('is a source of services when asked for; what it gave is in the log', async () => {
    const [one, two] = [
      await startService((_, r) => r.end('one')),
      await startService((_, r) => r.end('two')),
    ];
    const gateway = await startGateway(
      { discovery: { env: true }, routes: ROUTES },
      { env: { QUOTES_SERVICE_URL: `${one.url},${two.url}` } },
    );
    const answers = new Set([await ask(gateway), await ask(gateway)]);
    expect([...answers].sort()).toEqual(['one', 'two']);
    const line = await gateway.logged(({ msg }) => msg === 'service from the environment');
    expect(line).toMatchObject({ level: 'info', service: 'quotes', endpoints: [one.url, two.url] });
    const { body } = await gateway.ask('/metrics');
    expect(body).toContain('sluice_discovery_endpoints{service="quotes",source="env"} 2');
  });

  it('prevents the start when a service is in the file, too', async () => {
    const gateway = launchGateway(
      {
        discovery: { env: true },
        services: { quotes: { endpoints: ['http://127.0.0.1:1'] } },
        routes: ROUTES,
      },
      { env: { QUOTES_SERVICE_URL: 'http://127.0.0.1:2' } },
    );
    expect(await gateway.exited).toBe(1);
    expect(gateway.stderr).toContain('the environment has a service "quotes", too: QUOTES_SERVICE_URL');
  });
});

describe('the registry on the admin API', () => {
  it('takes instances that make sense and may be there, and says what is wrong with others', async () => {
    const gateway = await startGateway({
      registry: { networks: ['10.0.0.0/8'] },
      services: { quotes: { discover: 'registry' } },
      routes: ROUTES,
    });
    const q1 = '/registry/quotes/q1';
    const wrong = async (body: unknown, path = q1) => {
      const answer = await put(gateway, path, body);
      return `${answer.status} ${answer.body.detail}`;
    };
    expect(await wrong({ url: 'http://127.0.0.1:1' })).toBe(
      '400 127.0.0.1 is a loopback address: registry.allowLoopback allows it',
    );
    expect(await wrong({ url: 'http://0xa9fea9fe/' })).toMatch(
      /^400 169\.254\.169\.254 is a metadata service/,
    );
    expect(await wrong({ url: 'http://[::ffff:169.254.169.254]' })).toMatch(/^400 .*metadata service/);
    expect(await wrong({ url: 'http://[fd00:ec2::254]' })).toMatch(/^400 .*metadata service/);
    expect(await wrong({ url: 'http://192.168.0.1' })).toMatch(/^400 .*not a public address/);
    expect(await wrong({ url: 'http://localhost:9001' })).toMatch(/^400 .*is a name/);
    expect(await wrong({})).toMatch(/^400 url: expected/);
    expect(await wrong('')).toMatch(/^400 url: expected/);
    expect(await wrong('[]')).toMatch(/^400 .*JSON object/);
    expect(await wrong('{')).toMatch(/^400 .*not valid JSON/);
    expect(await wrong({ url: 'http://10.0.0.1', wieght: 5 })).toMatch(
      /^400 unknown member "wieght", did you mean "weight"/,
    );
    expect(await wrong({ url: 'http://10.0.0.1', ttl: '10ms' })).toBe('400 ttl: expected 1s to 1h');
    expect(await wrong({ url: 'http://10.0.0.1', ttl: '2h' })).toBe('400 ttl: expected 1s to 1h');
    expect(await wrong({ url: 'http://10.0.0.1' }, '/registry/orders/q1')).toMatch(/^404 no service takes/);
    expect(await wrong({ url: 'http://10.0.0.1' }, '/registry/quotes/%2e%2e%2fx')).toMatch(/^400 an id has/);
    expect(await wrong({ url: 'http://10.0.0.1', metadata: { a: 'x'.repeat(70_000) } })).toMatch(/^413/);

    const made = await put(gateway, q1, { url: 'http://10.0.0.1:9001/', weight: 2, ttl: '5s' });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      service: 'quotes',
      id: 'q1',
      url: 'http://10.0.0.1:9001',
      weight: 2,
      ttlMs: 5000,
      registered: 'new',
    });
    expect((await put(gateway, q1, { url: 'http://10.0.0.1:9001', weight: 2 })).body).toMatchObject({
      registered: 'renewed',
      ttlMs: 10_000,
    });
    const { body } = await gateway.ask('/registry');
    expect(body).toEqual({
      services: [
        {
          service: 'quotes',
          instances: [{ id: 'q1', url: 'http://10.0.0.1:9001', weight: 2, zone: '', priority: 0 }],
          skipped: {},
        },
      ],
    });
    expect((await gateway.ask('/registry/nobody')).status).toBe(404);
    const isRegistered = ({ event }: LogLine) => event === 'admin.registry.register';
    expect(await gateway.logged(isRegistered)).toMatchObject({
      service: 'quotes',
      instance: 'q1',
      registered: 'new',
    });
    expect(
      (await gateway.ask(q1, { method: 'DELETE', headers: { origin: 'http://evil.example' } })).status,
    ).toBe(403);
    expect((await gateway.ask(q1, { method: 'DELETE' })).status).toBe(200);
    await gateway.logged(({ event }) => event === 'admin.registry.deregister');
    expect(gateway.log.filter(isRegistered)).toHaveLength(1);
  });
});

describe('a reload', () => {
  it('moves a service from the file to the registry and back; a refused one changes nothing', async () => {
    const [file, registered] = [
      await startService((_, r) => r.end('file')),
      await startService((_, r) => r.end('registered')),
    ];
    const config = (quotes: object) => ({
      registry: { allowLoopback: true },
      services: { quotes },
      routes: ROUTES,
    });
    const gateway = await startGateway({ ...config({ endpoints: [file.url] }), workers: 2 });
    expect((await gateway.ask('/registry')).status).toBe(409);
    expect(await ask(gateway)).toBe('file');

    gateway.write({ ...config({ discover: 'registry' }), workers: 2 });
    expect((await gateway.reload()).status).toBe(200);
    expect(await ask(gateway)).toBe('503');
    await put(gateway, '/registry/quotes/a', { url: registered.url, ttl: '1m' });
    await eventually(async () => (await ask(gateway)) === 'registered');

    gateway.write({ ...config({ discover: 'nonsense' }), workers: 2 });
    expect((await gateway.reload()).status).toBe(422);
    expect(await ask(gateway)).toBe('registered');

    gateway.write({ ...config({ discover: 'registry', timeouts: { connect: '2s' } }), workers: 2 });
    expect((await gateway.reload()).status).toBe(200);
    expect(await ask(gateway)).toBe('registered');

    gateway.write({ ...config({ endpoints: [file.url] }), workers: 2 });
    expect((await gateway.reload()).status).toBe(200);
    for (let i = 0; i < 8; i++) expect(await ask(gateway)).toBe('file');
  });
});
