/** Tokens that are dead before their time: all of a user, or one, on every worker within a second. */
import { describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { startIssuer } from '../harness/issuer.ts';
import { CLIENT } from '../harness/issuer-provider.ts';
import { guarded, HS256, openPremises, type Premises, settles, sluice, tokenOf } from './premises.ts';

const open = () =>
  openPremises({
    workers: 2,
    data: './data',
    auth: { providers: { ours: HS256, theirs: { ...HS256, cookie: 'theirs' } } },
    routes: [guarded('/a', 'ours'), guarded('/b', 'theirs')],
  });

const asking =
  (premises: Premises, token: string, path = '/a') =>
  () =>
    premises.ask(path, { token });

/** Whole seconds count: what is issued in the second of a revocation is dead with it. */
const longAgo = () => Math.floor(Date.now() / 1000) - 60;

describe.each([
  [
    'the admin API',
    async ({ gateway }: Premises, wish: Record<string, string>) => {
      const headers = { 'content-type': 'application/json' };
      const init = { method: 'POST', headers, body: JSON.stringify(wish) };
      expect((await gateway.ask('/revocations', init)).status).toBe(201);
    },
  ],
  [
    'the command line',
    async ({ gateway }: Premises, { user, tokenId, provider }: Record<string, string>) => {
      const whom = user === undefined ? ['--token-id', tokenId] : ['--user', user];
      expect(await sluice('revoke', ...whom, '--provider', provider, '-c', gateway.file)).toMatchObject({
        code: 0,
      });
    },
  ],
])('by %s', (_, revoke) => {
  it('all that a user of a provider was given so far is dead, and nothing else', async () => {
    const premises = await open();
    const [first, second] = ['1', '2'].map((jti) => tokenOf({ jti, iat: longAgo() }));
    const bob = tokenOf({ sub: 'bob', iat: longAgo() });
    for (const token of [first, bob]) await settles(asking(premises, token), 200);
    await revoke(premises, { user: 'alice', provider: 'ours' });
    expect(await settles(asking(premises, first), 401)).toBeLessThan(1000);
    // Also one that no worker has seen before.
    expect(await premises.refusal('/a', { token: second })).toMatchObject({ code: 'INVALID_TOKEN' });
    await premises.audited({ event: 'auth.refused', reason: 'revoked' });
    await settles(asking(premises, bob), 200);
    await settles(asking(premises, first, '/b'), 200);
    await eventually(async () => (await premises.ask('/a', { token: tokenOf() })).status === 200);
  });

  it('one token is dead, and no other of the same user', async () => {
    const premises = await open();
    const [first, second] = ['1', '2'].map((jti) => tokenOf({ jti }));
    for (const token of [first, second]) await settles(asking(premises, token), 200);
    await revoke(premises, { tokenId: '1', provider: 'ours' });
    expect(await settles(asking(premises, first), 401)).toBeLessThan(1000);
    await settles(asking(premises, second), 200);
  });
});

describe('a user who is banned', () => {
  it('is let in by no new token either, until the ban is lifted', async () => {
    const premises = await open();
    const { file } = premises.gateway;
    const banUntil = Math.floor(Date.now() / 1000) + 3600;
    expect(
      (await premises.change('POST', '/revocations', { user: 'alice', provider: 'ours', banUntil })).status,
    ).toBe(201);
    const fresh = tokenOf({ jti: 'fresh' });
    expect(await settles(asking(premises, fresh), 401)).toBeLessThan(1000);
    await settles(asking(premises, fresh, '/b'), 200);
    const lift = '/revocations?user=alice&provider=ours';
    expect((await premises.gateway.ask(lift, { method: 'DELETE' })).status).toBe(200);
    expect((await premises.gateway.ask(lift, { method: 'DELETE' })).status).toBe(404);
    await premises.audited({ event: 'admin.user.unban', user: 'alice' });
    await eventually(async () => (await premises.ask('/a', { token: tokenOf() })).status === 200);
    const ban = ['revoke', '--user', 'alice', '--provider', 'ours', '-c', file];
    expect((await sluice(...ban, '--ban-until', '7d')).code).toBe(0);
    expect(await settles(() => premises.ask('/a', { token: tokenOf() }), 401)).toBeLessThan(1500);
    expect((await sluice(...ban, '--lift')).code).toBe(0);
    expect(await sluice(...ban, '--lift')).toMatchObject({
      code: 1,
      err: expect.stringContaining('not banned'),
    });
    await eventually(async () => (await premises.ask('/a', { token: tokenOf() })).status === 200);
  });

  it.each([
    [{ tokenId: '1', provider: 'ours', banUntil: 1 }, 'banUntil goes with user'],
    [{ user: 'alice', provider: 'ours', banUntil: 'soon' }, 'banUntil'],
  ])('%j makes no sense', async (body, says) => {
    const premises = await open();
    const answer = await premises.change('POST', '/revocations', body);
    expect({ status: answer.status, detail: answer.body.detail }).toEqual({
      status: 400,
      detail: expect.stringContaining(says),
    });
  });
});

it('opaque tokens of a user are dead, although the authorisation server knows nothing of it', async () => {
  const issuer = await startIssuer();
  const tokens = { type: 'introspection', url: issuer.introspectionUrl, ...CLIENT, ttl: '1h' };
  const premises = await openPremises({
    workers: 2,
    data: './data',
    auth: { providers: { tokens } },
    routes: [guarded('/a', 'tokens')],
  });
  const token = await issuer.accessToken({ user: 'alice' });
  const bob = await issuer.accessToken({ user: 'bob' });
  for (const one of [token, bob]) await settles(asking(premises, one), 200);
  await premises.change('POST', '/revocations', { user: 'alice', provider: 'tokens' });
  expect(await settles(asking(premises, token), 401)).toBeLessThan(1000);
  await settles(asking(premises, bob), 200);
});

it('tokens with public-key signatures are dead, too', async () => {
  const issuer = await startIssuer({ algorithms: ['RS256', 'ES256'] });
  const players = { type: 'jwt', algorithms: ['ES256'], issuer: issuer.url, audience: 'any' };
  const premises = await openPremises({
    workers: 2,
    data: './data',
    auth: { providers: { players } },
    routes: [guarded('/a', 'players')],
  });
  const token = issuer.mint({ iat: longAgo() }, { alg: 'ES256' });
  await settles(asking(premises, token), 200);
  await premises.change('POST', '/revocations', { user: 'alice', provider: 'players' });
  expect(await settles(asking(premises, token), 401)).toBeLessThan(1000);
});
