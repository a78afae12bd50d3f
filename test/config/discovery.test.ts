/** Services whose endpoints are not written in the file. */
import { describe, expect, it } from 'vitest';
import { configOf, mistakesIn, warningsIn } from './mistakes.ts';

const ROUTES = 'routes: [{ name: a, match: { path: / }, service: quotes }]\n';
const withSource = (options: string) => `services: { quotes: { ${options} } }\n${ROUTES}`;
const sourceOf = (discover: string) =>
  configOf(withSource(`discover: ${discover}`)).services.quotes?.discover;
const dns = { type: 'A', scheme: 'http', minTtl: 1000, maxTtl: 30_000, stale: 3_600_000 };

describe('a source of endpoints', () => {
  it('has a short and a long form', () => {
    expect(sourceOf('registry')).toEqual({ type: 'registry', name: null });
    expect(sourceOf('{ registry: quotes-v2 }')).toEqual({ type: 'registry', name: 'quotes-v2' });
    expect(sourceOf('"dns:quotes.internal:9001"')).toEqual({
      type: 'dns',
      dns: { ...dns, name: 'quotes.internal', port: 9001 },
    });
    expect(sourceOf('"dns:_quotes._tcp.internal"')).toEqual({
      type: 'dns',
      dns: { ...dns, name: '_quotes._tcp.internal', type: 'SRV' },
    });
    expect(
      sourceOf('{ dns: { name: q.internal, type: AAAA, port: 443, scheme: https, maxTtl: 1m } }'),
    ).toEqual({
      type: 'dns',
      dns: { ...dns, name: 'q.internal', type: 'AAAA', port: 443, scheme: 'https', maxTtl: 60_000 },
    });
  });

  it('takes the place of endpoints', () => {
    expect(mistakesIn(withSource('endpoints: ["http://127.0.0.1:1"], discover: registry'))).toEqual([
      '1:58  services.quotes.discover  endpoints and discover exclude each other; expected exactly one of endpoints, discover',
    ]);
    expect(mistakesIn(withSource('tags: [a]'))).toEqual([
      '1:13  services.quotes  nothing says where the service is; expected exactly one of endpoints, discover',
    ]);
    expect(mistakesIn(withSource('endpoints: []'))).toEqual([
      expect.stringContaining('at least one endpoint'),
    ]);
  });

  it.each([
    ['consul', '"consul" is no source of endpoints'],
    ['"dns:"', 'cannot be asked for'],
    ['"dns:quotes.internal:0"', 'cannot be asked for'],
    ['"dns:quotes.internal:99999"', 'cannot be asked for'],
    ['"dns:10.0.0.1:80"', 'cannot be asked for'],
    ['"dns:[::1]:80"', 'is no source of endpoints'],
    ['{}', 'names no source'],
    ['{ registry: a, env: B }', 'names several sources'],
    ['{ env: "A B" }', 'the name of an environment variable'],
    ['{ dns: { name: q } }', 'A records say no port'],
    ['{ dns: { name: q, type: SRV, port: 80 } }', 'SRV records say the port themselves'],
    ['{ dns: { name: "a b", port: 80 } }', '"a b" is not a name'],
    ['{ dns: { name: q, port: 80, minTtl: 1m, maxTtl: 1s } }', 'minTtl is longer than maxTtl'],
    ['{ dns: { name: q, port: 80, ttl: 1m } }', 'unknown option "ttl"'],
  ])('is said to be wrong with its position: %s', (discover, message) => {
    const mistakes = mistakesIn(withSource(`discover: ${discover}`));
    expect(mistakes[0]).toMatch(/^1:\d+ {2}services\.quotes\.discover/);
    expect(mistakes.join('\n')).toContain(message);
  });

  it('says what certificates are for', () => {
    const https = configOf(withSource('discover: { dns: { name: q.internal., port: 443, scheme: https } }'));
    expect(https.services.quotes?.tls.servername).toBe('q.internal');
    const srv = 'discover: { dns: { name: _q._tcp.internal, type: SRV, scheme: https } }';
    expect(mistakesIn(withSource(srv))).toEqual([expect.stringContaining('tls.servername beside it')]);
    expect(mistakesIn(withSource(`${srv}, tls: { servername: q.internal }`))).toEqual([]);
  });
});

