/** Probes of real services, and of those that do anything but answer. */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { ok, type ScriptedService, startScriptedService } from '../harness/scripted-service.ts';
import { type RunningService, startService } from '../harness/service.ts';
import { crowd, statuses, visit } from './visits.ts';

const QUICK = { interval: '200ms', timeout: '200ms', healthy: 2, unhealthy: 2 };
const ROUTES = [{ name: 'any', match: { path: '/*' }, service: 'quotes' }];

/** A service whose health is what the test says. */
async function patient(name: string) {
  const state = { well: true, probes: 0 };
  const service = await startService((request, response) => {
    if (request.url !== '/health') return void response.end(name);
    state.probes++;
    response.statusCode = state.well ? 200 : 503;
    response.end();
  });
  return { service, state };
}

async function endpointOf(gateway: RunningGateway, service: string, index = 0) {
  return (await gateway.ask(`/services/${service}`)).body.endpoints[index];
}

describe('an endpoint that says it is unwell', () => {
  it('gets no request from any worker, and is back when it is well; a reload changes nothing of that', async () => {
    const [a, b] = [await patient('a'), await patient('b')];
    const settings = {
      workers: 2,
      services: { quotes: { endpoints: [a.service.url, b.service.url], health: QUICK } },
      routes: ROUTES,
    };
    const gateway = await startGateway(settings);
    const names = async () => new Set((await crowd(gateway.url, 30)).map(({ said }) => said));
    expect(await names()).toEqual(new Set(['a', 'b']));
    a.state.well = false;
    await gateway.logged(({ msg, endpoint }) => msg === 'endpoint unhealthy' && endpoint === a.service.url);
    // Nobody has to be told: it is in the memory that both workers read.
    expect(await names()).toEqual(new Set(['b']));
    const { body } = await gateway.ask('/services/quotes');
    expect(body).toMatchObject({ status: 'warn', available: 1 });
    expect(body.endpoints[0]).toMatchObject({
      state: 'unavailable',
      reasons: ['unhealthy'],
      probe: { state: 'unhealthy', last: { passed: false, output: 'status 503' } },
    });

    gateway.write({ ...settings, log: { level: 'debug' } });
    expect((await gateway.reload()).status).toBe(200);
    expect(await names()).toEqual(new Set(['b']));
    expect((await endpointOf(gateway, 'quotes')).probe.failed).toBeGreaterThanOrEqual(2);

    a.state.well = true;
    await gateway.logged(({ msg, endpoint }) => msg === 'endpoint healthy' && endpoint === a.service.url);
    expect(await names()).toEqual(new Set(['a', 'b']));
    expect(gateway.log.filter(({ msg }) => msg === 'endpoint unhealthy')).toHaveLength(1);
    const metrics = (await gateway.ask('/metrics')).body as string;
    expect(metrics).toContain(`sluice_endpoint_up{service="quotes",endpoint="${a.service.url}"} 1`);
    expect(metrics).toMatch(/sluice_probes_total\{service="quotes",endpoint="[^"]+",result="failed"\} [2-9]/);
  });

  it('is probed once per interval for the whole machine', async () => {
    const { service, state } = await patient('a');
    const health = { ...QUICK, interval: '250ms' };
    await startGateway({
      workers: 2,
      services: { quotes: { endpoints: [service.url], health } },
      routes: ROUTES,
    });
    await eventually(() => state.probes > 0);
    const before = state.probes;
    await sleep(1_500);
    // A tenth more or less; a loaded machine has fewer.
    expect(state.probes - before).toBeGreaterThanOrEqual(3);
    expect(state.probes - before).toBeLessThanOrEqual(7);
  });

  it('is free again when probes are no longer asked for, and only counts from a first pass if told so', async () => {
    const { service, state } = await patient('a');
    state.well = false;
    const settings = (health: unknown) => ({
      services: { quotes: { endpoints: [service.url], ...(health !== null && { health }) } },
      routes: ROUTES,
    });
    const gateway = await startGateway(settings({ ...QUICK, initial: 'unhealthy' }));
    expect(await visit(gateway.url)).toMatchObject({ status: 503, said: 'NO_ENDPOINT' });
    gateway.write(settings(null));
    await gateway.reload();
    expect((await visit(gateway.url)).said).toBe('a');
    gateway.write(settings({ ...QUICK, initial: 'unhealthy', unhealthy: 100 }));
    await gateway.reload();
    // It was known, and stays what it was.
    expect((await visit(gateway.url)).said).toBe('a');
    gateway.write(settings({ ...QUICK, unhealthy: 1 }));
    await gateway.reload();
    await eventually(async () => (await visit(gateway.url)).status === 503);
    state.well = true;
    await eventually(async () => (await visit(gateway.url)).status === 200);
  });
});

describe('a service that', () => {
  let scripted: ScriptedService;
  let mute: RunningService;
  let gateway: RunningGateway;
  let secret: Server;

  const scripts: Record<string, (socket: Socket) => void> = {
    '/drip': (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n');
      const drip = setInterval(() => socket.write('x'), 100);
      socket.once('close', () => clearInterval(drip));
    },
    '/reset': (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc');
      setTimeout(() => socket.resetAndDestroy(), 20);
    },
    '/twice': (socket) => void socket.write(ok('{}') + ok('{}')),
    '/garbage': (socket) => void socket.write('what do you want?\r\n\r\n'),
    '/broken': (socket) => void socket.write(ok('{"status": "u')),
    '/other': (socket) => void socket.write(ok('{"status":"down"}')),
    '/missing': (socket) => void socket.write(ok('{}')),
    '/up': (socket) => void socket.write(ok('{"a":[{"status":"up"}]}')),
    '/huge': (socket) => void socket.write(ok('x'.repeat(300_000))),
    '/teapot': (socket) => void socket.write('HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n'),
    '/moved': (socket) =>
      void socket.write('HTTP/1.1 301 Moved\r\nLocation: /up\r\nContent-Length: 0\r\n\r\n'),
  };
  const json = { pointer: '/status', equals: 'up' };

  beforeAll(async () => {
    scripted = await startScriptedService();
    for (const [path, script] of Object.entries(scripts)) scripted.on(path, script);
    mute = await startService(() => {});
    const file = (name: string) => `${import.meta.dirname}/../config/tls/${name}`;
    const pair = { cert: readFileSync(file('one.crt')), key: readFileSync(file('one.key')) };
    secret = createServer(pair, (_request, response) => response.end());
    await new Promise<void>((resolve) => secret.listen(0, '127.0.0.1', resolve));
    const tls = { endpoints: [`https://127.0.0.1:${(secret.address() as AddressInfo).port}`], health: QUICK };
    const at = (path: string, more: Record<string, unknown> = {}) => ({
      endpoints: [scripted.url],
      health: { ...QUICK, path, ...more },
    });
    gateway = await startGateway({
      workers: 2,
      services: {
        quotes: at('/well'),
        mute: { endpoints: [mute.url], health: QUICK },
        drip: at('/drip'),
        reset: at('/reset'),
        twice: at('/twice'),
        garbage: at('/garbage'),
        broken: at('/broken', { json }),
        other: at('/other', { json }),
        missing: at('/missing', { json }),
        up: at('/up', { json: { pointer: '/a/0/status', equals: 'up' } }),
        huge: at('/huge'),
        'huge-json': at('/huge', { json }),
        teapot: at('/teapot', { status: [200, '410-418'] }),
        moved: at('/moved'),
        asking: at('/asking?a=b', { host: 'quotes.internal', headers: { 'X-Probe': 'yes' } }),
        secret: { ...tls, tls: { ca: file('one.crt'), servername: 'one.example' } },
        doubted: tls,
        nowhere: { endpoints: ['http://nobody.invalid:80'], health: QUICK },
        nobody: { endpoints: ['http://127.0.0.1:1'], health: { ...QUICK, type: 'tcp' } },
        tcp: { endpoints: [mute.url], health: { ...QUICK, type: 'tcp' } },
        elsewhere: {
          endpoints: ['http://127.0.0.1:1'],
          health: { ...QUICK, path: '/well', port: scripted.port },
        },
      },
      routes: ROUTES,
    });
  });
  afterAll(async () => {
    await gateway?.stop();
    secret?.closeAllConnections();
    secret?.close();
    await scripted?.close();
    await mute?.close();
  });

  it.each([
    ['never answers', 'mute', 'no answer within 200 ms'],
    ['answers one byte at a time', 'drip', 'no answer within 200 ms'],
    ['resets after the head', 'reset', 'the answer is cut short'],
    ['sends what is no answer', 'garbage', 'no answer: HTTPParserError'],
    ['sends broken JSON', 'broken', 'the body is not JSON'],
    ['says something else', 'other', '/status is not what it should be'],
    ['does not say it', 'missing', 'the body has no /status'],
    ['sends too much to look for it', 'huge-json', 'the body has more than 65536 bytes'],
    ['sends one somewhere else', 'moved', 'status 301'],
    ['has a name that resolves to nothing', 'nowhere', /^no answer: (ENOTFOUND|EAI_AGAIN)|within 200 ms/],
    ['shows a certificate that nobody believes', 'doubted', /^no answer: (SELF_SIGNED|DEPTH_ZERO)/],
    ['is not there', 'nobody', 'no connection: ECONNREFUSED'],
  ])('%s is unhealthy', async (_title, name, output) => {
    const endpoint = await eventually(async () => {
      const found = await endpointOf(gateway, name);
      const { last } = found.probe;
      // On a busy machine any of them may be late once.
      return found.reasons.includes('unhealthy') && last.output.match(output) !== null ? found : undefined;
    });
    expect(endpoint).toMatchObject({
      state: 'unavailable',
      probe: { state: 'unhealthy', last: { passed: false } },
    });
  });

  it.each([
    ['is well', 'quotes'],
    ['answers twice', 'twice'],
    ['says so deep in a body', 'up'],
    ['sends more than anybody reads', 'huge'],
    ['answers with a status that was asked for', 'teapot'],
    ['takes connections, where that is enough', 'tcp'],
    ['shows a certificate to believe, by the options of the service', 'secret'],
    ['is probed at another port', 'elsewhere'],
  ])('%s is healthy', async (_title, name) => {
    const endpoint = await eventually(async () => {
      const found = await endpointOf(gateway, name);
      return found.probe.passed >= 3 && found.probe.last.passed ? found : undefined;
    });
    expect(endpoint).toMatchObject({ state: 'available', probe: { state: 'healthy' } });
  });

  it('is asked what the configuration says', async () => {
    const [request] = await eventually(() => scripted.to('/asking').length > 0 && scripted.to('/asking'));
    expect(request).toMatchObject({ method: 'GET', target: '/asking?a=b' });
    expect(request?.header('host')).toBe('quotes.internal');
    expect(request?.header('x-probe')).toBe('yes');
    expect(request?.header('user-agent')).toBe('sluice-probe');
  });

  it('is slow gets one probe at a time: none pile up', async () => {
    await eventually(async () => (await endpointOf(gateway, 'mute')).probe.failed >= 4);
    // One of `mute`, and one of `tcp` at most.
    expect(mute.sockets.size).toBeLessThanOrEqual(2);
    expect(statuses(await crowd(gateway.url, 10))).toEqual(new Array(10).fill(200));
  });
});
