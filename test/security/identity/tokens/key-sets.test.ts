/**
 * Key sets that were tampered with, or come from a server that is not what it was (RFC 7517, RFC 8725 §3.1): keys of the wrong type
 * or for another use, shared secrets among published keys, keys that can be factored, and answers that are garbage, endless,
 * late, or lead elsewhere. What cannot be used counts as not published: without any key left the answer is 503, and with
 * keys from before they stay.
 */
import { generateKeyPairSync, hash, type JsonWebKey } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createKey, type IssuerKey } from '../../../harness/issuer-keys.ts';
import { get } from '../../../harness/raw-client.ts';
import { type RunningService, startService } from '../../../harness/service.ts';
import { AUDIENCE, bearer, route, Scene, useScene } from '../scene.ts';
import { claimsOf, hmac, segment, signed } from './forge.ts';

const OURS = createKey('RS256');
const ES = createKey('ES256');
const WEAK: IssuerKey = { kid: 'weak', alg: 'RS256', ...generateKeyPairSync('rsa', { modulusLength: 1024 }) };
const OTHER_CURVE: IssuerKey = { ...createKey('ES384'), kid: 'other-curve' };

function jwk(key: IssuerKey, more: object = {}): JsonWebKey {
  return { ...key.publicKey.export({ format: 'jwk' }), kid: key.kid, alg: key.alg, use: 'sig', ...more };
}

type Reply = (
  end: (body: string | Buffer, status?: number, headers?: Record<string, string>) => void,
) => void;

const set =
  (...keys: unknown[]): Reply =>
  (end) =>
    end(JSON.stringify({ keys }));
const BOMB = gzipSync(Buffer.alloc(200_000_000, ' '));

/** Answers without a key that could be used. */
const USELESS: Record<string, Reply> = {
  'not-json': (end) => end('<html>Service temporarily unavailable</html>'),
  nothing: (end) => end(''),
  null: (end) => end('null'),
  list: (end) => end(JSON.stringify([jwk(OURS)])),
  'one-key': (end) => end(JSON.stringify(jwk(OURS))),
  'keys-mapping': (end) => end(JSON.stringify({ keys: { 0: jwk(OURS) } })),
  'no-keys': set(),
  'no-objects': set(null, 1, 'key', [], [jwk(OURS)]),
  'half-json': (end) => end(JSON.stringify({ keys: [jwk(OURS)] }).slice(0, -2)),
  deep: (end) => end(`{"keys":${'['.repeat(100_000)}${']'.repeat(100_000)}}`),
  huge: (end) => end(JSON.stringify({ keys: [jwk(OURS)], pad: 'x'.repeat(2_000_000) })),
  bomb: (end) => end(BOMB, 200, { 'content-encoding': 'gzip' }),
  'status-404': (end) => end(JSON.stringify({ keys: [jwk(OURS)] }), 404),
  'status-500': (end) => end(JSON.stringify({ keys: [jwk(OURS)] }), 500),
  'status-203': (end) => end(JSON.stringify({ keys: [jwk(OURS)] }), 203),
  moved: (end) => end('', 302, { location: '/lair' }),
  'moved-for-ever': (end) => end('', 308, { location: '/lair' }),
  encryption: set(jwk(OURS, { use: 'enc' })),
  'use-in-capitals': set(jwk(OURS, { use: 'SIG' })),
  'use-list': set(jwk(OURS, { use: ['sig'] })),
  'other-operations': set(jwk(OURS, { use: undefined, key_ops: ['encrypt', 'sign'] })),
  'no-operations': set(jwk(OURS, { use: undefined, key_ops: [] })),
  'other-algorithm': set(jwk(OURS, { alg: 'PS256' })),
  'algorithm-of-ec': set(jwk(OURS, { alg: 'ES256' })),
  'algorithm-of-hmac': set(jwk(OURS, { alg: 'HS256' })),
  'algorithm-none': set(jwk(OURS, { alg: 'none' })),
  'type-of-ec': set(jwk(OURS, { kty: 'EC' })),
  'type-in-small-letters': set(jwk(OURS, { kty: 'rsa' })),
  'type-inherited': set(jwk(OURS, { kty: 'constructor' })),
  secret: set({ kty: 'oct', kid: OURS.kid, k: segment('attacker'), alg: 'RS256', use: 'sig' }),
  weak: set(jwk(WEAK, { kid: OURS.kid })),
  'exponent-of-one': set(jwk(OURS, { e: 'AQ' })),
  'even-exponent': set(jwk(OURS, { e: 'Ag' })),
  'no-modulus': set(jwk(OURS, { n: '' })),
  'modulus-of-zeros': set(jwk(OURS, { n: segment(Buffer.alloc(256)) })),
};

