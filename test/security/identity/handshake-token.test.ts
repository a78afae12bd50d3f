/**
 * Tokens in the addresses of WebSocket handshakes (CWE-598; RFC 6750 §5.3): browsers can set no field there, so the token stands in the
 * query or among the subprotocols, and what stands there is written into logs and handed on. Ours is taken out before a service or
 * a log sees it, whether it is good or not.
 */
import { describe, expect, it } from 'vitest';
import { get, head } from '../../harness/raw-client.ts';
import { AUDIENCE, bearer, route, useScene } from './scene.ts';
import { claimsOf, hs, providers } from './tokens/forge.ts';

const scene = useScene(({ issuer }) => {
  const { players, internal } = providers(issuer);
  return {
    log: { level: 'debug' },
    accessLog: { mode: 'all', headers: ['sec-websocket-protocol', 'referer'] },
    auth: {
      providers: { internal, players: { ...players, websocket: { query: 'knock', subprotocol: 'bearer.' } } },
    },
    routes: [
      route('/open', 'off'),
      route('/players', ['players', 'internal']),
      route('/internal-first', ['internal', 'players']),
      route('/short', 'players', { requestSize: { maxUrl: '300B' } }),
      { name: 'read', match: { path: '/read', methods: ['GET'] }, service: 'service', auth: 'players' },
    ],
  };
});

const UPGRADE = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==',
];

/** What must not be found anywhere, with a word for what it is: the part of a token that only its bearer has. */
const secrets = new Map<string, string>();

function played(what: string): string {
  const token = scene.issuer.mint({ aud: AUDIENCE, jti: what });
  secrets.set(token.split('.')[2].slice(0, -4), what);
  return token;
}

function foundIn(text: string): string[] {
  return [...secrets].filter(([value]) => text.includes(value)).map(([, what]) => what);
}

/** Everything that was written so far. */
async function written(): Promise<string> {
  const id = (await scene.ask(get('/open'))).header('x-request-id');
  await scene.gateway.logged((line) => line.msg === 'access' && line.request_id === id);
  return JSON.stringify(scene.gateway.log) + scene.gateway.garbage.join('\n') + scene.gateway.stderr;
}

describe('a token in the handshake of a WebSocket', () => {
  it.each(['/players', '/internal-first'])('reaches neither the service nor a log: %s', async (path) => {
    const attempts = [
      () => [`?knock=${played('token in a query')}`, []],
      () => [`?a=1&knock=${played('token in a query')}&b=2`, []],
      () => [`?%6bnock=${played('token in a query')}`, []],
      () => [`?knock=${played('token in a query').replaceAll('.', '%2e')}`, []],
      () => ['', [`Sec-WebSocket-Protocol: chat, bearer.${played('token in a subprotocol')}`]],
      () => [`?knock=${played('token beside another')}`, [bearer(hs(claimsOf(scene)))]],
      () => [`?knock=${played('token beside another')}&knock=${played('one more')}`, []],
      () => [`?knock=${played('good token').slice(0, -4)}AAAA`, []],
      () => ['', [`Sec-WebSocket-Protocol: bearer.${played('one')}, bearer.${played('other')}`]],
    ] as const;
    for (const attempt of attempts) {
      const [query, fields] = attempt();
      const answer = await scene.ask(get(path + query, ...UPGRADE, ...fields));
      expect(foundIn(answer.body.toString())).toEqual([]);
    }
    // A bearer token in its own field does go on.
    const forwarded = scene.seen.map(({ url, headers }) =>
      JSON.stringify([url, headers['sec-websocket-protocol'], headers.referer]),
    );
    expect(forwarded.length).toBeGreaterThan(3);
    expect(foundIn(forwarded.join())).toEqual([]);
    expect(forwarded.join()).not.toMatch(/knock|bearer\./);
    expect(foundIn(await written())).toEqual([]);
  });

  it.each([
    ['in an address that is too long', (token: string) => get(`/short?knock=${token}`, ...UPGRADE)],
    ['to nowhere', (token: string) => get(`/nowhere?knock=${token}`, ...UPGRADE)],
    [
      'with a wrong method',
      (token: string) => head('POST', `/read?knock=${token}`, ...UPGRADE, 'Content-Length: 0'),
    ],
    ['with a bad path', (token: string) => get(`/players/../x?knock=${token}`, ...UPGRADE)],
    ['with a bad field', (token: string) => get(`/players?knock=${token}`, ...UPGRADE, 'X_A: 1')],
    ['with a bad query', (token: string) => get(`/players?a=\x7f&knock=${token}`, ...UPGRADE)],
  ])('%s, refused before anybody looks for it: reaches no log', async (what, attack) => {
    const answer = await scene.ask(attack(played(what)));
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(foundIn(await written())).not.toContain(what);
  });

  it.each([
    ['without a handshake', (token: string) => get(`/players?knock=${token}`)],
    ['on an open route', (token: string) => get(`/open?knock=${token}`, ...UPGRADE)],
    ['in a Referer', (token: string) => get('/open', `Referer: https://a.example/players?knock=${token}`)],
    [
      'in a subprotocol without a handshake',
      (token: string) => get('/players', `Sec-WebSocket-Protocol: bearer.${token}`),
    ],
    [
      'in a subprotocol on an open route',
      (token: string) => get('/open', `Sec-WebSocket-Protocol: bearer.${token}`, ...UPGRADE),
    ],
  ])('%s reaches no log either', async (what, attack) => {
    await scene.ask(attack(played(what)));
    expect(foundIn(await written())).not.toContain(what);
  });
});
