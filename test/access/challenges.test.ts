/** What callers learn who are not let in: `WWW-Authenticate` (RFC 6750 §3, RFC 9110 §11.6.1) and the document. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startIssuer } from '../harness/issuer.ts';
import { CLIENT } from '../harness/issuer-provider.ts';
import { guarded, HS256, openPremises, type Premises, tokenOf } from './premises.ts';

let premises: Premises;
let close: () => Promise<void>;

beforeAll(async () => {
  const issuer = await startIssuer();
  close = () => issuer.close();
  premises = await openPremises({
    auth: {
      providers: {
        ours: HS256,
        tokens: { type: 'introspection', url: issuer.introspectionUrl, ...CLIENT },
        partners: { type: 'apiKey', header: 'X-Partner-Key' },
        web: { type: 'session', login: { issuer: issuer.url, ...CLIENT } },
      },
    },
    routes: [
      ...['callback', 'refresh', 'session'].map((action) => ({
        name: action,
        match: { path: `/auth/${action}` },
        builtin: action,
      })),
      guarded('/bearer', 'ours'),
      guarded('/opaque', 'tokens'),
      guarded('/key', 'partners'),
      guarded('/cookie', 'web'),
      guarded('/many', ['ours', 'tokens', 'partners', 'web']),
      guarded('/needs', { anyOf: ['ours'], roles: ['admin'] }),
      guarded('/scoped', { anyOf: ['ours'], scopes: ['read', 'write'] }),
      guarded('/permitted', { anyOf: ['ours'], permissions: ['orders:write'] }),
    ],
  });
});

afterAll(async () => {
  await premises.close();
  await close();
});

const BEARER = 'Bearer realm="sluice"';
const KEY = 'ApiKey realm="sluice", header="x-partner-key"';
const COOKIE = 'Cookie realm="sluice", cookie-name="__Host-sid"';

it.each([
  ['/bearer', BEARER],
  ['/opaque', BEARER],
  ['/key', KEY],
  ['/cookie', COOKIE],
  ['/many', `${BEARER}, ${KEY}, ${COOKIE}`],
])('names the ways in of %s, without an error when nothing was shown', async (path, challenge) => {
  expect(await premises.refusal(path)).toEqual({ status: 401, code: 'UNAUTHENTICATED', challenge });
});

it('says that a token is invalid', async () => {
  expect(await premises.refusal('/bearer', { token: 'bad' })).toEqual({
    status: 401,
    code: 'INVALID_TOKEN',
    challenge: `${BEARER}, error="invalid_token"`,
  });
});

it('says that a token has expired, which its owner can do something about', async () => {
  const answer = await premises.ask('/bearer', { token: tokenOf({ exp: 1 }) });
  expect(answer.headers['www-authenticate']).toBe(
    `${BEARER}, error="invalid_token", error_description="The access token expired"`,
  );
  expect(answer.json).toMatchObject({ code: 'INVALID_TOKEN', detail: 'The credentials have expired.' });
});

it('puts the error on the Bearer challenge, not on the others', async () => {
  const { challenge } = await premises.refusal('/many', { token: 'bad' });
  expect(challenge).toBe(`${BEARER}, error="invalid_token", ${KEY}, ${COOKIE}`);
});

it.each([
  ['INVALID_API_KEY', { 'x-partner-key': 'bad' }],
  ['INVALID_SESSION', { cookie: '__Host-sid=bad' }],
])('does not call a token invalid when there was none (RFC 6750 §3.1): %s', async (code, headers) => {
  const answer = await premises.refusal('/many', { headers });
  expect(answer).toMatchObject({ code, challenge: `${BEARER}, ${KEY}, ${COOKIE}` });
});

it('names missing scopes, as far as they are missing', async () => {
  expect(await premises.refusal('/scoped', { token: tokenOf({ scope: 'read' }) })).toEqual({
    status: 403,
    code: 'INSUFFICIENT_SCOPE',
    challenge: `${BEARER}, error="insufficient_scope", scope="write"`,
  });
});

it.each(['/needs', '/permitted'])('says insufficient_scope for roles and permissions: %s', async (path) => {
  const { status, challenge } = await premises.refusal(path, { token: tokenOf() });
  expect({ status, challenge }).toEqual({ status: 403, challenge: `${BEARER}, error="insufficient_scope"` });
});

it.each([
  ['POST', '/auth/refresh', {}, 'UNAUTHENTICATED', 'missing'],
  ['POST', '/auth/refresh', { cookie: '__Host-sid=bad' }, 'INVALID_SESSION', 'unknown'],
  ['GET', '/auth/session', {}, 'UNAUTHENTICATED', 'missing'],
  ['GET', '/auth/session', { cookie: '__Host-sid=bad' }, 'INVALID_SESSION', 'unknown'],
])('asks for a session at its own endpoints, too: %s %s %j', async (method, path, headers, code, reason) => {
  const answer = await premises.refusal(path, { method, headers });
  expect(answer).toEqual({ status: 401, code, challenge: COOKIE });
  expect((await premises.audited({ event: 'auth.refused', path, reason })).provider).toBe('web');
});

it('says nothing of credentials to a page of another site that wants to end a session', async () => {
  const headers = { origin: 'https://evil.example' };
  const answer = await premises.refusal('/auth/refresh', { method: 'POST', headers });
  expect(answer).toEqual({ status: 403, code: 'FORBIDDEN', challenge: undefined });
  expect((await premises.audited({ event: 'auth.refused', reason: 'foreign' })).path).toBe('/auth/refresh');
});

it('is a problem document with the id of the request', async () => {
  const { headers, json } = await premises.ask('/bearer');
  expect(headers['content-type']).toContain('application/problem+json');
  expect(json).toMatchObject({ type: 'urn:sluice:error:unauthenticated', status: 401, instance: '/bearer' });
  expect(json.request_id).toBe(headers['x-request-id']);
});

it('has no body for HEAD, and the challenge all the same', async () => {
  const { status, text, headers } = await premises.ask('/bearer', { method: 'HEAD' });
  expect({ status, text, challenge: headers['www-authenticate'] }).toEqual({
    status: 401,
    text: '',
    challenge: BEARER,
  });
});

it('turns away whoever sends a body, too', async () => {
  const body = 'x'.repeat(200_000);
  expect((await premises.refusal('/bearer', { method: 'POST', body })).status).toBe(401);
});

it('gives the same answer for all that can be wrong with a key', async () => {
  const texts = new Set<string>();
  for (const key of ['bad', 'sluice_live_aaaaaaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', '']) {
    const { json } = await premises.ask('/key', { headers: { 'x-partner-key': key } });
    const { request_id: _, ...rest } = json;
    texts.add(JSON.stringify(rest));
  }
  expect(texts.size).toBe(1);
});