let lair: RunningService;
/** All paths answer with our key, until they turn. */
let turned = false;

beforeAll(async () => {
  lair = await startService((request, response) => {
    const name = String(request.url).slice(1);
    const end: Parameters<Reply>[0] = (body, status = 200, headers = {}) =>
      void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
    if (name === 'lair') return end(JSON.stringify({ keys: [jwk(OURS)] }));
    if (name === 'endless') {
      response.writeHead(200, { 'content-type': 'application/json' });
      const more = () => {
        if (response.destroyed) return;
        response.write(' '.repeat(65_536));
        setImmediate(more);
      };
      return more();
    }
    if (name === 'cut') return void request.socket.destroy();
    if (name === 'mixed') return set(...MIXED, jwk(ES))(end);
    if (name.startsWith('then-') && !turned) return set(jwk(OURS))(end);
    USELESS[name.replace(/^then-/, '')](end);
  });
});
afterAll(() => lair.close());

const MIXED = [
  jwk(OURS, { use: 'enc' }),
  jwk(WEAK),
  jwk(OTHER_CURVE, { alg: undefined }),
  { kty: 'oct', kid: 'secret', k: segment('attacker-attacker-attacker-attacker'), use: 'sig' },
  { kty: 'oct', kid: 'secret-for-all', k: segment('attacker-attacker-attacker-attacker'), alg: 'ES256' },
];

const OTHERS = ['endless', 'cut', 'mixed'];
const NAMES = [...Object.keys(USELESS), ...Object.keys(USELESS).map((name) => `then-${name}`), ...OTHERS];

const scene = useScene(({ issuer }) => ({
  auth: {
    providers: Object.fromEntries(
      NAMES.map((name) => [
        name,
        {
          type: 'jwt',
          algorithms: ['RS256', 'ES256', 'EdDSA'],
          jwks: `${lair.url}/${name}`,
          issuer: issuer.url,
          audience: AUDIENCE,
        },
      ]),
    ),
  },
  routes: NAMES.map((name) => route(`/${name}`, name)),
}));

const tokenOf = (key: IssuerKey, on: Scene = scene) => signed(key, claimsOf(on));

describe('an issuer that never published a key that can be used', () => {
  it.each(Object.keys(USELESS))('%s: nobody is let in, not even who has its key', async (name) => {
    const answer = await scene.refuses(
      get(`/${name}`, bearer(tokenOf(OURS))),
      '503 AUTH_UNAVAILABLE',
      'keys-unavailable',
    );
    expect(answer.header('retry-after')).toBeDefined();
    expect(answer.body.toString()).not.toContain(new URL(lair.url).host);
    const input = `${segment(JSON.stringify({ alg: 'HS256', kid: OURS.kid }))}.${segment(JSON.stringify(claimsOf(scene)))}`;
    for (const secret of ['attacker', '']) {
      await scene.refuses(
        get(`/${name}`, bearer(`${input}.${hmac(input, secret)}`)),
        '401 INVALID_TOKEN',
        'algorithm',
      );
    }
  });

  it('is not followed where it leads', () => {
    expect(lair.requests.filter(({ url }) => url === '/lair')).toEqual([]);
  });

  it('that breaks the connection: 503', async () => {
    await scene.refuses(get('/cut', bearer(tokenOf(OURS))), '503 AUTH_UNAVAILABLE', 'keys-unavailable');
  });

  it('that sends without end: 503, and the gateway does not take it all', async () => {
    await scene.refuses(get('/endless', bearer(tokenOf(OURS))), '503 AUTH_UNAVAILABLE', 'keys-unavailable');
  });

  it('that never answers: 503 within the time the gateway gives it, and nobody else waits', async () => {
    const names = ['silent', 'loud'];
    const slow = new Scene(({ issuer }) => {
      issuer.faults.set('/jwks', { hang: true });
      const same = {
        type: 'jwt',
        algorithms: ['RS256', 'ES256', 'EdDSA'],
        issuer: issuer.url,
        audience: AUDIENCE,
      };
      const [silent, loud] = [issuer.jwksUrl, `${lair.url}/mixed`].map((jwks) => ({ ...same, jwks }));
      return { auth: { providers: { silent, loud } }, routes: names.map((name) => route(`/${name}`, name)) };
    });
    await slow.start();
    onTestFinished(() => slow.stop());
    const startedAt = performance.now();
    let answered = false;
    const waiting = Promise.all(
      [1, 2, 3].map(() => slow.ask(get('/silent', bearer(tokenOf(slow.issuer.key('RS256'), slow))))),
    ).finally(() => {
      answered = true;
    });
    for (let i = 0; i < 10; i++) await slow.passes(get('/loud', bearer(tokenOf(ES, slow))));
    expect(answered).toBe(false);
    expect((await waiting).map(({ status }) => status)).toEqual([503, 503, 503]);
    expect(performance.now() - startedAt).toBeLessThan(8000);
    expect(slow.seen).toHaveLength(10);
    expect(slow.issuer.hitsOf('/jwks')).toBe(1);
  });

  it('does not put its address or its answer into a log line at the request', async () => {
    const lines = scene.gateway.log.filter(({ msg }) => msg === 'keys of the issuer cannot be fetched');
    expect(new Set(lines.map(({ provider }) => provider)).size).toBeGreaterThan(20);
    expect(JSON.stringify(lines)).not.toContain('temporarily unavailable');
  });
});