describe('a service from its environment variable', () => {
  const text = withSource('discover: env');

  it('has the URLs in it', () => {
    const { quotes } = configOf(text, {
      QUOTES_SERVICE_URL: 'http://10.0.0.1:9001, http://10.0.0.2:9001/',
    }).services;
    expect(quotes?.endpoints).toMatchObject([
      { url: 'http://10.0.0.1:9001' },
      { url: 'http://10.0.0.2:9001' },
    ]);
    const named = withSource('discover: { env: Q }');
    expect(configOf(named, { Q: 'http://q:1' }).services.quotes?.endpoints).toMatchObject([
      { url: 'http://q:1' },
    ]);
  });

  it.each([
    [{}, 'the environment variable QUOTES_SERVICE_URL is not set'],
    [{ QUOTES_SERVICE_URL: '' }, 'the environment variable QUOTES_SERVICE_URL is not set'],
    [{ QUOTES_SERVICE_URL: 'quotes:9001' }, 'the environment variable QUOTES_SERVICE_URL: '],
    [{ QUOTES_SERVICE_URL: 'http://q:1/path' }, 'the environment variable QUOTES_SERVICE_URL: '],
    [{ QUOTES_SERVICE_URL: 'http://q:1,http://q:1/' }, 'names http://q:1 twice'],
    [
      { QUOTES_SERVICE_URL: 'http://q:1', quotes_SERVICE_URL: 'http://q:2' },
      'QUOTES_SERVICE_URL and quotes_SERVICE_URL are both the service "quotes"',
    ],
  ])('is refused when %j', (environment, message) => {
    expect(mistakesIn(text, environment)).toEqual([
      expect.stringMatching(/^1:\d+ {2}services\.quotes\.discover/),
    ]);
    expect(mistakesIn(text, environment)[0]).toContain(message);
  });

  it('shows no password', () => {
    const [mistake] = mistakesIn(text, { QUOTES_SERVICE_URL: 'http://u:hush@q:1' });
    expect(mistake).toContain('no user or password');
    expect(mistake).not.toContain('hush');
  });
});

describe('discovery: { env: true }', () => {
  const text = `discovery: { env: true }\n${ROUTES}`;

  it('makes a service of each NAME_SERVICE_URL, and routes may name it', () => {
    const environment = {
      QUOTES_SERVICE_URL: 'http://10.0.0.1:9001',
      USER_PROFILE_SERVICE_URL: 'http://10.0.0.2:9001',
      EMPTY_SERVICE_URL: '',
      _SERVICE_URL: 'http://10.0.0.3:9001',
      SERVICE_URL: 'http://10.0.0.3:9001',
      QUOTES_SERVICE_URL_OLD: 'http://10.0.0.3:9001',
    };
    const { services } = configOf(text, environment);
    expect(Object.keys(services)).toEqual(['quotes', 'user-profile']);
    expect(services.quotes?.endpoints).toMatchObject([{ url: 'http://10.0.0.1:9001' }]);
  });

  it('is off unless asked for', () => {
    expect(mistakesIn(ROUTES, { QUOTES_SERVICE_URL: 'http://10.0.0.1:9001' })).toEqual([
      expect.stringContaining('there is no service "quotes"'),
    ]);
  });

  it('refuses a service that is in the file, too', () => {
    const both = `discovery: { env: true }\n${withSource('endpoints: ["http://127.0.0.1:1"]')}`;
    expect(mistakesIn(both, { QUOTES_SERVICE_URL: 'http://10.0.0.1:9001' })).toEqual([
      '2:13  services.quotes  the environment has a service "quotes", too: QUOTES_SERVICE_URL; expected another name, discover: env, or the variable unset',
    ]);
    const asked = `discovery: { env: true }\n${withSource('discover: env')}`;
    expect(mistakesIn(asked, { QUOTES_SERVICE_URL: 'http://10.0.0.1:9001' })).toEqual([]);
  });

  it('refuses two variables for one name', () => {
    const environment = { QUOTES_SERVICE_URL: 'http://10.0.0.1:1', Quotes_SERVICE_URL: 'http://10.0.0.1:2' };
    expect(mistakesIn(text, environment)).toEqual([
      '1:19  discovery.env  the environment variables QUOTES_SERVICE_URL and Quotes_SERVICE_URL are both the service "quotes"; expected one of them',
    ]);
  });

  it('says which variable is wrong', () => {
    expect(mistakesIn(text, { QUOTES_SERVICE_URL: 'nonsense' })).toEqual([
      expect.stringContaining('the environment variable QUOTES_SERVICE_URL: "nonsense" is not a URL'),
    ]);
  });
});

describe('the registry', () => {
  const service = withSource('discover: registry');

  it('is probably not meant to be closed to all networks, or without a way in', () => {
    expect(warningsIn(service)).toEqual([expect.stringContaining('only public addresses can be registered')]);
    expect(warningsIn(`registry: { networks: [10.0.0.0/8] }\n${service}`)).toEqual([]);
    expect(warningsIn(`admin: off\nregistry: { allowLoopback: true }\n${service}`)).toEqual([
      expect.stringMatching(/^3:\d+ {2}services\.quotes\.discover {2}nothing can register/),
    ]);
  });

  it('is closed by default, and opened network by network', () => {
    expect(configOf('registry: {}').registry).toEqual({
      allowLoopback: false,
      networks: [],
      ttl: 10_000,
      grace: 30_000,
      maxPerService: 1000,
      max: 5_000,
    });
    expect(mistakesIn('registry: { networks: [10.0.0.0/33], ttl: 10ms }\n')).toEqual([
      expect.stringContaining('registry.networks[0]'),
      expect.stringContaining('registry.ttl'),
    ]);
  });
});
