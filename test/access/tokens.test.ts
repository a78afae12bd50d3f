/** Callers with JSON Web Tokens: where keys come from, where tokens may stand, which claims say who it is. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { startIssuer } from '../harness/issuer.ts';
import { createKey } from '../harness/issuer-keys.ts';
import { connectRaw, head } from '../harness/raw-client.ts';
import { guarded, HS256, openPremises, SECRET, settles, tokenOf } from './premises.ts';

const AUDIENCE = 'orders-api';

describe('keys', () => {
  it.each(['RS256', 'ES256', 'EdDSA'])('come from the JWKS of an issuer: %s', async (alg) => {
    const issuer = await startIssuer();
    const players = {
      type: 'jwt',
      algorithms: [alg],
      jwks: issuer.jwksUrl,
      issuer: issuer.url,
      audience: AUDIENCE,
    };
    const premises = await openPremises({
      auth: { providers: { players } },
      routes: [guarded('/a', 'players')],
    });
    const seen = await premises.pass('/a', { token: issuer.mint({ aud: AUDIENCE }, { alg }) });
    expect(seen.headers['x-user-id']).toBe('alice');
    const others = ['RS256', 'ES256', 'EdDSA'].filter((one) => one !== alg);
    for (const other of others) {
      const token = issuer.mint({ aud: AUDIENCE }, { alg: other });
      expect(await premises.refusal('/a', { token })).toMatchObject({ status: 401, code: 'INVALID_TOKEN' });
    }
    expect(issuer.hitsOf('/jwks')).toBe(1);
  });

  it('are found by discovery when only the issuer is known', async () => {
    const issuer = await startIssuer();
    const players = { type: 'jwt', algorithms: ['RS256', 'ES256'], issuer: issuer.url, audience: 'any' };
    const premises = await openPremises({
      auth: { providers: { players } },
      routes: [guarded('/a', 'players')],
    });
    await premises.pass('/a', { token: issuer.mint({}, { alg: 'RS256' }) });
    await premises.pass('/a', { token: issuer.mint({ aud: 'whoever' }, { alg: 'ES256' }) });
    expect(issuer.hitsOf('/.well-known/openid-configuration')).toBe(1);
    expect(issuer.hitsOf('/jwks')).toBe(1);
  });

  it('are fetched once for two workers', async () => {
    const issuer = await startIssuer();
    const players = { type: 'jwt', algorithms: ['ES256'], issuer: issuer.url, audience: 'any' };
    const premises = await openPremises({
      workers: 2,
      auth: { providers: { players } },
      routes: [guarded('/a', 'players')],
    });
    const token = issuer.mint({}, { alg: 'ES256' });
    await settles(() => premises.ask('/a', { token }), 200);
    expect(issuer.hitsOf('/jwks')).toBe(1);
  });

  it('come a moment later when the issuer was down at the start: until then 503', async () => {
    const issuer = await startIssuer();
    await issuer.down();
    const players = { type: 'jwt', algorithms: ['ES256'], issuer: issuer.url, audience: 'any' };
    const premises = await openPremises({
      auth: { providers: { players, ours: HS256 } },
      routes: [guarded('/a', 'players'), guarded('/b', 'ours')],
    });
    const token = issuer.mint({}, { alg: 'ES256' });
    const down = await premises.ask('/a', { token });
    expect(down).toMatchObject({ status: 503, json: { code: 'AUTH_UNAVAILABLE' } });
    expect(Number(down.headers['retry-after'])).toBeGreaterThan(0);
    await premises.pass('/b', { token: tokenOf() });
    await issuer.up();
    await eventually(async () => (await premises.ask('/a', { token })).status === 200, { withinMs: 12_000 });
  });

  it('that are known stay good while the issuer is down', async () => {
    const issuer = await startIssuer();
    const players = { type: 'jwt', algorithms: ['ES256'], issuer: issuer.url, audience: 'any' };
    const premises = await openPremises({
      auth: { providers: { players } },
      routes: [guarded('/a', 'players')],
    });
    await premises.pass('/a', { token: issuer.mint({}, { alg: 'ES256' }) });
    await issuer.down();
    await premises.pass('/a', { token: issuer.mint({ sub: 'bob' }, { alg: 'ES256' }) });
  });

  it('that are new are fetched for the first token that needs them', async () => {
    const issuer = await startIssuer();
    const players = { type: 'jwt', algorithms: ['ES256'], issuer: issuer.url, audience: 'any' };
    const premises = await openPremises({
      auth: { providers: { players } },
      routes: [guarded('/a', 'players')],
    });
    const old = issuer.mint({}, { alg: 'ES256' });
    await premises.pass('/a', { token: old });
    issuer.rotate();
    await premises.pass('/a', { token: issuer.mint({ sub: 'bob' }, { alg: 'ES256' }) });
    expect(issuer.hitsOf('/jwks')).toBe(2);
    // The old key was withdrawn, not only joined by another.
    expect((await premises.refusal('/a', { token: old })).status).toBe(401);
  });

  it('stand in the configuration or in files: public keys and secrets, several at once', async () => {
    const [one, two] = [createKey('RS256'), createKey('RS256')];
    const [first, second] = [one, two].map((key) =>
      String(key.publicKey.export({ type: 'spki', format: 'pem' })),
    );
    const issuer = await startIssuer({ algorithms: ['RS256'] });
    const premises = await openPremises({
      auth: { providers: { ours: HS256 } },
      routes: [guarded('/a', 'ours')],
    });
    const folder = join(premises.gateway.file, '..');
    writeFileSync(join(folder, 'second.pem'), second);
    writeFileSync(join(folder, 'hs.secret'), `${SECRET} new\n`);
    const { status, body } = await premises.reconfigure({
      auth: {
        providers: {
          ours: { ...HS256, secret: [SECRET, { file: 'hs.secret' }] },
          players: {
            type: 'jwt',
            algorithms: ['RS256'],
            publicKey: [first, { file: 'second.pem' }],
            issuer: 'any',
            audience: 'any',
          },
        },
      },
      routes: [guarded('/a', 'ours'), guarded('/b', 'players')],
    });
    expect([status, body.mistakes]).toEqual([200, undefined]);
    await premises.pass('/a', { token: tokenOf() });
    await premises.pass('/a', { token: tokenOf({ sub: 'bob' }, `${SECRET} new`) });
    for (const key of [one, two]) {
      issuer.keys = [key];
      await premises.pass('/b', { token: issuer.mint({}, { kid: null }) });
    }
  });
});

describe('what tokens say', () => {
  it('is mapped to user, roles, scopes, consumer and plan as the configuration wants', async () => {
    const ours = {
      ...HS256,
      claims: {
        user: 'account.id',
        roles: 'realm_access.roles',
        scopes: 'https://example.com/scopes',
        consumer: 'client_id',
        plan: 'plan',
      },
    };
    const premises = await openPremises({
      auth: { providers: { ours } },
      routes: [guarded('/a', { anyOf: ['ours'], scopes: ['read'], when: "plan == 'gold'" })],
    });
    const token = tokenOf({
      account: { id: 4711 },
      realm_access: { roles: ['trader', 'viewer'] },
      'https://example.com/scopes': ['read', 'write'],
      client_id: 'terminal',
      plan: 'gold',
    });
    expect((await premises.pass('/a', { token })).headers).toMatchObject({
      'x-user-id': '4711',
      'x-user-roles': 'trader,viewer',
      'x-consumer-id': 'terminal',
    });
  });

  it('is compared: issuer, audience, typ, and the clocks within the skew', async () => {
    const ours = { ...HS256, issuer: ['one', 'two'], audience: ['a', 'b'], typ: 'at+jwt', skew: '10s' };
    const plain = { ...HS256, issuer: 'one', skew: '10s' };
    const premises = await openPremises({
      auth: { providers: { ours, plain } },
      routes: [guarded('/typed', 'ours'), guarded('/a', 'plain')],
    });
    const now = Math.floor(Date.now() / 1000);
    for (const claims of [
      { exp: now - 5 },
      { nbf: now + 5 },
      { iat: now + 5 },
      { aud: 'whatever' },
      { jti: 'x' },
    ]) {
      await premises.pass('/a', { token: tokenOf({ iss: 'one', ...claims }) });
    }
    for (const claims of [
      { exp: now - 20 },
      { exp: undefined },
      { nbf: now + 20 },
      { iat: now + 20 },
      { iss: 'One' },
      { iss: undefined },
    ]) {
      expect((await premises.refusal('/a', { token: tokenOf({ iss: 'one', ...claims }) })).code).toBe(
        'INVALID_TOKEN',
      );
    }
    const typed = { typ: 'application/AT+jwt' };
    await premises.pass('/typed', { token: tokenOf({ iss: 'two', aud: ['x', 'b'] }, SECRET, typed) });
    for (const [claims, header] of [
      [{ iss: 'two', aud: 'b' }, {}],
      [{ iss: 'two', aud: 'c' }, typed],
      [{ iss: 'two' }, typed],
      [{ iss: 'three', aud: 'b' }, typed],
    ] as const) {
      expect((await premises.refusal('/typed', { token: tokenOf(claims, SECRET, header) })).status).toBe(401);
    }
  });
});

describe('a token', () => {
  it('may stand in a cookie, which the service gets like any other', async () => {
    const premises = await openPremises({
      auth: { providers: { ours: { ...HS256, cookie: 'access' } } },
      routes: [guarded('/a', 'ours')],
    });
    const token = tokenOf();
    const seen = await premises.pass('/a', { headers: { cookie: `a=b; access=${token}; c=d` } });
    expect(seen.headers['x-user-id']).toBe('alice');
    await premises.pass('/a', { token });
    expect((await premises.refusal('/a', { headers: { cookie: `other=${token}` } })).status).toBe(401);
  });

  it('has a scheme in any case', async () => {
    const premises = await openPremises({
      auth: { providers: { ours: HS256 } },
      routes: [guarded('/a', 'ours')],
    });
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
      await premises.pass('/a', { headers: { authorization: `${scheme} ${tokenOf()}` } });
    }
    const basic = { authorization: 'Basic YWxpY2U6c2VjcmV0' };
    expect(await premises.refusal('/a', { headers: basic })).toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('may come with the handshake of a WebSocket, in a query or a subprotocol that goes no further', async () => {
    const premises = await openPremises({
      accessLog: 'all',
      auth: { providers: { ours: { ...HS256, websocket: { query: 'ticket', subprotocol: 'bearer.' } } } },
      routes: [guarded('/a', 'ours')],
    });
    const token = tokenOf();
    const upgrade = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ];
    const shake = async (target: string, ...more: string[]) => {
      const client = await connectRaw(premises.gateway.url);
      const answer = await client.send(head('GET', target, ...upgrade, ...more)).answer();
      client.close();
      return answer.status;
    };
    const refused = await shake('/a');
    expect(refused).toBe(401);
    expect(await shake(`/a?x=1&ticket=${token}`)).toBe(200);
    expect(await shake('/a', `Sec-WebSocket-Protocol: chat, bearer.${token}`)).toBe(200);
    // Only there.
    expect((await premises.refusal(`/a?ticket=${token}`)).status).toBe(401);
    await premises.gateway.stop();
    const signature = token.split('.')[2];
    expect(premises.gateway.log.filter(({ msg }) => msg === 'access')).toHaveLength(4);
    expect(JSON.stringify(premises.gateway.log)).not.toContain(signature);
    expect(premises.seen).toMatchObject([
      { url: '/a?x=1', headers: { 'x-user-id': 'alice' } },
      { url: '/a', headers: { 'x-user-id': 'alice', 'sec-websocket-protocol': 'chat' } },
    ]);
    expect(JSON.stringify(premises.seen)).not.toContain(signature);
  });
});
