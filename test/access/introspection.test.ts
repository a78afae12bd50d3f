/** Callers with opaque tokens, which the authorisation server explains (RFC 7662). */
import { describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type Issuer, startIssuer } from '../harness/issuer.ts';
import { CLIENT } from '../harness/issuer-provider.ts';
import { guarded, HS256, openPremises, type Premises, settles, tokenOf } from './premises.ts';

const PATH = '/token/introspection';

async function open(options: Record<string, unknown> = {}, more: Record<string, unknown> = {}) {
  const issuer = await startIssuer();
  const tokens = { type: 'introspection', url: issuer.introspectionUrl, ...CLIENT, ...options };
  const premises = await openPremises({
    auth: { providers: { tokens, ours: HS256 } },
    routes: [
      guarded('/a', 'tokens'),
      guarded('/roles', { anyOf: ['tokens'], roles: ['trader'], scopes: ['openid'] }),
      guarded('/either', ['ours', 'tokens']),
    ],
    ...more,
  });
  return { issuer, premises };
}

async function expectRefused(premises: Premises, token: string): Promise<void> {
  expect(await premises.refusal('/a', { token })).toMatchObject({ status: 401, code: 'INVALID_TOKEN' });
}

describe('an active token', () => {
  it('lets its user in, with what the server says of roles and scopes', async () => {
    const { issuer, premises } = await open();
    const token = await issuer.accessToken({ user: 'bob', scope: 'openid', claims: { roles: ['trader'] } });
    expect((await premises.pass('/roles', { token })).headers).toMatchObject({
      'x-auth-method': 'introspection',
      'x-user-id': 'bob',
      'x-user-roles': 'trader',
    });
    const viewer = await issuer.accessToken({ user: 'carol', claims: { roles: ['viewer'] } });
    expect((await premises.refusal('/roles', { token: viewer })).status).toBe(403);
  });

  it('is asked about once, and by many at once no more often', async () => {
    const { issuer, premises } = await open();
    const token = await issuer.accessToken();
    issuer.faults.set(PATH, { delayMs: 300 });
    const answers = await Promise.all(Array.from({ length: 20 }, () => premises.ask('/a', { token })));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    await premises.pass('/a', { token });
    expect(issuer.hitsOf(PATH)).toBe(1);
  });

  it('is asked about by two workers at once together, and once more at most', async () => {
    const { issuer, premises } = await open({}, { workers: 2 });
    const token = await issuer.accessToken();
    issuer.faults.set(PATH, { delayMs: 500 });
    await Promise.all(Array.from({ length: 16 }, () => premises.pass('/a', { token })));
    expect(issuer.hitsOf(PATH)).toBe(1);
    issuer.faults.delete(PATH);
    await settles(() => premises.ask('/a', { token }), 200);
    expect(issuer.hitsOf(PATH)).toBe(1);
  });

  it('is forgotten after ttl, and a token that has died since is refused', async () => {
    const { issuer, premises } = await open({ ttl: '100ms' });
    const token = await issuer.accessToken();
    await premises.pass('/a', { token });
    issuer.forget();
    await eventually(async () => (await premises.ask('/a', { token })).status === 401);
    expect(issuer.hitsOf(PATH)).toBeGreaterThan(1);
  });

  it('is not remembered beyond its own end', async () => {
    const { issuer, premises } = await open({ ttl: '1h' });
    const exp = Math.floor(Date.now() / 1000) + 2;
    issuer.faults.set(PATH, { body: JSON.stringify({ active: true, sub: 'alice', exp }) });
    await premises.pass('/a', { token: 'opaque' });
    await eventually(async () => (await premises.ask('/a', { token: 'opaque' })).status === 401);
    expect(Date.now() / 1000).toBeGreaterThanOrEqual(exp);
  });

  it('stays good for its ttl while the server is down', async () => {
    const { issuer, premises } = await open();
    const token = await issuer.accessToken();
    await premises.pass('/a', { token });
    await issuer.down();
    await premises.pass('/a', { token });
  });

  it('is compared with issuer and audience, if they are wanted', async () => {
    const { issuer, premises } = await open({ issuer: 'https://id.example.com', audience: ['a', 'b'] });
    const said = (claims: Record<string, unknown>) =>
      issuer.faults.set(PATH, { body: JSON.stringify({ active: true, sub: 'alice', ...claims }) });
    said({ iss: 'https://id.example.com', aud: ['x', 'b'] });
    await premises.pass('/a', { token: 'good' });
    said({ iss: 'https://id.example.com', aud: 'x' });
    await expectRefused(premises, 'other-audience');
    said({ iss: 'https://id.example.com' });
    await expectRefused(premises, 'no-audience');
    said({ iss: 'https://evil.example.com', aud: 'a' });
    await expectRefused(premises, 'other-issuer');
    said({ iss: ['https://id.example.com'], aud: 'a' });
    await expectRefused(premises, 'list-of-issuers');
    said({ iss: 'https://id.example.com', aud: [['a']] });
    await expectRefused(premises, 'list-of-lists');
  });

  it('without an end is good for its ttl, however the server says so', async () => {
    const { issuer, premises } = await open();
    issuer.faults.set(PATH, { body: JSON.stringify({ active: true, sub: 'alice', exp: null, nbf: null }) });
    await premises.pass('/a', { token: 'opaque' });
  });

  it.each([
    ['exp', '1'],
    ['exp', '9999999999'],
    ['exp', [9_999_999_999]],
    ['nbf', '1'],
    ['nbf', Math.floor(Date.now() / 1000) + 3600],
  ])('is not let in when its %s is %j', async (claim, value) => {
    const { issuer, premises } = await open();
    issuer.faults.set(PATH, { body: JSON.stringify({ active: true, sub: 'alice', [claim]: value }) });
    await expectRefused(premises, 'opaque');
  });
});

