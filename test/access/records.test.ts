/** What is written down of callers: metrics, the audit log and the access log. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import type { LogLine } from '../harness/gateway.ts';
import { startIssuer } from '../harness/issuer.ts';
import { guarded, HS256, openPremises, type Premises, tokenOf } from './premises.ts';

/** Values by series, of one metric. */
async function series(premises: Premises, metric: string): Promise<Map<string, number>> {
  const { body } = await premises.gateway.ask('/metrics');
  const lines = String(body)
    .split('\n')
    .filter((line) => line.startsWith(`${metric}{`));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(metric.length, at), Number(line.slice(at + 1))];
    }),
  );
}

describe.each([1, 2])('metrics of workers: %i', (workers) => {
  it('count by provider and reason what was accepted and refused, and what was remembered', async () => {
    const premises = await openPremises({
      workers,
      auth: { providers: { ours: HS256, partners: { type: 'apiKey' } } },
      routes: [guarded('/a', ['ours', 'partners'])],
    });
    const token = tokenOf();
    for (let i = 0; i < 10; i++) await premises.pass('/a', { token });
    await premises.ask('/a', { token: tokenOf({ exp: 1 }) });
    await premises.ask('/a', { token: tokenOf({}, 'x'.repeat(40)) });
    await premises.ask('/a', { key: 'bad' });
    await premises.ask('/a', { key: `sluice_live_${'a'.repeat(12)}_${'a'.repeat(32)}` });
    const has = async (label: string, value: number) =>
      await eventually(async () => (await series(premises, 'sluice_auth_total')).get(label) === value, {
        what: `${label} ${value}`,
      });
    await has('{provider="ours",result="accepted",reason=""}', 10);
    await has('{provider="ours",result="refused",reason="expired"}', 1);
    await has('{provider="ours",result="refused",reason="signature"}', 1);
    const keys = [...(await series(premises, 'sluice_auth_total'))].filter(([label]) =>
      label.includes('"partners"'),
    );
    expect(keys.reduce((sum, [, value]) => sum + value, 0)).toBe(2);
    const cache = await series(premises, 'sluice_auth_cache_total');
    const [hits, misses] = ['hit', 'miss'].map(
      (result) => cache.get(`{provider="ours",result="${result}"}`) ?? 0,
    );
    expect(hits + misses).toBe(12);
    expect(hits).toBeGreaterThanOrEqual(10 - workers);
  });
});

describe('metrics', () => {
  it('tell the age of the keys of an issuer', async () => {
    const issuer = await startIssuer({ algorithms: ['RS256', 'ES256'] });
    const players = { type: 'jwt', algorithms: ['ES256'], issuer: issuer.url, audience: 'any' };
    const premises = await openPremises({
      auth: { providers: { players } },
      routes: [guarded('/a', 'players')],
    });
    await premises.pass('/a', { token: issuer.mint({}, { alg: 'ES256' }) });
    const age = (await series(premises, 'sluice_auth_keys_age_seconds')).get('{provider="players"}');
    expect(age).toBeGreaterThanOrEqual(0);
    expect(age).toBeLessThan(30);
  });

  it('count refusals among failures of the client', async () => {
    const premises = await openPremises({
      auth: { providers: { ours: HS256 } },
      routes: [guarded('/a', 'ours')],
    });
    await premises.ask('/a');
    await eventually(
      async () =>
        (await series(premises, 'sluice_failures_total')).get(
          '{route="a",code="UNAUTHENTICATED",blame="client"}',
        ) === 1,
    );
  });
});

