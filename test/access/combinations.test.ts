/** Ways in, put together: any of several, all of several, nobody in particular, and what holds for all routes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guarded, HS256, openPremises, type Premises, SECRET, tokenOf } from './premises.ts';

const OTHER_SECRET = `${SECRET} of another`;

let premises: Premises;
/** The key of the consumer "acme", with the role `viewer`. */
let key: string;

beforeAll(async () => {
  premises = await openPremises({
    auth: {
      providers: {
        ours: HS256,
        theirs: { ...HS256, secret: OTHER_SECRET },
        partners: { type: 'apiKey' },
        suppliers: { type: 'apiKey', header: 'X-Supplier-Key' },
      },
    },
    defaults: { auth: 'ours' },
    routes: [
      { name: 'default', match: { path: '/default' }, service: 'orders' },
      guarded('/open', 'off'),
      guarded('/closed-too', false),
      guarded('/one', 'partners'),
      guarded('/list', ['ours', 'partners']),
      guarded('/reversed', { anyOf: ['partners', 'ours'] }),
      guarded('/two-tokens', { anyOf: ['ours', 'theirs'] }),
      guarded('/optional', { anyOf: ['ours', 'anonymous'] }),
      guarded('/anonymous-first', { anyOf: ['anonymous', 'ours'] }),
      guarded('/all', { allOf: ['partners', 'ours'], roles: ['trader'], scopes: ['a', 'b'] }),
      guarded('/all-reversed', { allOf: ['ours', 'partners'] }),
      guarded('/all-anonymous', { allOf: ['ours', 'anonymous'] }),
      { name: 'fixed', match: { path: '/fixed' }, respond: { body: 'fixed' }, auth: 'ours' },
      { name: 'moved', match: { path: '/moved' }, redirect: '/elsewhere', auth: 'ours' },
    ],
  });
  const made = await premises.change('POST', '/keys', {
    consumer: 'acme',
    roles: ['viewer'],
    scopes: ['b'],
    plan: 'gold',
  });
  key = made.body.key;
});

afterAll(() => premises.close());

describe('defaults', () => {
  it('hold for a route that says nothing', async () => {
    expect(await premises.refusal('/default')).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
    expect((await premises.pass('/default', { token: tokenOf() })).headers['x-user-id']).toBe('alice');
  });

  it.each(['/open', '/closed-too'])('do not for one that says off: %s', async (path) => {
    const seen = await premises.pass(path, { token: 'nonsense' });
    expect(seen.headers).not.toHaveProperty('x-auth-method');
    expect(seen.headers.authorization).toBe('Bearer nonsense');
  });

  it('are replaced, not added to', async () => {
    expect((await premises.refusal('/one', { token: tokenOf() })).status).toBe(401);
    expect((await premises.pass('/one', { key })).headers['x-consumer-id']).toBe('acme');
  });

  it('guard answers and redirects of the gateway itself', async () => {
    expect((await premises.refusal('/fixed')).status).toBe(401);
    expect((await premises.refusal('/moved')).status).toBe(401);
    expect((await premises.ask('/fixed', { token: tokenOf() })).text).toBe('fixed');
    expect((await premises.ask('/moved', { token: tokenOf() })).headers.location).toBe('/elsewhere');
  });

  it('do not tell strangers which paths there are', async () => {
    expect((await premises.refusal('/nowhere')).status).toBe(404);
  });
});

describe('anyOf', () => {
  it.each(['/list', '/reversed'])('takes what comes: %s', async (path) => {
    const user = await premises.pass(path, { token: tokenOf() });
    expect(user.headers).toMatchObject({ 'x-auth-method': 'jwt', 'x-user-id': 'alice' });
    const partner = await premises.pass(path, { key });
    expect(partner.headers).toMatchObject({ 'x-auth-method': 'apiKey', 'x-consumer-id': 'acme' });
    expect(partner.headers).not.toHaveProperty('x-user-id');
  });

  it('takes the first of the list when several would do', async () => {
    const both = { token: tokenOf(), key };
    expect((await premises.pass('/list', both)).headers['x-auth-method']).toBe('jwt');
    expect((await premises.pass('/reversed', both)).headers['x-auth-method']).toBe('apiKey');
  });

  it('shows a credential that one refuses to the next', async () => {
    const seen = await premises.pass('/two-tokens', { token: tokenOf({ sub: 'bob' }, OTHER_SECRET) });
    expect(seen.headers['x-user-id']).toBe('bob');
  });

  it.each(['/list', '/reversed'])('takes the good one of a good and a bad one: %s', async (path) => {
    expect((await premises.pass(path, { token: 'bad', key })).headers['x-auth-method']).toBe('apiKey');
    const seen = await premises.pass(path, { token: tokenOf(), key: 'bad' });
    expect(seen.headers['x-auth-method']).toBe('jwt');
  });

  it('refuses when nothing is there, and when nothing is good', async () => {
    expect(await premises.refusal('/list')).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
    expect(await premises.refusal('/list', { token: 'bad' })).toMatchObject({ code: 'INVALID_TOKEN' });
    expect(await premises.refusal('/list', { key: 'bad' })).toMatchObject({ code: 'INVALID_API_KEY' });
    expect((await premises.refusal('/list', { token: 'bad', key: 'bad' })).status).toBe(401);
  });

  it('keeps keys of every provider of the route from the service, whichever let the caller in', async () => {
    expect((await premises.pass('/list', { token: tokenOf(), key })).headers).not.toHaveProperty('x-api-key');
    const token = tokenOf();
    expect((await premises.pass('/list', { token })).headers.authorization).toBe(`Bearer ${token}`);
  });

  it('does not take a key in the header of another provider', async () => {
    const headers = { 'x-supplier-key': key };
    expect(await premises.refusal('/one', { headers })).toMatchObject({ code: 'UNAUTHENTICATED' });
  });
});