describe('an inactive token', () => {
  it('is refused, and remembered for a short time', async () => {
    const { issuer, premises } = await open({ negativeTtl: '60s' });
    for (let i = 0; i < 5; i++) await expectRefused(premises, 'nobody-knows-me');
    expect(issuer.hitsOf(PATH)).toBe(1);
    expect((await premises.audited({ event: 'auth.refused' })).reason).toBe('inactive');
  });

  it('is asked about again when that is over', async () => {
    const { issuer, premises } = await open({ negativeTtl: 0 });
    await expectRefused(premises, 'nobody-knows-me');
    await expectRefused(premises, 'nobody-knows-me');
    expect(issuer.hitsOf(PATH)).toBe(2);
  });

  it('that cannot be one is not asked about', async () => {
    const { issuer, premises } = await open();
    for (const token of ['with space', 'with,comma', 'x'.repeat(9000)]) await expectRefused(premises, token);
    expect(issuer.hitsOf(PATH)).toBe(0);
  });
});

describe('a server that gives no answer: 503', () => {
  const NO_ANSWER: [string, Parameters<Issuer['faults']['set']>[1]][] = [
    ['is broken', { status: 500 }],
    ['cuts the connection', { cut: true }],
    ['says nothing', { hang: true }],
    ['sends no JSON', { body: '<html>' }],
    ['does not know the gateway', { status: 401, body: '{"error":"invalid_client"}' }],
  ];

  it.each(NO_ANSWER)('when it %s', async (_, fault) => {
    const { issuer, premises } = await open({ timeout: '300ms' });
    const token = await issuer.accessToken();
    issuer.faults.set(PATH, fault);
    const answer = await premises.ask('/a', { token });
    expect(answer).toMatchObject({ status: 503, json: { code: 'AUTH_UNAVAILABLE' } });
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(answer.text).not.toContain(issuer.url);
    expect(premises.seen).toEqual([]);
    // Nothing of it is remembered.
    issuer.faults.delete(PATH);
    await eventually(async () => (await premises.ask('/a', { token })).status === 200, { withinMs: 8000 });
  });

  it('when it is gone; it heals by itself', async () => {
    const { issuer, premises } = await open();
    const token = await issuer.accessToken();
    await issuer.down();
    expect(await premises.refusal('/a', { token })).toMatchObject({ status: 503, code: 'AUTH_UNAVAILABLE' });
    await issuer.up();
    await eventually(async () => (await premises.ask('/a', { token })).status === 200, { withinMs: 8000 });
  });

  it('is no obstacle for callers who come in another way', async () => {
    const { issuer, premises } = await open();
    await issuer.down();
    await premises.pass('/either', { token: tokenOf() });
    // Nobody can say that it is bad.
    expect((await premises.refusal('/either', { token: 'opaque' })).status).toBe(503);
  });
});
