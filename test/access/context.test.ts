/** What services learn of callers: plain headers, mapped claims, or a token signed by the gateway. */
import { createHmac, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectRaw, get } from '../harness/raw-client.ts';
import { guarded, HS256, openPremises, type Premises, SECRET, tokenOf } from './premises.ts';

const AUTH = { providers: { ours: HS256, partners: { type: 'apiKey' } } };

function decoded(token: string) {
  const [header, payload] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString());
  return { header: JSON.parse(header), payload: JSON.parse(payload) };
}

/** The bytes of a field, read as UTF-8. */
const utf8 = (value: unknown) => Buffer.from(String(value), 'latin1').toString('utf8');

describe('headers', () => {
  let premises: Premises;

  beforeAll(async () => {
    const claims = {
      'X-User-Email': 'email',
      'x-desk': 'desk.name',
      'x-groups': 'groups',
      'x-level': 'level',
      'x-flag': 'flag',
      'x-object': 'object',
      'x-missing': 'missing',
      'x-url-claim': 'https://example.com/tier',
    };
    premises = await openPremises({
      auth: AUTH,
      routes: [
        guarded('/plain', ['ours', 'partners', 'anonymous']),
        guarded('/mapped', { anyOf: ['ours'], claims }),
        guarded('/partners', { anyOf: ['partners'], claims: { 'x-key-name': 'name', 'x-env': 'env' } }),
        guarded('/open', 'off'),
      ],
    });
  });

  afterAll(() => premises.close());

  const mapped = async (claims: Record<string, unknown>) =>
    (await premises.pass('/mapped', { token: tokenOf(claims) })).headers;

  it('tell method, user and roles, and nothing that is not there', async () => {
    const { headers } = await premises.pass('/plain', { token: tokenOf({ roles: ['trader', 'viewer'] }) });
    expect(headers).toMatchObject({
      'x-auth-method': 'jwt',
      'x-user-id': 'alice',
      'x-user-roles': 'trader,viewer',
    });
    expect(headers).not.toHaveProperty('x-consumer-id');
    const bare = (await premises.pass('/plain', { token: tokenOf({ sub: undefined }) })).headers;
    expect(bare['x-auth-method']).toBe('jwt');
    for (const name of ['x-user-id', 'x-user-roles', 'x-consumer-id']) expect(bare).not.toHaveProperty(name);
  });

  it('are there once each', async () => {
    const { rawHeaders } = await premises.pass('/plain', { token: tokenOf({ roles: ['a'] }) });
    const names = rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
    for (const name of ['x-auth-method', 'x-user-id', 'x-user-roles']) {
      expect(names.filter((one) => one === name)).toHaveLength(1);
    }
  });

  it('hold names in any script as UTF-8', async () => {
    const { headers } = await premises.pass('/plain', {
      token: tokenOf({ sub: 'Jürgen 株式 🎲', roles: ['händler'] }),
    });
    expect(utf8(headers['x-user-id'])).toBe('Jürgen 株式 🎲');
    expect(utf8(headers['x-user-roles'])).toBe('händler');
  });

  it('keep a comma inside of a role apart from the one between roles', async () => {
    const { headers } = await premises.pass('/plain', { token: tokenOf({ roles: ['a,admin', 'b'] }) });
    expect(headers['x-user-roles']).toBe('a%2Cadmin,b');
  });

  it('carry claims: texts, numbers, flags, lists, mappings, and by names with dots', async () => {
    const headers = await mapped({
      email: 'alice@example.com',
      desk: { name: 'Zürich' },
      groups: ['eins', 'zwei, drei', 'vier'],
      level: 3.5,
      flag: false,
      object: { a: ['ü'] },
      'https://example.com/tier': 'gold',
    });
    expect(headers).toMatchObject({
      'x-user-email': 'alice@example.com',
      'x-groups': 'eins,zwei%2C drei,vier',
      'x-level': '3.5',
      'x-flag': 'false',
      'x-url-claim': 'gold',
    });
    expect(utf8(headers['x-desk'])).toBe('Zürich');
    expect(JSON.parse(utf8(headers['x-object']))).toEqual({ a: ['ü'] });
    expect(headers).not.toHaveProperty('x-missing');
  });

  it('are left out when the claim is empty, null or not where it should be', async () => {
    const headers = await mapped({ email: '', desk: 'fx', groups: [], flag: null });
    for (const name of ['x-user-email', 'x-desk', 'x-groups', 'x-flag'])
      expect(headers).not.toHaveProperty(name);
  });

  it('of one caller are not those of the next', async () => {
    const [alice, bob] = [tokenOf({ email: 'a@x' }), tokenOf({ sub: 'bob', email: 'b@x' })];
    for (const [token, user, email] of [
      [alice, 'alice', 'a@x'],
      [bob, 'bob', 'b@x'],
      [alice, 'alice', 'a@x'],
    ]) {
      const { headers } = await premises.pass('/mapped', { token });
      expect(headers).toMatchObject({ 'x-user-id': user, 'x-user-email': email });
    }
  });

  it('of callers who share a connection are not mixed up', async () => {
    const client = await connectRaw(premises.gateway.url);
    const users = Array.from({ length: 20 }, (_, i) => `user-${i}`);
    for (const sub of users) {
      client.send(get('/plain', `Authorization: Bearer ${tokenOf({ sub })}`));
      const { headers } = JSON.parse((await client.answer()).body.toString());
      expect(headers['x-user-id']).toBe(sub);
    }
    client.send(get('/plain'));
    expect(JSON.parse((await client.answer()).body.toString()).headers).not.toHaveProperty('x-user-id');
  });

  it('tell the consumer of a key, and what is known of it', async () => {
    const wish = { consumer: 'acme', name: 'nightly', env: 'test', roles: ['viewer'] };
    const { key } = (await premises.change('POST', '/keys', wish)).body;
    expect((await premises.pass('/partners', { key })).headers).toMatchObject({
      'x-auth-method': 'apiKey',
      'x-consumer-id': 'acme',
      'x-user-roles': 'viewer',
      'x-key-name': 'nightly',
      'x-env': 'test',
    });
  });

  it('of ours are not taken from clients, on no route', async () => {
    const headers = { 'X-User-Id': 'root', 'x-auth-method': 'jwt', 'x-user-email': 'root@x', 'x-other': '1' };
    for (const path of ['/plain', '/open']) {
      const seen = (await premises.pass(path, { headers })).headers;
      expect(seen['x-other']).toBe('1');
      expect(seen).not.toHaveProperty('x-user-id');
      expect(seen).not.toHaveProperty('x-user-email');
      expect(seen['x-auth-method']).toBe(path === '/plain' ? 'anonymous' : undefined);
    }
  });
});

