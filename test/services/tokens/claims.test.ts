import { afterAll, describe, expect, it } from 'vitest';
import type { Identity } from '../../../src/services/identity.ts';
import {
  AUDIENCE,
  bearer,
  CLAIMS,
  ES256,
  hs,
  hsConfig,
  hsRaw,
  ISSUER,
  NOW_S,
  pemConfig,
  pool,
  provider,
  signed,
  tell,
} from './forge.ts';

const threads = pool();
afterAll(() => threads.close());
const jwt = provider(hsConfig({ skew: '10s' }));
const withKeys = provider(pemConfig({ skew: '10s' }), { pool: () => threads });

const times: [object, string][] = [
  [{ exp: NOW_S + 1 }, 'user alice'],
  [{ exp: NOW_S - 9 }, 'user alice'],
  [{ exp: NOW_S - 9.5 }, 'user alice'],
  [{ exp: NOW_S - 10 }, '401 expired'],
  [{ exp: NOW_S - 11 }, '401 expired'],
  [{ exp: 0 }, '401 expired'],
  [{ nbf: NOW_S + 10 }, 'user alice'],
  [{ nbf: NOW_S + 11 }, '401 not-yet'],
  [{ iat: NOW_S + 10 }, 'user alice'],
  [{ iat: NOW_S + 11 }, '401 not-yet'],
  [{ iat: undefined }, 'user alice'],
  [{ exp: undefined }, '401 claims'],
  [{ exp: null }, '401 claims'],
  [{ exp: String(NOW_S + 300) }, '401 claims'],
  [{ exp: [NOW_S + 300] }, '401 claims'],
  [{ exp: true }, '401 claims'],
  [{ exp: -1 }, '401 claims'],
  [{ exp: 1e300 }, '401 claims'],
  [{ exp: Number.MAX_SAFE_INTEGER }, '401 claims'],
  [{ nbf: '0' }, '401 claims'],
  [{ nbf: null }, '401 claims'],
  [{ iat: 'now' }, '401 claims'],
  [{ iat: null }, '401 claims'],
];

describe('times', () => {
  it.each(times)('%j: %s', async (claims, outcome) => {
    expect(await tell(jwt, hs({ ...CLAIMS, ...claims }))).toBe(outcome);
    expect(await tell(withKeys, signed(ES256, { ...CLAIMS, ...claims }))).toBe(outcome);
  });

  it.each(['1e400', '-1e400', '9'.repeat(400), '1e-400'])('are no huge numbers: %s', async (exp) => {
    const text = JSON.stringify({ ...CLAIMS, exp: 0 }).replace('"exp":0', `"exp":${exp}`);
    expect(await tell(jwt, hsRaw(text))).toMatch(/^401 (claims|expired)$/);
  });
});

describe('issuer and audience', () => {
  it.each([
    [{ iss: `${ISSUER}/` }, '401 issuer'],
    [{ iss: ISSUER.toUpperCase() }, '401 issuer'],
    [{ iss: '' }, '401 issuer'],
    [{ iss: undefined }, '401 issuer'],
    [{ iss: [ISSUER] }, '401 claims'],
    [{ aud: 'https://other.example.com' }, '401 audience'],
    [{ aud: `${AUDIENCE}.evil.example` }, '401 audience'],
    [{ aud: undefined }, '401 audience'],
    [{ aud: [] }, '401 audience'],
    [{ aud: ['x', AUDIENCE] }, 'user alice'],
    [{ aud: [AUDIENCE, 1] }, '401 claims'],
    [{ aud: { 0: AUDIENCE } }, '401 claims'],
    [{ sub: 1 }, '401 claims'],
    [{ sub: ['alice'] }, '401 claims'],
    [{ sub: null }, '401 claims'],
    [{ jti: 1 }, '401 claims'],
  ])('%j: %s', async (claims, outcome) => {
    expect(await tell(jwt, hs({ ...CLAIMS, ...claims }))).toBe(outcome);
  });

  it('are not looked at where any will do, or nothing is said beside a secret', async () => {
    for (const options of [
      { issuer: 'any', audience: 'any' },
      { issuer: undefined, audience: undefined },
    ]) {
      const lax = provider(hsConfig(options));
      expect(await tell(lax, hs({ ...CLAIMS, iss: 'x', aud: undefined }))).toBe('user alice');
      expect(await tell(lax, hs({ ...CLAIMS, iss: 1 }))).toBe('401 claims');
    }
  });

  it('may be one of several', async () => {
    const several = provider(hsConfig({ issuer: ['a', 'b'], audience: ['c', 'd'] }));
    expect(await tell(several, hs({ ...CLAIMS, iss: 'b', aud: 'c' }))).toBe('user alice');
    expect(await tell(several, hs({ ...CLAIMS, iss: 'c', aud: 'c' }))).toBe('401 issuer');
  });
});

describe('who calls', () => {
  const identity = (claims: object, mapping: object = {}) =>
    provider(hsConfig({ claims: mapping })).authenticate(bearer(hs({ ...CLAIMS, ...claims }))) as Identity;

  it('is read from lists and from texts', () => {
    expect(identity({ roles: ['a', 'b'], scope: 'x  y ' })).toMatchObject({
      roles: ['a', 'b'],
      scopes: ['x', 'y'],
    });
    expect(identity({ roles: 'a b', scope: ['x', 'y'] })).toMatchObject({
      roles: ['a', 'b'],
      scopes: ['x', 'y'],
    });
    expect(identity({})).toMatchObject({ roles: [], scopes: [], consumer: '', plan: '' });
  });

  it('is read from the claims that the configuration names', () => {
    const mapping = { user: 'uid', roles: 'realm.roles', scopes: 'scp', consumer: 'azp', plan: 'a.b' };
    const claims = {
      uid: 42,
      realm: { roles: ['r'] },
      scp: 's',
      azp: 'shop',
      'a.b': 'gold',
      a: { b: 'lead' },
    };
    expect(identity(claims, mapping)).toMatchObject({
      user: '42',
      roles: ['r'],
      scopes: ['s'],
      consumer: 'shop',
      plan: 'gold',
    });
  });

  it('is nobody when claims have types that say nothing', () => {
    const claims = { sub: undefined, roles: { admin: true }, scope: 1, plan: ['gold'] };
    expect(identity(claims, { plan: 'plan' })).toMatchObject({ user: '', roles: [], scopes: [], plan: '' });
    expect(identity({ roles: ['a', 1, null, '', ['b']] }).roles).toEqual(['a']);
  });
});
