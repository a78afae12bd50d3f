import { describe, expect, it } from 'vitest';
import { maskSecrets } from '../../src/config/secrets.ts';
import { configOf, mistakesIn, warningsIn } from './mistakes.ts';

const routes = 'routes: [{ name: a, match: { path: "/rooms/:room" }, service: a }]';
const withService = (options: string, more = routes) =>
  `services:\n  a: { endpoints: [http://a], ${options} }\n${more}\n`;
const serviceOf = (options: string) => configOf(withService(options)).services.a!;

describe('balance', () => {
  it('is a name, or a mapping with options; both come out as mappings with all of them', () => {
    expect(serviceOf('balance: peak-ewma').balance).toEqual({
      type: 'peak-ewma',
      decay: 10_000,
      penalty: 1_000,
    });
    expect(serviceOf('balance: { type: peak-ewma, decay: 1s }').balance).toMatchObject({ decay: 1_000 });
    expect(serviceOf('balance: failover').balance).toEqual({
      type: 'failover',
      within: { type: 'round-robin' },
      below: 0,
    });
    const hash = "balance: { type: consistent-hash, by: 'header:X-Room', maxLoad: 1.25 }";
    expect(serviceOf(hash).balance).toEqual({ type: 'consistent-hash', by: 'header:x-room', maxLoad: 1.25 });
    expect(
      serviceOf('balance: { type: failover, within: least-requests, below: 50% }').balance,
    ).toMatchObject({
      within: { type: 'least-requests' },
      below: 0.5,
    });
  });

  it.each([
    [
      'leastrequests',
      '"leastrequests" is not allowed here; expected one of round-robin, least-requests, peak-ewma, random, failover, or a mapping with type; did you mean least-requests?',
    ],
    [
      'consistent-hash',
      "consistent-hash does not say by what; expected { type: consistent-hash, by: 'header:x-room' }",
    ],
    ['{ type: consistent-hash }', 'is missing'],
    ["{ type: consistent-hash, by: 'header:' }", 'names no header'],
    ["{ type: consistent-hash, by: 'cookie:a b' }", 'cannot be the name of a cookie'],
    [
      '{ type: consistent-hash, by: room }',
      '"room" is nothing to hash by; expected one of user, ip, header:NAME, cookie:NAME, param:NAME',
    ],
    ['{ type: consistent-hash, by: ip, maxLoad: 1 }', '1 is not allowed here; expected at least 1.01'],
    ['{ type: random, weight: 1 }', 'unknown option "weight"'],
    ['{ type: peak-ewma, decay: 10 }', '10'],
    ['{ type: failover, within: failover }', '"failover" is not allowed here; expected one of round-robin'],
  ])('%s is refused', (balance, message) => {
    const mistakes = mistakesIn(withService(`balance: ${balance}`));
    expect(mistakes).toHaveLength(1);
    expect(mistakes[0]).toMatch(/^2:\d+ {2}services\.a\.balance/);
    expect(mistakes[0]).toContain(message);
  });

  it('by user needs to know the user on every route of the service', () => {
    const text = withService('balance: { type: consistent-hash, by: user }');
    expect(mistakesIn(text)).toEqual([
      '2:69  services.a.balance.by  the route "a" has no auth: its requests have no user; expected auth on the route, or a header, cookie, param or ip',
    ]);
    const auth = 'auth: { providers: { keys: { type: apiKey } } }\ndefaults: { auth: { anyOf: [keys] } }';
    expect(mistakesIn(`${text}${auth}\n`)).toEqual([]);
  });

  it('by user or parameter also where the path names the service, or it takes the place of another', () => {
    const lead = (by: string, route: string) =>
      mistakesIn(
        `services:\n  a: { endpoints: [http://a], balance: { type: consistent-hash, by: '${by}' } }\n  b: { endpoints: [http://b] }\nroutes:\n${route}\n`,
      );
    const dynamic =
      "- { name: d, match: { path: '/:service/*' }, service: '${param.service}', allow: [a, b] }";
    const fallback = "- { name: f, match: { path: '/f' }, service: b, fallback: [{ service: a }] }";
    for (const [name, route] of [
      ['d', dynamic],
      ['f', fallback],
    ] as const) {
      expect(lead('user', route)).toEqual([
        expect.stringContaining(`the route "${name}" has no auth: its requests have no user`),
      ]);
      expect(lead('param:room', route)).toEqual([
        expect.stringContaining(`the path of the route "${name}" has no parameter "room"`),
      ]);
    }
  });

  it('by parameter needs a route that has it; routes without it are named', () => {
    const by = (name: string) => `balance: { type: consistent-hash, by: 'param:${name}' }`;
    expect(mistakesIn(withService(by('rom')))).toEqual([
      '2:69  services.a.balance.by  the path of the route "a" has no parameter "rom"; did you mean room?',
    ]);
    expect(mistakesIn(withService(by('room')))).toEqual([]);
    const two =
      'routes:\n- { name: a, match: { path: "/rooms/:room" }, service: a }\n- { name: b, match: { path: /list }, service: a }';
    expect(mistakesIn(withService(by('room'), two))).toEqual([]);
    expect(warningsIn(withService(by('room'), two))).toEqual([
      '2:69  services.a.balance.by  the path of the route "b" has no parameter "room"',
    ]);
  });
});

