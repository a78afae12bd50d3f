/**
 * Secrets that end up where more people look than should (CWE-532, CWE-200, CWE-598): tokens, keys, cookies and codes in log lines, the secrets
 * of the configuration in what the admin API shows. All of
 * them are used here, well and badly, with a log as talkative as it gets; then everything that was written is searched.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../../src/observe/log.ts';
import { type SessionRecord, sessionId } from '../../../src/services/sessions/session-record.ts';
import { openStore } from '../../../src/services/store/replica.ts';
import { CLIENT } from '../../harness/issuer-provider.ts';
import { get } from '../../harness/raw-client.ts';
import { type RunningRedis, startRedis } from '../../harness/redis.ts';
import { AUDIENCE, bearer, route, useScene } from './scene.ts';
import { Browser, LOGIN, SID, sessionConfig } from './sessions/browser.ts';
import { claimsOf, hs, providers, SECRET, signed } from './tokens/forge.ts';

const IDENTITY_SECRET = 'identity-identity-identity-identity-secret';
const DOTTED_SECRET = 'dotted-dotted-dotted-dotted-dotted-secret';
const PDP_TOKEN = 'pdp-token-pdp-token-pdp-token';
const REDIS_PASSWORD = 'redis-password-redis-password';

let redis: RunningRedis;
beforeAll(async () => {
  redis = await startRedis(['--requirepass', REDIS_PASSWORD]);
});
afterAll(() => redis.stop());

const HEADERS = [
  'authorization',
  'cookie',
  'set-cookie',
  'x-api-key',
  'x-partner-key',
  'x-who',
  'sec-websocket-protocol',
  'referer',
  'host',
  'user-agent',
];

const scene = useScene(({ issuer }) => {
  const sessions = sessionConfig(issuer);
  const jwts = providers(issuer);
  const lair = { ...jwts.players, jwks: `${issuer.url}/nowhere` };
  return {
    redis: redis.url,
    log: { level: 'debug' },
    accessLog: { mode: 'all', headers: HEADERS },
    auth: {
      providers: {
        ...sessions.auth.providers,
        internal: jwts.internal,
        'dotted.name': { ...jwts.internal, secret: [DOTTED_SECRET] },
        players: { ...jwts.players, cookie: 'token', websocket: { query: 'knock', subprotocol: 'bearer.' } },
        lost: lair,
        partners: { type: 'apiKey', header: 'X-Partner-Key' },
        opaque: { type: 'introspection', url: issuer.introspectionUrl, ...CLIENT },
      },
      decisions: {
        policy: { url: 'http://127.0.0.1:9/', headers: { authorization: `Bearer ${PDP_TOKEN}` } },
      },
      context: { jwt: { algorithm: 'HS256', key: IDENTITY_SECRET, header: 'X-Who' } },
    },
    routes: [
      ...sessions.routes,
      route('/internal', 'internal'),
      route('/dotted', 'dotted.name'),
      route('/players', ['players', 'internal']),
      route('/partners', 'partners'),
      route('/opaque', 'opaque'),
      route('/lost', 'lost'),
      route('/ask', { anyOf: ['internal'], decision: 'policy' }),
    ],
  };
});

/** What must not be found anywhere, with a word for what it is. */
const secrets = new Map<string, string>();

function keep(what: string, ...values: (string | null | undefined)[]): void {
  for (const value of values) if (value) secrets.set(value, what);
}

/** A token: whole, and in its parts that only its bearer has. */
function keepToken(what: string, token: string): string {
  keep(what, token, token.split('.')[2]);
  return token;
}

function foundIn(text: string): string[] {
  return [...secrets].filter(([value]) => text.includes(value)).map(([, what]) => what);
}

const played = (what: string) => keepToken(what, scene.issuer.mint({ aud: AUDIENCE, jti: what }));