describe('lines', () => {
  let premises: Premises;
  let key: string;
  let keyId: string;

  beforeAll(async () => {
    premises = await openPremises({
      accessLog: { mode: 'all', headers: ['authorization', 'x-api-key', 'cookie'] },
      log: { level: 'warn' },
      auth: { providers: { ours: HS256, partners: { type: 'apiKey' } } },
      routes: [
        guarded('/a', ['ours', 'partners']),
        guarded('/roles', { anyOf: ['ours', 'partners'], roles: ['admin'] }),
        guarded('/scopes', { anyOf: ['ours'], scopes: ['x'] }),
        guarded('/permissions', { anyOf: ['ours'], permissions: ['a:b'] }),
        guarded('/when', { anyOf: ['ours'], when: "user == 'bob'" }),
        guarded('/optional', ['ours', 'anonymous']),
        guarded('/open', 'off'),
      ],
    });
    ({ key, id: keyId } = (await premises.change('POST', '/keys', { consumer: 'acme' })).body);
  });

  afterAll(() => premises.close());

  const lineOf = async (id: string, msg: string): Promise<LogLine> =>
    await premises.gateway.logged((line) => line.msg === msg && line.request_id === id);

  it.each<[string, string, () => Record<string, string>, Record<string, unknown>]>([
    ['nothing was shown', '/a', () => ({}), { event: 'auth.refused', reason: 'missing' }],
    [
      'a token has expired',
      '/a',
      () => ({ token: tokenOf({ exp: 1 }) }),
      { event: 'auth.refused', reason: 'expired' },
    ],
    ['a token is forged', '/a', () => ({ token: tokenOf({}, 'x'.repeat(40)) }), { reason: 'signature' }],
    ['a token is none', '/a', () => ({ token: 'x' }), { event: 'auth.refused', reason: 'malformed' }],
    [
      'a role is missing',
      '/roles',
      () => ({ token: tokenOf() }),
      { event: 'auth.denied', reason: 'role', user: 'alice' },
    ],
    [
      'a scope is missing',
      '/scopes',
      () => ({ token: tokenOf() }),
      { event: 'auth.denied', reason: 'scope' },
    ],
    [
      'a permission is missing',
      '/permissions',
      () => ({ token: tokenOf() }),
      { reason: 'permission', provider: 'ours' },
    ],
    [
      'a condition does not hold',
      '/when',
      () => ({ token: tokenOf() }),
      { event: 'auth.denied', reason: 'condition' },
    ],
    [
      'a partner may not',
      '/roles',
      () => ({ key }),
      { event: 'auth.denied', consumer: 'acme', provider: 'partners' },
    ],
  ])('audit: %s', async (_, path, ask, members) => {
    const { headers } = await premises.ask(path, ask());
    const line = await lineOf(String(headers['x-request-id']), 'audit');
    expect(line).toMatchObject({
      client: '127.0.0.1',
      method: 'GET',
      path,
      route: path.slice(1),
      ...members,
    });
  });

  it('audit: the key of a partner is named by its id', async () => {
    const { headers } = await premises.ask('/roles', { key });
    expect((await lineOf(String(headers['x-request-id']), 'audit')).key).toBe(keyId);
  });

  it('access: who it was, and by which provider', async () => {
    const user = await premises.ask('/a', { token: tokenOf({ sub: 'bob "quoted"\n' }) });
    expect(await lineOf(String(user.headers['x-request-id']), 'access')).toMatchObject({
      auth: 'ours',
      user: 'bob "quoted"\n',
      status: 200,
    });
    const partner = await premises.ask('/a', { key });
    const line = await lineOf(String(partner.headers['x-request-id']), 'access');
    expect(line).toMatchObject({ auth: 'partners', consumer: 'acme' });
    expect(line).not.toHaveProperty('user');
    const nobody = await premises.ask('/optional');
    expect((await lineOf(String(nobody.headers['x-request-id']), 'access')).auth).toBe('anonymous');
    const open = await premises.ask('/open');
    expect(await lineOf(String(open.headers['x-request-id']), 'access')).not.toHaveProperty('auth');
  });

  it('access: of a refusal say why, and who failed', async () => {
    const { headers } = await premises.ask('/roles', { token: tokenOf() });
    expect(await lineOf(String(headers['x-request-id']), 'access')).toMatchObject({
      status: 403,
      blame: 'client',
      auth: 'ours',
      user: 'alice',
    });
  });

  it('hold no credential', async () => {
    const token = tokenOf({ jti: 'in-no-log' });
    await premises.ask('/a', { token, key });
    await premises.ask('/roles', { token, key });
    const { headers } = await premises.ask('/a', { token: 'x', key: `${key}x` });
    await lineOf(String(headers['x-request-id']), 'access');
    const log = JSON.stringify(premises.gateway.log);
    for (const secret of [token.split('.')[2], key.split('_')[3]]) expect(log).not.toContain(secret);
    expect(premises.gateway.garbage).toEqual([]);
  });
});
