import { request } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { startService } from '../harness/service.ts';

const hello = { name: 'hello', match: { path: '/hello' }, respond: { body: 'hello' } };

describe('the index', () => {
  test('lists every endpoint, and every GET in the list answers', async () => {
    const gateway = await startGateway({ routes: [hello] });
    const { body } = await gateway.ask('/');
    const listed = body.endpoints.map(({ method, path }: Record<string, string>) => `${method} ${path}`);
    expect(listed).toEqual([
      'GET /',
      'GET /livez',
      'GET /readyz',
      'GET /metrics',
      'GET /stats',
      'GET /workers',
      'GET /config',
      'POST /config/reload',
      'GET /services',
      'GET /services/:name',
      'GET /keys',
      'POST /keys',
      'GET /keys/:id',
      'PUT /keys/:id',
      'POST /keys/:id/rotate',
      'POST /keys/:id/revoke',
      'DELETE /keys/:id',
      'GET /consumers',
      'POST /consumers',
      'GET /consumers/:name',
      'PUT /consumers/:name',
      'DELETE /consumers/:name',
      'POST /revocations',
      'DELETE /revocations',
      'GET /idempotency/:key',
      'DELETE /idempotency/:key',
      'GET /registry',
      'GET /registry/:service',
      'PUT /registry/:service/:instance',
      'DELETE /registry/:service/:instance',
      'GET /usage',
      'GET /usage/:caller',
      'PUT /services/:service/endpoints/:endpoint/drain',
      'DELETE /services/:service/endpoints/:endpoint/drain',
      'GET /channels',
      'GET /channels/:channel',
      'POST /channels/:channel',
      'POST /broadcast',
      'GET /sockets',
      'GET /sockets/:id',
      'DELETE /sockets/:id',
      'DELETE /sockets',
      'GET /channels/:channel/presence',
    ]);
    for (const { method, path } of body.endpoints) {
      // There are no keys and consumers without a store, no usage without quotas, no idempotency keys, no channels, and no service has its endpoints from the registry.
      const status = /^\/(keys|consumers|usage|registry|idempotency|channels)/.test(path) ? 409 : 200;
      if (path === '/services/:name' || path === '/sockets/:id') continue;
      if (method === 'GET') expect((await gateway.ask(path)).status, path).toBe(status);
    }
  });

  test('what does not exist is 404, the wrong method 405 with Allow, HEAD is GET without the body', async () => {
    const gateway = await startGateway({ routes: [hello] });
    const missing = await gateway.ask('/nope');
    expect(missing).toMatchObject({ status: 404, body: { status: 404, title: 'Not found' } });
    expect(missing.headers.get('content-type')).toContain('application/problem+json');
    const wrong = await gateway.ask('/metrics', { method: 'DELETE' });
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get('allow')).toBe('GET, HEAD');
    expect((await gateway.ask('/config/reload')).headers.get('allow')).toBe('POST');
    const head = await gateway.ask('/livez', { method: 'HEAD' });
    expect(head).toMatchObject({ status: 200, body: '' });
  });
});

describe('/config', () => {
  test('shows what runs, with secrets masked', async () => {
    const gateway = await startGateway(
      {
        redis: `redis://user:hush@localhost:6379`,
        admin: { host: '127.0.0.1', port: 0, token: '${TOKEN}' },
        routes: [{ ...hello, respond: { body: 'hello', headers: { 'x-api-key': 'hush' } } }],
      },
      { env: { TOKEN: 'hush' } },
    );
    const answer = await fetch(`${gateway.admin}/config`, { headers: { authorization: 'Bearer hush' } });
    const text = await answer.text();
    expect(text).not.toContain('hush');
    const { config, generation, workers } = JSON.parse(text);
    expect(config).toMatchObject({ routes: [{ name: 'hello' }], admin: { token: '***' } });
    expect(generation).toBe(1);
    expect(workers).toEqual([{ id: 1, pid: gateway.pid, state: 'ready', generation: 1 }]);
  });
});