/** Everything that was written so far. */
async function written(): Promise<string> {
  const marker = `/open?marker=${Math.random()}`;
  const id = (await scene.ask(get(marker))).header('x-request-id');
  await scene.gateway.logged((line) => line.msg === 'access' && line.request_id === id);
  return JSON.stringify(scene.gateway.log) + scene.gateway.garbage.join('\n') + scene.gateway.stderr;
}

describe('after every credential was used, well and badly', () => {
  it('none is in a log line', async () => {
    keep(
      'secret of the configuration',
      SECRET,
      IDENTITY_SECRET,
      DOTTED_SECRET,
      PDP_TOKEN,
      REDIS_PASSWORD,
      CLIENT.clientSecret,
    );
    keep(
      'secret of the configuration, encoded',
      Buffer.from(`${CLIENT.clientId}:${CLIENT.clientSecret}`).toString('base64'),
    );

    const good = keepToken('HS256 token', hs(claimsOf(scene)));
    const bad = keepToken('refused token', `${hs(claimsOf(scene, { exp: 1 }))}`);
    for (const path of ['/internal', '/players', '/ask', '/lost', '/opaque', '/dotted']) {
      await scene.ask(get(path, bearer(good)));
      await scene.ask(get(path, bearer(bad), `Referer: https://shop.example.com/?access_token=${bad}`));
      await scene.ask(get(path, bearer(good), bearer(bad)));
      await scene.ask(get(path, `Authorization: Basic ${good}`, `Cookie: token=${good}`));
    }
    await scene.ask(
      get(
        '/lost',
        bearer(keepToken('token by a lost key', signed(scene.issuer.key('RS256'), claimsOf(scene)))),
      ),
    );
    await scene.ask(get('/players', `Cookie: token=${played('token in a cookie')}`));

    const opaque = await scene.issuer.accessToken();
    keep('opaque token', opaque, 'no-such-opaque-token');
    for (const fault of [
      undefined,
      { status: 500, body: `{"error":"${opaque}"}` },
      { body: `not json ${opaque}` },
      { cut: true },
    ]) {
      if (fault) scene.issuer.faults.set('/token/introspection', fault);
      await scene.ask(get('/opaque', bearer(opaque)));
      await scene.ask(get('/opaque', bearer('no-such-opaque-token')));
    }
    scene.issuer.faults.clear();

    const headers = { 'content-type': 'application/json' };
    const made = await scene.gateway.ask('/keys', { method: 'POST', headers, body: '{"consumer":"acme"}' });
    keep('API key', made.body.key, made.body.key.slice(-32));
    const rotated = await scene.gateway.ask(`/keys/${made.body.id}/rotate`, {
      method: 'POST',
      headers,
      body: '{}',
    });
    keep('rotated API key', rotated.body.key, rotated.body.key.slice(-32));
    for (const key of [made.body.key, rotated.body.key, `${made.body.key}x`]) {
      await scene.ask(get('/partners', `X-Partner-Key: ${key}`));
      await scene.ask(get('/partners', `X-Partner-Key: ${key}`, `X-Partner-Key: ${key}`));
      await scene.ask(get('/internal', `X-Partner-Key: ${key}`, `X-Api-Key: ${key}`));
    }
    expect(foundIn(await written())).toEqual([]);
  });

  it('nothing of a login, a session and its end is in one', async () => {
    const browser = new Browser(scene);
    const callback = await browser.begin('/web/login?return_to=/page');
    const query = new URLSearchParams(callback.split('?')[1]);
    keep('login cookie', browser.cookies.get(LOGIN));
    keep('code', query.get('code'));
    expect((await browser.get(callback)).status).toBe(302);
    keep('session cookie', browser.sid);
    const store = await openStore({
      data: join(scene.gateway.file, '../data'),
      redis: null,
      log: createLog({ write() {} }, 'silent', {}),
      now: Date.now,
    });
    const record = store.get<SessionRecord>('session', sessionId(browser.sid));
    keep('access token of the session', record?.accessToken);
    keep('refresh token of the session', record?.refreshToken);
    keepToken('ID token of the session', record?.idToken as string);
    await store.close();

    await browser.get('/page', 'Accept: text/html');
    await browser.get(callback);
    await browser.post('/web/refresh');
    keep('replaced session cookie', browser.sid);
    await browser.get('/web/session');
    await browser.get('/page', `Cookie: ${SID}=x`);
    scene.issuer.faults.set('/token', { status: 500, body: JSON.stringify({ error: record?.refreshToken }) });
    await browser.post('/web/refresh');
    scene.issuer.faults.clear();
    await browser.post('/web/logout');
    const lost = new Browser(scene);
    const other = await lost.begin();
    keep('code', new URLSearchParams(other.split('?')[1]).get('code'));
    keep('login cookie', lost.cookies.get(LOGIN));
    await new Browser(scene).get(other);
    expect(foundIn(await written())).toEqual([]);
  });

  it('none is in what the admin API shows', async () => {
    const { body } = await scene.gateway.ask('/');
    const listed = JSON.stringify(body).match(/"\/[a-z/]*"/g) ?? [];
    const paths = new Set([
      '/config',
      '/metrics',
      '/workers',
      '/routes',
      '/services',
      '/keys',
      '/consumers',
      '/status',
      '/info',
      ...listed.map((path) => path.slice(1, -1)),
    ]);
    for (const path of paths) {
      const answer = await scene.gateway.ask(path);
      expect(foundIn(JSON.stringify(answer.body)), path).toEqual([]);
    }
    expect(JSON.stringify((await scene.gateway.ask('/config')).body)).toContain('***');
  });

  it('none is in a log line when Redis goes away', async () => {
    await redis.kill();
    const headers = { 'content-type': 'application/json' };
    const answer = await scene.gateway.ask('/keys', { method: 'POST', headers, body: '{"consumer":"acme"}' });
    expect(answer.status).toBeGreaterThanOrEqual(500);
    expect(foundIn(JSON.stringify(answer.body) + (await written()))).toEqual([]);
    await redis.restart();
  });

  it('none is in a complaint about a configuration', async () => {
    const text = JSON.stringify({
      redis: `redis://:${REDIS_PASSWORD}@127.0.0.1:x`,
      auth: {
        providers: {
          internal: { type: 'jwt', algorithms: ['HS512'], secret: SECRET, clientSecret: CLIENT.clientSecret },
          opaque: {
            type: 'introspection',
            url: `http://u:${CLIENT.clientSecret}@h/`,
            clientId: 'x',
            clientSecret: { text: CLIENT.clientSecret },
          },
        },
      },
      routes: [],
    });
    scene.gateway.write(text);
    const answer = await scene.gateway.reload();
    expect(answer.status).not.toBe(200);
    expect(foundIn(JSON.stringify(answer.body) + (await written()))).toEqual([]);
    await scene.reconfigure({});
  });
});

describe('a name that a user has chosen', () => {
  it.each([
    'alice"}\n{"level":"info","msg":"audit"',
    'alice\r\n{"msg":"forged"}',
    '\u2028{"msg":"forged"}\u2029',
    '\u0085{"msg":"forged"}',
    '\u001b[2J\u0000\u0008',
    '</script>',
  ])('%j writes no log line of its own', async (sub) => {
    const lines = scene.gateway.log.length;
    const forged = scene.gateway.garbage.length;
    await scene.ask(get('/internal', bearer(hs(claimsOf(scene, { sub })))));
    await scene.ask(get('/ask', bearer(hs(claimsOf(scene, { sub })))));
    await written();
    expect(scene.gateway.garbage.slice(forged)).toEqual([]);
    expect(scene.gateway.log.slice(lines).filter(({ msg }) => msg === 'forged')).toEqual([]);
  });
});