describe('a token of the gateway', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const routes = [
    guarded('/a', { anyOf: ['ours', 'partners'], claims: { 'x-email': 'email' } }),
    { name: 'b', match: { path: '/b' }, service: 'billing', auth: 'ours' },
  ];

  /** `billing` is the same server under another name. */
  async function open(jwt: Record<string, unknown>, more: unknown[] = []) {
    const premises = await openPremises({
      auth: { ...AUTH, context: { jwt } },
      routes: [routes[0], ...more],
    });
    const both = Object.fromEntries(
      ['orders', 'billing'].map((name) => [name, { endpoints: [premises.service.url] }]),
    );
    const { status } = await premises.reconfigure({ services: both, routes: [...routes, ...more] });
    expect(status).toBe(200);
    return premises;
  }

  it('ES256: is verified by the published key, for the service it is meant for, and lives for a minute', async () => {
    const published = { name: 'jwks', match: { path: '/.well-known/jwks.json' }, builtin: 'keys' };
    const premises = await open({ algorithm: 'ES256', key: pem }, [published]);
    const answer = await premises.ask('/.well-known/jwks.json');
    expect(answer.headers['content-type']).toContain('application/jwk-set+json');
    const [jwk] = answer.json.keys;
    expect(jwk).toMatchObject({ kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig' });
    expect(jwk).not.toHaveProperty('d');

    const token = tokenOf({ roles: ['trader'], scope: 'a b', email: 'a@x' });
    const { headers } = await premises.pass('/a', { token });
    const given = String(headers['x-identity-token']);
    const { header, payload } = decoded(given);
    expect(header).toMatchObject({ alg: 'ES256', kid: jwk.kid });
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    const [head, body, signature] = given.split('.');
    const signed = Buffer.from(`${head}.${body}`);
    const encoded = { key, dsaEncoding: 'ieee-p1363' as const };
    expect(verify('sha256', signed, encoded, Buffer.from(signature, 'base64url'))).toBe(true);
    expect(payload).toMatchObject({
      iss: 'sluice',
      aud: 'orders',
      sub: 'alice',
      roles: ['trader'],
      scope: 'a b',
      auth_method: 'jwt',
      email: 'a@x',
    });
    const now = Date.now() / 1000;
    expect(payload.exp).toBeLessThanOrEqual(now + 60);
    expect(payload.exp).toBeGreaterThan(now + 25);
    for (const name of ['x-user-id', 'x-user-roles', 'x-auth-method', 'x-email']) {
      expect(headers).not.toHaveProperty(name);
    }

    const other = await premises.pass('/b', { token });
    expect(decoded(String(other.headers['x-identity-token'])).payload.aud).toBe('billing');
    expect((await premises.pass('/a', { token })).headers['x-identity-token']).toBe(given);
  });

  it('HS256: by a shared secret, under the name, issuer and lifetime of the configuration', async () => {
    const premises = await open({
      algorithm: 'HS256',
      key: `${SECRET} of the inside`,
      header: 'X-Who',
      issuer: 'edge',
      lifetime: '10s',
    });
    const given = String((await premises.pass('/a', { token: tokenOf() })).headers['x-who']);
    const [head, body, signature] = given.split('.');
    const own = createHmac('sha256', `${SECRET} of the inside`).update(`${head}.${body}`).digest('base64url');
    expect(signature).toBe(own);
    const { payload } = decoded(given);
    expect(payload).toMatchObject({ iss: 'edge', aud: 'orders', sub: 'alice' });
    const now = Date.now() / 1000;
    expect(payload.exp).toBeLessThanOrEqual(now + 10);
    expect(payload.exp).toBeGreaterThan(now + 3);
  });

  it.each([
    ['ES256', pem],
    ['HS256', SECRET],
  ])('%s: says when it was made', async (algorithm, key) => {
    const premises = await open({ algorithm, key });
    const { headers } = await premises.pass('/a', { token: tokenOf() });
    const { payload } = decoded(String(headers['x-identity-token']));
    expect(payload.exp - payload.iat).toBe(60);
  });

  it('is not valid for longer than what the caller has shown', async () => {
    const premises = await open({ algorithm: 'ES256', key: pem });
    const exp = Math.floor(Date.now() / 1000) - 15; // within the skew of 30 s
    const given = (await premises.pass('/a', { token: tokenOf({ exp }) })).headers['x-identity-token'];
    expect(decoded(String(given)).payload.exp).toBeLessThanOrEqual(exp + 30);
  });

  it('tells of a consumer, and is not taken from clients', async () => {
    const premises = await open({ algorithm: 'ES256', key: pem });
    const { key } = (await premises.change('POST', '/keys', { consumer: 'acme', plan: 'gold' })).body;
    const { headers } = await premises.pass('/a', { key, headers: { 'X-Identity-Token': 'forged' } });
    expect(decoded(String(headers['x-identity-token'])).payload).toMatchObject({
      consumer: 'acme',
      plan: 'gold',
      auth_method: 'apiKey',
    });
  });
});