describe('an issuer whose answers turn bad', () => {
  it.each(Object.keys(USELESS))('%s: its keys from before stay, and no other is taken', async (name) => {
    const path = `/then-${name}`;
    await scene.passes(get(path, bearer(tokenOf(OURS))));
    turned = true;
    const before = lair.requests.length;
    const unknown = { ...createKey('ES256'), kid: 'unknown' };
    await scene.refuses(get(path, bearer(tokenOf(unknown))), '401 INVALID_TOKEN', 'unknown-key');
    expect(lair.requests.length, 'it was asked').toBeGreaterThan(before);
    // Not the remembered token: the key itself.
    await scene.passes(get(path, bearer(signed(OURS, claimsOf(scene, { jti: 'another' })))));
    await scene.refuses(
      get(path, bearer(signed({ ...WEAK, kid: OURS.kid }, claimsOf(scene)))),
      '401 INVALID_TOKEN',
      'signature',
    );
  });
});

describe('an RSA key whose exponent is 1', () => {
  it('is refused: what it "signs" is the padded hash itself, which anybody can write', async () => {
    const input = `${segment(JSON.stringify({ alg: 'RS256', kid: OURS.kid }))}.${segment(JSON.stringify(claimsOf(scene)))}`;
    // EMSA-PKCS1-v1_5 (RFC 8017 §9.2): 0x00 01 FF … 00, the name of SHA-256, the hash.
    const info = Buffer.concat([
      Buffer.from('3031300d060960864801650304020105000420', 'hex'),
      hash('sha256', input, 'buffer'),
    ]);
    const padding = Buffer.alloc(256 - 3 - info.length, 0xff);
    const padded = Buffer.concat([Buffer.from([0, 1]), padding, Buffer.from([0]), info]);
    const answer = await scene.ask(
      get('/exponent-of-one', bearer(`${input}.${padded.toString('base64url')}`)),
    );
    expect(answer.status).toBeGreaterThan(400);
    expect(scene.seen).toEqual([]);
  });
});

describe('keys that are of no use beside one that is', () => {
  it('let nobody in', async () => {
    await scene.passes(get('/mixed', bearer(tokenOf(ES))));
    const others = [
      tokenOf(OURS),
      tokenOf(WEAK),
      tokenOf(OTHER_CURVE),
      tokenOf({ ...OTHER_CURVE, alg: 'ES256' }),
    ];
    const macs = ['secret', 'secret-for-all'].flatMap((kid) =>
      ['HS256', 'ES256'].map((alg) => {
        const input = `${segment(JSON.stringify({ alg, kid }))}.${segment(JSON.stringify(claimsOf(scene)))}`;
        return `${input}.${hmac(input, 'attacker-attacker-attacker-attacker')}`;
      }),
    );
    await scene.refusesAll(
      [...others, ...macs].map((token) => get('/mixed', bearer(token))),
      '401 INVALID_TOKEN',
      /unknown-key|algorithm|signature/,
    );
  });
});