describe('anonymous', () => {
  it('makes credentials optional at the end', async () => {
    expect((await premises.pass('/optional')).headers['x-auth-method']).toBe('anonymous');
    const known = await premises.pass('/optional', { token: tokenOf() });
    expect(known.headers).toMatchObject({ 'x-auth-method': 'jwt', 'x-user-id': 'alice' });
  });

  it('lets a caller with a bad token in as nobody', async () => {
    const seen = await premises.pass('/optional', { token: tokenOf({ exp: 1 }) });
    expect(seen.headers['x-auth-method']).toBe('anonymous');
    expect(seen.headers).not.toHaveProperty('x-user-id');
  });

  it('at the beginning knows nobody', async () => {
    const seen = await premises.pass('/anonymous-first', { token: tokenOf() });
    expect(seen.headers['x-auth-method']).toBe('anonymous');
  });

  it('adds nothing to the others in allOf', async () => {
    expect((await premises.refusal('/all-anonymous')).status).toBe(401);
    const seen = await premises.pass('/all-anonymous', { token: tokenOf() });
    expect(seen.headers).toMatchObject({ 'x-auth-method': 'jwt', 'x-user-id': 'alice' });
  });
});

describe('allOf', () => {
  const token = tokenOf({ roles: ['trader'], scope: 'a' });

  it('wants every one', async () => {
    expect(await premises.refusal('/all')).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
    expect(await premises.refusal('/all', { key })).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
    expect(await premises.refusal('/all', { token })).toMatchObject({ status: 401 });
    expect(await premises.refusal('/all', { token: 'bad', key })).toMatchObject({ code: 'INVALID_TOKEN' });
    expect(await premises.refusal('/all', { token, key: 'bad' })).toMatchObject({ code: 'INVALID_API_KEY' });
  });

  it('joins roles and scopes, and demands are met by all together', async () => {
    const { headers } = await premises.pass('/all', { token, key });
    expect(headers).toMatchObject({ 'x-user-id': 'alice', 'x-consumer-id': 'acme' });
    expect(String(headers['x-user-roles']).split(',').sort()).toEqual(['trader', 'viewer']);
  });

  it('is by the method of the first', async () => {
    expect((await premises.pass('/all', { token, key })).headers['x-auth-method']).toBe('apiKey');
    expect((await premises.pass('/all-reversed', { token, key })).headers['x-auth-method']).toBe('jwt');
  });
});

describe('two credentials of one kind', () => {
  const good = tokenOf();
  /** RFC 6750 §3.1. */
  const TWO_TOKENS = 'Bearer realm="sluice", error="invalid_request"';

  it.each([
    ['keys', '/list', ['x-api-key', 'a', 'b'], undefined],
    ['tokens', '/list', ['authorization', `Bearer ${good}`, `Bearer ${good}`], TWO_TOKENS],
    ['tokens, with a good key', '/reversed', ['authorization', 'Bearer a', 'Bearer b'], TWO_TOKENS],
    ['tokens, although anybody may', '/optional', ['authorization', 'Bearer a', 'Bearer b'], TWO_TOKENS],
  ])('%s: 400', async (_, path, fields, challenge) => {
    const [name, ...values] = fields;
    const headers = { [name]: values };
    expect(await premises.refusal(path, { headers })).toMatchObject({
      status: 400,
      code: 'DUPLICATE_CREDENTIALS',
      challenge,
    });
  });
});