describe('priority and zone of an endpoint', () => {
  it('priorities without failover are a mistake: they would mean nothing', () => {
    const text = `services:\n  a:\n    endpoints:\n      - { url: http://a, priority: 1 }\n${routes}`;
    expect(mistakesIn(text)).toEqual([
      '4:36  services.a.endpoints[0].priority  "round-robin" knows no priorities; expected balance: failover, or { type: failover, within: … }',
    ]);
    expect(mistakesIn(text.replace('  a:\n', '  a:\n    balance: failover\n'))).toEqual([]);
  });

  it('zones without a zone of the gateway are named', () => {
    const text = `services: { a: { endpoints: [{ url: http://a, zone: east }] } }\n${routes}\n`;
    expect(warningsIn(text)).toEqual([
      '1:53  services.a.endpoints[0].zone  the gateway itself has no zone: all endpoints are alike; expected zone at the top level, or "zones: off" here',
    ]);
    expect(warningsIn(`${text}zone: east\n`)).toEqual([]);
    expect(configOf(`${text}zone: \${ZONE:-}\n`).zone).toBeNull();
    expect(configOf(`${text}zone: \${ZONE:-}\n`, { ZONE: 'eu-1' }).zone).toBe('eu-1');
  });
});

describe('sticky', () => {
  it('needs a cookie and a secret', () => {
    expect(mistakesIn(withService('sticky: { cookie: at }'))[0]).toContain(
      'services.a.sticky.secret  is missing',
    );
    const short = mistakesIn(withService('sticky: { cookie: at, secret: tooshort }'))[0];
    expect(short).toContain('at least 16 characters');
    expect(short).not.toContain('tooshort');
    expect(mistakesIn(withService('sticky: { cookie: "a b", secret: 0123456789abcdef0 }'))).toHaveLength(1);
  });

  it('hides its secret where the configuration is shown', () => {
    const config = configOf(withService('sticky: { cookie: at, secret: a-secret-of-somebody }'));
    expect(config.services.a?.sticky).toMatchObject({ ttl: 0, path: '/', sameSite: 'lax' });
    expect(JSON.stringify(maskSecrets(config))).not.toContain('a-secret-of');
  });

  it('has one cookie for each service', () => {
    const sticky = 'sticky: { cookie: at, secret: a-secret-of-somebody }';
    const two = `services:\n  a: { endpoints: [http://a], ${sticky} }\n  b: { endpoints: [http://b], ${sticky} }\n`;
    const routed =
      'routes:\n- { name: a, match: { path: /a }, service: a }\n- { name: b, match: { path: /b }, service: b }\n';
    expect(mistakesIn(two + routed)).toEqual([
      expect.stringContaining('services.b.sticky.cookie  "at" is the cookie of the service "a" already'),
    ]);
  });

  it('keeps to what browsers demand of __Host-', () => {
    const sticky = 'sticky: { cookie: __Host-at, path: /api, secret: a-secret-of-somebody }';
    expect(mistakesIn(withService(sticky))[0]).toContain('services.a.sticky.path  browsers refuse');
  });
});
