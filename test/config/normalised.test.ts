/** What the code sees of what the user wrote. */
import { describe, expect, it } from 'vitest';
import { createQueryRedactor } from '../../src/observe/redact.ts';
import { configOf } from './mistakes.ts';

const routeWith = (options: string) =>
  configOf(`routes: [{ name: a, match: { path: / }, ${options} }]`).routes[0];

describe('a configuration', () => {
  it('has defaults for everything', () => {
    expect(configOf('routes: []')).toEqual({
      listen: {
        host: '0.0.0.0',
        port: 8080,
        tls: null,
        maxHeaderBytes: 16_384,
        maxMessageBytes: 4_194_304,
        underscoreHeaders: 'reject',
        trustedProxies: [],
        proxyProtocol: false,
      },
      admin: { host: '127.0.0.1', port: 9901, token: null },
      workers: 'auto',
      redis: null,
      channels: { memory: 134_217_728, max: 100_000, maxMessage: 65_536 },
      data: null,
      auth: {
        providers: {},
        roles: {},
        decisions: {},
        context: {},
        verification: { threads: 'auto', queue: 4096 },
      },
      limits: {},
      plans: {},
      defaultPlan: null,
      limiter: {
        keys: 1_000_000,
        whenFull: 'evict-oldest',
        inFlight: 16_384,
        adaptiveKeys: 20_000,
        headers: 'standard',
        history: 62 * 86_400_000,
        sync: { machines: 1, timeout: 100 },
      },
      overload: null,
      drain: { delay: 2_000, timeout: 30_000 },
      log: { level: 'info' },
      accessLog: {
        mode: 'all',
        sample: 0.01,
        headers: [],
        redactQuery: expect.arrayContaining(['id_token', 'key', 'token', 'password']),
      },
      zone: null,
      services: {},
      discovery: { env: false, dns: { servers: [], timeout: 2000 } },
      registry: {
        allowLoopback: false,
        networks: [],
        ttl: 10_000,
        grace: 30_000,
        maxPerService: 1000,
        max: 5_000,
      },
      routes: [],
      defaults: {},
    });
  });

  it('is plain data, which crosses to the workers unchanged', () => {
    const config = configOf(
      'services: { a: { endpoints: ["http://a"] } }\nroutes: [{ name: a, match: { path: / }, service: a, requestSize: {} }]',
    );
    expect(JSON.parse(JSON.stringify(config))).toEqual(config);
  });
});

describe('the access log', () => {
  it.each([
    ...['access_token', 'refresh_token', 'id_token', 'jwt', 'assertion', 'ticket', 'auth', 'code'],
    ...['api_key', 'api-key', 'apikey', 'apiKey', 'key', 'client_secret', 'password', 'passwd'],
    ...['sig', 'signature', 'X-Amz-Signature', 'X-Amz-Security-Token'],
  ])('has no value of %s in it, unless told otherwise', (name) => {
    const redact = createQueryRedactor(configOf('routes: []').accessLog.redactQuery);
    expect(redact(`${name}=hunter2`)).not.toContain('hunter2');
  });
});

describe('a shorthand', () => {
  it.each([
    ['8081', { host: '0.0.0.0', port: 8081 }],
    ['":8081"', { host: '0.0.0.0', port: 8081 }],
    ['127.0.0.1:8081', { host: '127.0.0.1', port: 8081 }],
    ['"[::]:8081"', { host: '::', port: 8081 }],
    ['{ port: 8081 }', { host: '0.0.0.0', port: 8081 }],
  ])('of listen is spelt out: %s', (written, expected) => {
    expect(configOf(`listen: ${written}`).listen).toMatchObject(expected);
  });

  it('of admin is spelt out', () => {
    expect(configOf('admin: 9902').admin).toEqual({ host: '127.0.0.1', port: 9902, token: null });
    expect(configOf('admin: off').admin).toBeNull();
    expect(configOf('admin: false').admin).toBeNull();
  });

  it('of accessLog is spelt out', () => {
    expect(configOf('accessLog: sampled').accessLog).toMatchObject({ mode: 'sampled', sample: 0.01 });
    expect(
      configOf('accessLog: { mode: sampled, sample: 10%, headers: [User-Agent] }').accessLog,
    ).toMatchObject({
      sample: 0.1,
      headers: ['user-agent'],
    });
  });

  it('of an endpoint is spelt out, as the URL standard writes origins', () => {
    const { services } = configOf(
      'services: { a: { endpoints: ["HTTP://A.example:80/", { url: "https://b:8443", weight: 2 }] } }',
    );
    expect(services.a?.endpoints).toEqual([
      { url: 'http://a.example', weight: 1 },
      { url: 'https://b:8443', weight: 2 },
    ]);
  });

  it('of a match is spelt out', () => {
    const text =
      'routes: [{ name: a, respond: {}, match: { path: /, host: Example.COM, headers: { X-A: true, X-B: false, X-C: c, X-D: { pattern: d } } } }]';
    expect(configOf(text).routes[0]?.match).toMatchObject({
      host: ['example.com'],
      methods: [],
      headers: {
        'x-a': { present: true },
        'x-b': { present: false },
        'x-c': { exact: 'c' },
        'x-d': { pattern: 'd' },
      },
    });
  });

  it('of a redirect is spelt out', () => {
    expect(routeWith('redirect: /b')?.redirect).toEqual({ to: '/b', status: 308 });
  });
});

describe('a fixed answer', () => {
  it('with a mapping or a list as body is JSON', () => {
    expect(routeWith('respond: { body: { a: [1, null, "x"] } }')?.respond).toEqual({
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: '{"a":[1,null,"x"]}',
    });
    expect(routeWith('respond: { body: [1] }')?.respond?.body).toBe('[1]');
  });

  it('with a text as body is plain text unless it says otherwise', () => {
    expect(routeWith('respond: { body: hello }')?.respond?.headers).toEqual({
      'content-type': 'text/plain; charset=utf-8',
    });
    expect(
      routeWith('respond: { body: <p>, headers: { Content-Type: text/html } }')?.respond?.headers,
    ).toEqual({ 'content-type': 'text/html' });
    expect(routeWith('respond: { status: 204 }')?.respond).toEqual({ status: 204, headers: {}, body: '' });
  });
});

describe('filters', () => {
  it('are written on the route and gathered under its filters', () => {
    const route = routeWith(
      'respond: {}, requestSize: { maxBody: 1MiB }, headers: { response: { remove: [Server] } }',
    );
    expect(route?.filters).toMatchObject({
      requestSize: { maxBody: 1_048_576, maxUrl: 8_192 },
      headers: { response: { remove: ['Server'] } },
    });
  });

  it('that a route does not name are absent', () => {
    expect(routeWith('respond: {}')?.filters).toEqual({});
  });
});