describe('/workers', () => {
  test('shows each process and how late its event loop runs, in the unit of /stats', async () => {
    const gateway = await startGateway({ workers: 2, routes: [hello] });
    const [first, second] = (await gateway.ask('/workers')).body.workers;
    expect(first).toMatchObject({ id: 1, state: 'ready', generation: 1, restarts: 0, lastExit: null });
    expect(second.pid).not.toBe(first.pid);
    const { p50, p99, max } = first.eventLoopDelayMs;
    expect(p50).toBeLessThanOrEqual(p99);
    expect(p99).toBeLessThanOrEqual(max);
    expect(max).toBeLessThan(10_000);
  });
});

describe('/stats and /metrics', () => {
  test('count the same exchanges, over all workers', async () => {
    const service = await startService();
    const gateway = await startGateway({
      workers: 2,
      services: { echo: { endpoints: [service.url] }, dead: { endpoints: ['http://127.0.0.1:9'] } },
      routes: [
        { name: 'echo', match: { path: '/echo/*' }, service: 'echo' },
        { name: 'dead', match: { path: '/dead' }, service: 'dead' },
      ],
    });
    const post = { method: 'POST', body: '12345', headers: { connection: 'close' } };
    for (let i = 0; i < 10; i++) await (await fetch(`${gateway.url}/echo/x`, post)).text();
    await (await fetch(`${gateway.url}/dead`)).text();
    await (await fetch(`${gateway.url}/nowhere`)).text();

    const stats = (await gateway.ask('/stats')).body;
    expect(stats.routes.echo).toMatchObject({
      count: 10,
      inFlight: 0,
      attempts: 10,
      bytesIn: 50,
      failures: {},
    });
    const { total, upstream, gateway: own } = stats.routes.echo.latencyMs;
    expect(total.p50).toBeGreaterThan(0);
    expect(total.p50).toBeLessThanOrEqual(total.p90);
    expect(total['p99.9']).toBeLessThanOrEqual(total.max);
    expect(upstream.max).toBeLessThanOrEqual(total.max);
    expect(own.max).toBeLessThanOrEqual(total.max);
    expect(stats.routes.dead.failures).toEqual({ UPSTREAM_CONNECT_FAILED: 1 });
    expect(stats.routes['-'].failures).toEqual({ NOT_FOUND: 1 });
    expect(stats.total).toMatchObject({ count: 12, failures: { UPSTREAM_CONNECT_FAILED: 1, NOT_FOUND: 1 } });

    const metrics = await gateway.ask('/metrics');
    expect(metrics.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const lines = metrics.body.split('\n');
    expect(lines).toContain('sluice_requests_total{route="echo",method="POST",status_class="2xx"} 10');
    expect(lines).toContain('sluice_requests_total{route="-",method="GET",status_class="4xx"} 1');
    expect(lines).toContain(
      'sluice_failures_total{route="dead",code="UPSTREAM_CONNECT_FAILED",blame="upstream"} 1',
    );
    expect(lines).toContain('sluice_bytes_total{route="echo",direction="in"} 50');
    expect(lines).toContain('sluice_request_duration_seconds_count{route="echo",phase="upstream"} 10');
    expect(lines).toContain('sluice_config_generation{worker="2"} 1');
  });

  test('what is under way shows as in flight, on its route', async () => {
    const held = Promise.withResolvers<void>();
    const service = await startService(async (_request, response) => {
      await held.promise;
      response.end();
    });
    const gateway = await startGateway({
      services: { slow: { endpoints: [service.url] } },
      routes: [{ name: 'slow', match: { path: '/slow' }, service: 'slow' }],
    });
    const answers = [fetch(`${gateway.url}/slow`), fetch(`${gateway.url}/slow`)];
    await expect.poll(() => service.requests.length).toBe(2);
    const { body } = await gateway.ask('/stats');
    expect(body).toMatchObject({
      connections: 2,
      total: { inFlight: 2 },
      routes: { slow: { inFlight: 2, count: 0 } },
    });
    held.resolve();
    await Promise.all(answers);
    expect((await gateway.ask('/stats')).body.routes.slow).toMatchObject({ inFlight: 0, count: 2 });
  });
});

describe('with a token', () => {
  test('everything but the probes asks for it', async () => {
    const gateway = await startWithToken();
    for (const path of ['/livez', '/readyz']) expect((await gateway.ask(path)).status, path).toBe(200);
    for (const path of ['/', '/metrics', '/stats', '/workers', '/config', '/nope']) {
      const { status, headers, body } = await gateway.ask(path);
      expect(status, path).toBe(401);
      expect(headers.get('www-authenticate')).toBe('Bearer realm="sluice admin"');
      expect(JSON.stringify(body)).not.toContain('correct');
    }
    expect((await gateway.reload()).status).toBe(401);
  });

  test('only the exact one is right', async () => {
    const gateway = await startWithToken();
    const statusFor = async (authorization: string) =>
      (await gateway.ask('/stats', { headers: { authorization } })).status;
    for (const right of ['Bearer correct-horse', 'bearer correct-horse', 'Bearer  correct-horse']) {
      expect(await statusFor(right), right).toBe(200);
    }
    const tokens = ['correct-hors', 'correct-horsee', 'Correct-Horse', '', 'x'.repeat(5000)];
    for (const wrong of [
      ...tokens.map((token) => `Bearer ${token}`),
      'Basic correct-horse',
      'correct-horse',
    ]) {
      expect(await statusFor(wrong), wrong).toBe(401);
    }
  });

  test('a reload changes it', async () => {
    const gateway = await startWithToken();
    gateway.write({ admin: { host: '127.0.0.1', port: 0, token: 'battery-staple' }, routes: [hello] });
    const old = { authorization: 'Bearer correct-horse' };
    expect((await gateway.ask('/config/reload', { method: 'POST', headers: old })).status).toBe(200);
    expect((await gateway.ask('/stats', { headers: old })).status).toBe(401);
    expect(
      (await gateway.ask('/stats', { headers: { authorization: 'Bearer battery-staple' } })).status,
    ).toBe(200);
  });
});

describe('a browser', () => {
  test('that was led here by a foreign name is refused (DNS rebinding)', async () => {
    const gateway = await startGateway({ routes: [hello] });
    const { port } = new URL(gateway.admin);
    for (const host of [`localhost:${port}`, '127.0.0.1', '[::1]:9901', 'LOCALHOST']) {
      expect(await statusOf(gateway, '/config', { host }), host).toBe(200);
    }
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      '127.0.0.1.evil.example',
      'localhost.evil.example',
    ]) {
      expect(await statusOf(gateway, '/config', { host }), host).toBe(403);
    }
  });

  test('on a page of another site cannot reload (CSRF)', async () => {
    const gateway = await startGateway({ routes: [hello] });
    const reload = (headers: Record<string, string>) => statusOf(gateway, '/config/reload', headers, 'POST');
    expect(await reload({ 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect(await reload({ 'sec-fetch-site': 'same-site' })).toBe(403);
    expect(await reload({ origin: 'https://evil.example' })).toBe(403);
    expect(await reload({ origin: 'null' })).toBe(403);
    expect((await gateway.ask('/config')).body.generation).toBe(1);
    expect(await reload({ 'sec-fetch-site': 'same-origin', origin: gateway.admin })).toBe(200);
    expect(await reload({})).toBe(200);
  });
});

test('garbage on the admin port neither answers nor hurts', async () => {
  const gateway = await startGateway({ routes: [hello] });
  const { port } = new URL(gateway.admin);
  const socket = connect(Number(port), '127.0.0.1');
  socket.end('\0\x16\x03\x01 nonsense\r\n\r\n');
  await new Promise((resolve) => socket.resume().once('close', resolve));
  expect((await gateway.ask('/livez')).status).toBe(200);
});

async function startWithToken(): Promise<RunningGateway> {
  return await startGateway({
    admin: { host: '127.0.0.1', port: 0, token: 'correct-horse' },
    routes: [hello],
  });
}

/** `fetch` does not let a test choose `Host` and its like. */
function statusOf(gateway: RunningGateway, path: string, headers: Record<string, string>, method = 'GET') {
  return new Promise<number>((resolve, reject) => {
    const sent = request(new URL(path, gateway.admin), { method, headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode!);
    });
    sent.once('error', reject);
    sent.end();
  });
}
