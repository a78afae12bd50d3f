/**
 * Two credentials of one kind (CWE-436; RFC 9110 §11.6.2, RFC 6750 §2): the gateway looks at the one, the service behind it at the other,
 * and both believe they look at the same. Which of two counts is not for us to guess: 400, in whatever order, also when one
 * is empty, and also when a third credential would be accepted.
 */
import { describe, expect, it } from 'vitest';
import { get, head } from '../../harness/raw-client.ts';
import { AUDIENCE, bearer, route, told, useScene } from './scene.ts';
import { claimsOf, hs, providers } from './tokens/forge.ts';

let key = '';

const scene = useScene(
  ({ issuer }) => {
    const { players, internal } = providers(issuer);
    const client = { clientId: 'sluice', clientSecret: 'a-secret-of-the-client-that-is-long-enough' };
    return {
      auth: {
        providers: {
          players: { ...players, cookie: 'token', websocket: { query: 'ticket', subprotocol: 'bearer.' } },
          internal,
          partners: { type: 'apiKey' },
          opaque: { type: 'introspection', url: issuer.introspectionUrl, ...client },
        },
      },
      routes: [
        route('/players', 'players'),
        route('/internal', 'internal'),
        route('/opaque', 'opaque'),
        route('/partners', 'partners'),
        route('/optional', ['players', 'anonymous']),
        route('/players-first', ['players', 'partners']),
        route('/partners-first', ['partners', 'players']),
        route('/opaque-first', ['opaque', 'partners']),
        route('/both', { allOf: ['partners', 'internal'] }),
      ],
    };
  },
  {
    prepare: async () => {
      const headers = { 'content-type': 'application/json' };
      const made = await scene.gateway.ask('/keys', { method: 'POST', headers, body: '{"consumer":"acme"}' });
      key = made.body.key;
    },
  },
);

const good = () => scene.issuer.mint({ aud: AUDIENCE });
const both = '400 DUPLICATE_CREDENTIALS';

describe('two Authorization fields', () => {
  const names = ['Authorization', 'authorization', 'AUTHORIZATION', 'aUtHoRiZaTiOn'];

  it('are refused, whatever their case and their values', async () => {
    const token = good();
    const values = [`Bearer ${token}`, 'Bearer x.y.z', `bearer ${token}`, 'Basic YTpi', 'Bearer', '', ' '];
    const pairs = values.flatMap((value) => [
      [`Bearer ${token}`, value],
      [value, `Bearer ${token}`],
    ]);
    const attacks = pairs.flatMap(([one, other], i) => [
      get('/players', `Authorization: ${one}`, `${names[i % 4]}: ${other}`),
      get('/optional', `${names[i % 4]}: ${one}`, 'X-Between: 1', `Authorization: ${other}`),
      get('/players-first', `Authorization: ${one}`, `X-Api-Key: ${key}`, `Authorization: ${other}`),
    ]);
    await scene.refusesAll(attacks, both, 'duplicate');
  });

  it('are refused for shared secrets and opaque tokens, too', async () => {
    const opaque = await scene.issuer.accessToken();
    const token = hs(claimsOf(scene));
    await scene.passes(get('/internal', bearer(token)));
    await scene.passes(get('/opaque', bearer(opaque)));
    const attacks = [
      get('/internal', bearer(token), bearer(token)),
      get('/internal', bearer(token), 'Authorization:'),
      get('/opaque', bearer(opaque), bearer(opaque)),
      get('/opaque', 'Authorization:', bearer(opaque)),
      get('/both', `X-Api-Key: ${key}`, bearer(token), bearer(token)),
    ];
    await scene.refusesAll(attacks, both, 'duplicate');
  });

  it('are refused, too, when an API key before them would be accepted', async () => {
    const attacks = [
      get('/partners-first', `X-Api-Key: ${key}`, bearer(good()), bearer(good())),
      get('/partners-first', `X-Api-Key: ${key}`, bearer(good()), bearer('of.somebody.else')),
    ];
    await scene.refusesAll(attacks, both, 'duplicate');
  });

  it('in one field, as a list, are one token that is malformed', async () => {
    const token = good();
    const lists = [
      `Bearer ${token}, Bearer ${token}`,
      `Bearer ${token},Bearer x`,
      `Bearer ${token} Bearer ${token}`,
    ];
    await scene.refusesAll(
      lists.map((list) => get('/players', `Authorization: ${list}`)),
      '401 INVALID_TOKEN',
      'malformed',
    );
  });
});

