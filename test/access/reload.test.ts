/** A running gateway is given other providers and rules: nobody who may come in is refused meanwhile. */
import { describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { startIssuer } from '../harness/issuer.ts';
import { guarded, HS256, openPremises, type Premises, SECRET, settles, tokenOf } from './premises.ts';

/** Sixteen callers who ask again and again, each over a new connection; whatever is not 200 is kept. */
function keepAsking(premises: Premises, asks: readonly (() => { path: string; token: string })[]) {
  const refused: { path: string; status: number; id: string }[] = [];
  let answered = 0;
  let stopping = false;
  const caller = async (i: number) => {
    while (!stopping) {
      const { path, token } = asks[i % asks.length]();
      const answer = await premises.ask(path, { token });
      if (answer.status === 200) answered++;
      else refused.push({ path, status: answer.status, id: String(answer.headers['x-request-id']) });
    }
  };
  const callers = Array.from({ length: 16 }, (_, i) => caller(i));
  return {
    answered: () => answered,
    async stop() {
      stopping = true;
      await Promise.all(callers);
      const reasons = refused.map(async ({ path, status, id }) => {
        const { reason } = await premises.audited({ request_id: id });
        return `${path} ${status} ${reason}`;
      });
      return await Promise.all(reasons);
    },
  };
}

describe.each([1, 2])('with workers: %i', (workers) => {
  it('reloads that change providers refuse nobody', async () => {
    const issuer = await startIssuer({ algorithms: ['RS256', 'ES256'] });
    const players = (more: Record<string, unknown> = {}) => ({
      type: 'jwt',
      algorithms: ['RS256', 'ES256'],
      issuer: issuer.url,
      audience: 'any',
      ...more,
    });
    const config = (round: number) => ({
      auth: {
        providers: {
          ours: { ...HS256, secret: [SECRET, `${SECRET} ${round}`] },
          players: players({ cache: { ttl: `${100 + round}s` }, skew: `${round % 50}s` }),
          [`only-in-${round}`]: { ...HS256, secret: `${SECRET} only` },
        },
        roles: { [`role-${round}`]: ['a:b'] },
      },
      routes: [
        guarded('/hs', 'ours'),
        guarded('/es', { anyOf: ['players'], when: `${round} < 1000` }),
        guarded('/rs', ['ours', 'players']),
      ],
    });
    const premises = await openPremises({ workers, data: './data', ...config(0) });
    let count = 0;
    const remembered = issuer.mint({}, { alg: 'RS256' });
    await eventually(async () => (await premises.ask('/rs', { token: remembered })).status === 200);
    const load = keepAsking(premises, [
      () => ({ path: '/hs', token: tokenOf() }),
      () => ({ path: '/es', token: issuer.mint({ jti: String(count++) }, { alg: 'ES256' }) }),
      () => ({ path: '/rs', token: remembered }),
    ]);
    for (let round = 1; round <= 10; round++) {
      const before = load.answered();
      expect(await premises.reconfigure(config(round))).toMatchObject({ status: 200 });
      await eventually(() => load.answered() > before + 30);
    }
    expect(await load.stop()).toEqual([]);
  });
});

describe('a reload', () => {
  it('closes a way in, and opens another, on every worker', async () => {
    const premises = await openPremises({
      workers: 2,
      auth: { providers: { ours: HS256 } },
      routes: [guarded('/a', 'ours')],
    });
    const [old, fresh] = [tokenOf(), tokenOf({}, `${SECRET} new`)];
    await settles(() => premises.ask('/a', { token: old }), 200);
    await premises.reconfigure({ auth: { providers: { ours: { ...HS256, secret: `${SECRET} new` } } } });
    await settles(() => premises.ask('/a', { token: old }), 401);
    await settles(() => premises.ask('/a', { token: fresh }), 200);
  });

  it('changes what roles may, for tokens that are remembered', async () => {
    const rules = (roles: Record<string, string[]>) => ({ auth: { providers: { ours: HS256 }, roles } });
    const premises = await openPremises({
      ...rules({ trader: ['orders:write'] }),
      routes: [guarded('/a', { anyOf: ['ours'], permissions: ['orders:write'] })],
    });
    // Enough roles for a verdict to be remembered with the caller.
    const token = tokenOf({ roles: ['trader', ...Array.from({ length: 12 }, (_, i) => `r${i}`)] });
    expect((await premises.ask('/a', { token })).status).toBe(200);
    await premises.reconfigure(rules({ trader: ['orders:read'] }));
    expect((await premises.ask('/a', { token })).status).toBe(403);
  });

  it('with a mistake changes nothing', async () => {
    const premises = await openPremises({
      auth: { providers: { ours: HS256 } },
      routes: [guarded('/a', 'ours')],
    });
    const { status, body } = await premises.reconfigure({ routes: [guarded('/a', 'oars')] });
    expect(status).toBe(422);
    expect(JSON.stringify(body.mistakes)).toContain('there is no provider');
    expect((await premises.ask('/a', { token: tokenOf() })).status).toBe(200);
    expect((await premises.ask('/a')).status).toBe(401);
  });

  it('brings auth to a gateway that had none, and takes it away', async () => {
    const open = { name: 'a', match: { path: '/a' }, service: 'orders' };
    const premises = await openPremises({ workers: 2, routes: [open] });
    await settles(() => premises.ask('/a'), 200);
    const partners = { auth: { providers: { partners: { type: 'apiKey' }, ours: HS256 } } };
    const { status } = await premises.reconfigure({
      ...partners,
      routes: [guarded('/a', ['partners', 'ours'])],
    });
    expect(status).toBe(200);
    await settles(() => premises.ask('/a'), 401);
    await settles(() => premises.ask('/a', { token: tokenOf() }), 200);
    const { key } = (await premises.change('POST', '/keys', { consumer: 'acme' })).body;
    await settles(() => premises.ask('/a', { key }), 200);
    await premises.reconfigure({ routes: [open] });
    await settles(() => premises.ask('/a'), 200);
  });

  it('does not lose a token that waits for its key', async () => {
    const issuer = await startIssuer({ algorithms: ['RS256', 'ES256'] });
    const players = { type: 'jwt', algorithms: ['ES256'], issuer: issuer.url, audience: 'any' };
    const premises = await openPremises({
      auth: { providers: { players } },
      routes: [guarded('/a', 'players')],
    });
    await premises.pass('/a', { token: issuer.mint({}, { alg: 'ES256' }) });
    issuer.rotate();
    issuer.faults.set('/jwks', { delayMs: 2000 });
    const waiting = premises.ask('/a', { token: issuer.mint({}, { alg: 'ES256' }) });
    await eventually(() => issuer.hitsOf('/jwks') === 2);
    const { status } = await premises.reconfigure({
      auth: { providers: { players: { ...players, skew: '1s' } } },
    });
    expect(status).toBe(200);
    expect((await waiting).status).toBe(200);
  });

  it('that cannot be applied leaves the old providers as they were, with keys that follow the issuer', async () => {
    const issuer = await startIssuer({ algorithms: ['RS256', 'ES256'] });
    const players = { type: 'jwt', algorithms: ['ES256'], issuer: issuer.url, audience: 'any' };
    const premises = await openPremises({
      auth: { providers: { players } },
      routes: [guarded('/a', 'players')],
    });
    await premises.pass('/a', { token: issuer.mint({}, { alg: 'ES256' }) });
    // No folder can be made there.
    const { status } = await premises.reconfigure({
      data: '/proc/nowhere',
      auth: { providers: { players: { ...players, skew: '1s' }, partners: { type: 'apiKey' } } },
    });
    expect(status).toBeGreaterThanOrEqual(400);
    issuer.rotate();
    await premises.pass('/a', { token: issuer.mint({ sub: 'bob' }, { alg: 'ES256' }) });
  });
});
