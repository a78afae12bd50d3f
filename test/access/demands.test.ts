/** What a route demands of callers that are known: roles, scopes, permissions, conditions, and more for some methods. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guarded, HS256, openPremises, type Premises, tokenOf } from './premises.ts';

let premises: Premises;

beforeAll(async () => {
  premises = await openPremises({
    auth: {
      providers: { ours: HS256 },
      roles: {
        trader: ['orders:*', '!orders:delete'],
        viewer: ['orders:read'],
        admin: ['*'],
        clerk: ['orders:*:read'],
      },
    },
    routes: [
      guarded('/roles', { anyOf: ['ours'], roles: ['trader', 'admin'] }),
      guarded('/scopes', { anyOf: ['ours'], scopes: ['orders:read', 'orders:write'] }),
      guarded('/write', { anyOf: ['ours'], permissions: ['orders:write'] }),
      guarded('/delete', { anyOf: ['ours'], permissions: ['orders:read', 'orders:delete'] }),
      guarded('/part', { anyOf: ['ours'], permissions: ['orders:eu:read'] }),
      guarded('/nobody', { anyOf: ['ours', 'anonymous'], permissions: ['orders:read'] }),
      guarded('/methods', {
        anyOf: ['ours'],
        roles: ['viewer', 'admin'],
        methods: {
          DELETE: { roles: ['admin'] },
          PUT: { scopes: ['change'] },
          GET: { when: "header.x-desk == 'fx'" },
        },
      }),
      {
        name: 'mine',
        match: { path: '/users/:user/orders/:id' },
        service: 'orders',
        auth: { anyOf: ['ours'], when: 'param.user == claim.sub' },
      },
      guarded('/when', {
        anyOf: ['ours'],
        when: [
          "(role in ['admin', 'support'] || claim.desk == header.x-desk && method == 'GET')",
          "inNetwork(client.ip, '127.0.0.0/8')",
          '!exists(claim.suspended)',
          "startsWith(path, '/wh')",
          'claim.exp > now()',
          "auth.provider == 'ours'",
          "route == 'when'",
        ].join(' && '),
      }),
    ],
  });
});

afterAll(() => premises.close());

const as = (claims: Record<string, unknown>) => ({ token: tokenOf(claims) });

describe('roles', () => {
  it.each([[['trader']], [['viewer', 'admin']], ['viewer admin']])(
    'are met by one of them: %j',
    async (roles) => {
      await premises.pass('/roles', as({ roles }));
    },
  );

  it.each([[undefined], [[]], [['viewer']], [['Trader']], ['traders'], [{ trader: true }], [[['trader']]]])(
    'are not met by %j',
    async (roles) => {
      expect(await premises.refusal('/roles', as({ roles }))).toMatchObject({ status: 403 });
    },
  );
});

describe('scopes', () => {
  it.each(['orders:write orders:read other', ['orders:read', 'orders:write']])(
    'are met by all of them: %j',
    async (scope) => {
      await premises.pass('/scopes', as({ scope }));
    },
  );

  it.each([undefined, '', 'orders:read', 'orders:read,orders:write', 'orders:*'])(
    'are not met by %j',
    async (scope) => {
      expect(await premises.refusal('/scopes', as({ scope }))).toMatchObject({
        status: 403,
        code: 'INSUFFICIENT_SCOPE',
      });
    },
  );
});

describe('permissions', () => {
  it.each([
    ['/write', ['trader']],
    ['/write', ['viewer', 'trader']],
    ['/write', ['admin']],
    ['/delete', ['admin']],
    ['/part', ['clerk']],
    ['/part', ['trader']],
  ])('%s may be called by %j', async (path, roles) => {
    await premises.pass(path, as({ roles }));
  });

  it.each([
    ['/write', []],
    ['/write', ['viewer']],
    ['/write', ['orders:write']],
    ['/write', ['clerk']],
    ['/delete', ['trader']],
    ['/part', ['viewer']],
  ])('%s may not be called by %j', async (path, roles) => {
    expect((await premises.refusal(path, as({ roles }))).status).toBe(403);
  });

  it('that one role denies are not given by another', async () => {
    expect((await premises.refusal('/delete', as({ roles: ['admin', 'trader'] }))).status).toBe(403);
  });

  it('are not given to nobody', async () => {
    expect((await premises.refusal('/nobody')).status).toBe(403);
    await premises.pass('/nobody', as({ roles: ['viewer'] }));
  });
});

describe('methods', () => {
  const fx = { 'x-desk': 'fx' };

  it.each<[string, Record<string, unknown>, Record<string, string>]>([
    ['GET', { roles: ['viewer'] }, fx],
    ['POST', { roles: ['viewer'] }, {}],
    ['DELETE', { roles: ['admin'] }, {}],
    ['PUT', { roles: ['viewer'], scope: 'change' }, {}],
  ])('%s: allowed with %j', async (method, claims, headers) => {
    await premises.pass('/methods', { method, headers, ...as(claims) });
  });

  it.each<[string, Record<string, unknown>, Record<string, string>]>([
    ['GET', { roles: ['viewer'] }, {}],
    ['GET', { roles: [] }, fx],
    ['POST', { roles: ['trader'] }, {}],
    ['DELETE', { roles: ['viewer'] }, {}],
    ['PUT', { roles: ['viewer'] }, {}],
    ['PUT', { roles: ['trader'], scope: 'change' }, {}],
  ])('%s: denied with %j', async (method, claims, headers) => {
    const answer = await premises.refusal('/methods', { method, headers, ...as(claims) });
    expect(answer.status).toBe(403);
  });

  it('HEAD is held to what GET is', async () => {
    const viewer = as({ roles: ['viewer'] });
    expect((await premises.refusal('/methods', { method: 'HEAD', ...viewer })).status).toBe(403);
    expect((await premises.ask('/methods', { method: 'HEAD', headers: fx, ...viewer })).status).toBe(200);
  });
});

describe('conditions', () => {
  it('compare parameters, decoded, with claims', async () => {
    await premises.pass('/users/alice/orders/1', as({}));
    await premises.pass('/users/al%69ce/orders/1', as({}));
    await premises.pass('/users/j%C3%BCrgen/orders/1', as({ sub: 'jürgen' }));
    expect(await premises.refusal('/users/bob/orders/1', as({}))).toMatchObject({
      status: 403,
      code: 'FORBIDDEN',
    });
    expect((await premises.refusal('/users/Alice/orders/1', as({}))).status).toBe(403);
    expect((await premises.refusal('/users/undefined/orders/1', as({ sub: undefined }))).status).toBe(403);
  });

  it('ask for claims, headers, method, address, time and route', async () => {
    const fx = { 'x-desk': 'fx' };
    await premises.pass('/when', as({ roles: ['support'] }));
    await premises.pass('/when', { ...as({ desk: 'fx' }), headers: fx });
    for (const [claims, method, headers] of [
      [{ desk: 'fx' }, 'GET', {}],
      [{}, 'GET', {}],
      [{ desk: 'fx' }, 'POST', fx],
      [{ roles: ['admin'], suspended: false }, 'GET', {}],
    ] as const) {
      expect((await premises.refusal('/when', { ...as(claims), method, headers })).status).toBe(403);
    }
  });
});

describe('an answer', () => {
  it.each([
    ['/roles', {}, 'INSUFFICIENT_SCOPE', 'One of the roles trader, admin is needed.'],
    ['/scopes', { scope: 'orders:read' }, 'INSUFFICIENT_SCOPE', 'Missing scope: orders:write.'],
    ['/write', { roles: ['viewer'] }, 'INSUFFICIENT_SCOPE', 'Missing permission: orders:write.'],
  ])('names what is missing (errors.md): %s', async (path, claims, code, detail) => {
    const { json } = await premises.ask(path, as(claims));
    expect(json).toMatchObject({ status: 403, code, detail });
  });

  it('does not tell how a condition reads', async () => {
    const { json, headers } = await premises.ask('/users/bob/orders/1', as({}));
    expect(json).toMatchObject({ status: 403, code: 'FORBIDDEN' });
    expect(JSON.stringify(json)).not.toMatch(/claim|param/);
    expect(headers['www-authenticate']).toBeUndefined();
  });
});