describe('a bearer token and a cookie', () => {
  it('are refused, even when both are the same', async () => {
    const token = good();
    await scene.passes(get('/players', `Cookie: a=b; token=${token}`));
    const attacks = [token, good(), 'x.y.z', 'x'].flatMap((other) => [
      get('/players', bearer(token), `Cookie: token=${other}`),
      get('/players', `Cookie: a=b; token=${other}; c=d`, bearer(token)),
      get('/optional', bearer(other), `Cookie: token=${token}`),
    ]);
    await scene.refusesAll(attacks, both, 'duplicate');
  });

  it('twice, in one field or in two, is refused', async () => {
    const token = good();
    const attacks = [token, 'x', ''].flatMap((other) => [
      get('/players', `Cookie: token=${token}; token=${other}`),
      get('/players', `Cookie: token=${other}; a=b;token=${token}`),
      get('/players', `Cookie: token=${token}`, `Cookie: token=${other}`),
      get('/players', `cookie: token=${other}`, 'COOKIE: a=b', `Cookie:  token = ${token}`),
    ]);
    await scene.refusesAll(attacks, both, 'duplicate');
  });

  it('of which one is called almost like it is one credential, and one cookie of somebody', async () => {
    for (const name of [
      'Token',
      'TOKEN',
      '__Host-token',
      'token2',
      'xtoken',
      'to%6ben',
      '"token"',
      '$token',
    ]) {
      const seen = await scene.passes(get('/players', bearer(good()), `Cookie: ${name}=x.y.z`));
      expect(seen.headers['x-user-id']).toBe('alice');
    }
  });
});

describe('a handshake', () => {
  const UPGRADE = [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==',
  ];

  it('with tokens in two places is refused', async () => {
    const token = good();
    const attacks = [
      get(`/players?ticket=${token}`, ...UPGRADE, bearer(token)),
      get(`/players?ticket=${token}`, ...UPGRADE, `Cookie: token=${token}`),
      get(`/players?ticket=${token}&ticket=${good()}`, ...UPGRADE),
      get(`/players?ticket=x&%74icket=${token}`, ...UPGRADE),
      get(`/players?ticket=${token}`, ...UPGRADE, `Sec-WebSocket-Protocol: bearer.${token}`),
      get('/players', ...UPGRADE, `Sec-WebSocket-Protocol: bearer.${token}, chat, bearer.x`),
      get(
        '/players',
        ...UPGRADE,
        `Sec-WebSocket-Protocol: bearer.${token}`,
        `Sec-WebSocket-Protocol: bearer.${token}`,
      ),
    ];
    await scene.refusesAll(attacks, both, 'duplicate');
  });

  it('is the only thing that may carry one in its query', async () => {
    const token = good();
    const attacks = [
      get(`/players?ticket=${token}`),
      get(`/players?ticket=${token}`, 'Connection: Upgrade', 'Upgrade: h2c'),
      get(`/players?ticket=${token}`, 'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg=='),
      get('/players', `Sec-WebSocket-Protocol: bearer.${token}`),
      get(`/internal?ticket=${hs(claimsOf(scene))}`, ...UPGRADE),
      get(`/players?token=${token}&access_token=${token}`, ...UPGRADE),
      head('POST', `/players?ticket=${token}`, 'Content-Length: 0'),
    ];
    await scene.refusesAll(attacks, '401 UNAUTHENTICATED', 'missing');
  });
});

describe('two API keys', () => {
  it('are refused, whatever their case, and when one is empty', async () => {
    await scene.passes(get('/partners', `X-Api-Key: ${key}`));
    const attacks = [key, 'x', ''].flatMap((other) => [
      get('/partners', `X-Api-Key: ${key}`, `X-API-KEY: ${other}`),
      get('/partners', `x-api-key: ${other}`, 'X-Between: 1', `X-Api-Key: ${key}`),
      get('/both', bearer(hs(claimsOf(scene))), `x-api-key: ${other}`, `X-Api-Key: ${key}`),
      get('/partners-first', bearer(good()), `x-api-key: ${other}`, `X-Api-Key: ${key}`),
    ]);
    await scene.refusesAll(attacks, both, 'duplicate');
  });

  it('are refused, too, when a token before them would be accepted', async () => {
    const opaque = await scene.issuer.accessToken();
    await scene.passes(get('/opaque-first', bearer(opaque)));
    const attacks = [
      get('/players-first', bearer(good()), `X-Api-Key: ${key}`, 'X-Api-Key: of-somebody-else'),
      get('/opaque-first', bearer(opaque), `X-Api-Key: ${key}`, 'X-Api-Key: of-somebody-else'),
    ];
    await scene.refusesAll(attacks, both, 'duplicate');
  });

  it('one of them with underscores: no service sees either', async () => {
    for (const underscoreHeaders of ['drop', 'allow']) {
      await scene.reconfigure({ listen: { host: '127.0.0.1', port: 0, underscoreHeaders } });
      const seen = await scene.passes(get('/partners', `X-Api-Key: ${key}`, 'X_Api_Key: of-somebody-else'));
      expect(told(seen, 'x-api-key'), underscoreHeaders).toEqual([]);
      await scene.refuses(get('/partners', `X_Api_Key: ${key}`), '401 UNAUTHENTICATED', 'missing');
    }
    await scene.reconfigure({});
    await scene.refuses(get('/partners', `X-Api-Key: ${key}`, 'X_Api_Key: x'), '400 BAD_HEADER');
  });
});
