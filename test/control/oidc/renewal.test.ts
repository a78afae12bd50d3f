import { expect, test } from 'vitest';
import { sessionId } from '../../../src/services/sessions/session-record.ts';
import { eventually } from '../../harness/eventually.ts';
import { HOUR, MINUTE, openSite, SECOND, type Site } from './site.ts';

const TOKEN = '/token';

/** A site with one person logged in a minute ago. */
async function openLoggedIn(): Promise<{ site: Site; sid: string }> {
  const site = await openSite();
  const { sid } = await site.login();
  site.clock += MINUTE;
  site.issuer.hits.clear();
  site.audit.length = 0;
  return { site, sid };
}

test('renews the tokens of a session, once for all who ask', async () => {
  const { site, sid } = await openLoggedIn();
  const before = site.session(sid);
  const answers = await Promise.all(Array.from({ length: 500 }, () => site.refresh(sid)));
  expect(site.issuer.hitsOf(TOKEN)).toBe(1);
  const { accessToken, refreshToken } = site.session(sid) ?? {};
  expect(accessToken).not.toBe(before?.accessToken);
  expect(refreshToken).not.toBe(before?.refreshToken);
  expect(site.session(sid)).toMatchObject({
    accessExpiresAt: site.clock + HOUR,
    tokensAt: site.clock,
    idleUntil: site.clock + 30 * MINUTE,
    absoluteUntil: before?.absoluteUntil,
    issuedAt: before?.issuedAt,
  });
  const { idleUntil, absoluteUntil } = site.session(sid)!;
  for (const answer of answers) expect(answer).toEqual({ result: 'ok', sid, idleUntil, absoluteUntil });
});

test('renews again and again: each refresh token is used once', async () => {
  const { site, sid } = await openLoggedIn();
  for (let i = 1; i <= 4; i++) {
    expect((await site.refresh(sid)).result).toBe('ok');
    expect(site.issuer.hitsOf(TOKEN)).toBe(i);
    site.clock += HOUR / 4;
  }
});

test('does not renew tokens that have just come', async () => {
  const { site, sid } = await openLoggedIn();
  await site.refresh(sid);
  site.clock += 4 * SECOND;
  expect((await site.refresh(sid)).result).toBe('ok');
  expect(site.issuer.hitsOf(TOKEN)).toBe(1);
});

test('takes over what the new ID token says', async () => {
  const { site, sid } = await openLoggedIn();
  site.issuer.claims.set('alice', { roles: ['admin'] });
  await site.refresh(sid);
  expect(site.session(sid)?.claims).toMatchObject({ sub: 'alice', roles: ['admin'], scope: 'openid' });
});

test('renews once for two machines', async () => {
  const { site, sid } = await openLoggedIn();
  const other = await openSite({ beside: site });
  site.issuer.faults.set(TOKEN, { delayMs: 50 });
  const answers = await Promise.all([
    site.refresh(sid),
    other.refresh(sid),
    site.refresh(sid),
    other.refresh(sid),
  ]);
  expect(answers.map(({ result }) => result)).toEqual(['ok', 'ok', 'ok', 'ok']);
  expect(site.issuer.hitsOf(TOKEN)).toBe(1);
});

test('gives the session another id when asked to, once for all who ask', async () => {
  const { site, sid } = await openLoggedIn();
  const answers = await Promise.all(Array.from({ length: 50 }, () => site.refresh(sid, true)));
  const next = sidOf(answers[0]);
  expect(next).not.toBe(sid);
  for (const answer of answers) expect(answer).toEqual(answers[0]);
  expect(site.session(next)).toMatchObject({ user: 'alice', family: site.session(sid)?.family });
  expect(site.session(sid)).toMatchObject({
    replacedBy: sessionId(next),
    replacedAt: site.clock,
    refreshToken: null,
  });
  expect(site.sessions()).toHaveLength(2);
});

test('gives the session one new id when two machines are asked', async () => {
  const { site, sid } = await openLoggedIn();
  const other = await openSite({ beside: site });
  const answers = await Promise.all([site.refresh(sid, true), other.refresh(sid, true)]);
  expect(sidOf(answers[0])).toBe(sidOf(answers[1]));
  expect(site.sessions()).toHaveLength(2);
});

test('turns over an id while plain renewals are under way', async () => {
  const { site, sid } = await openLoggedIn();
  const [plain, rotated] = await Promise.all([site.refresh(sid), site.refresh(sid, true)]);
  expect(sidOf(plain)).toBe(sid);
  expect(sidOf(rotated)).not.toBe(sid);
  expect(site.issuer.hitsOf(TOKEN)).toBe(1);
});

test('leads from a replaced id to the new one for ten seconds, and makes no third', async () => {
  const { site, sid } = await openLoggedIn();
  const next = sidOf(await site.refresh(sid, true));
  site.clock += 10 * SECOND - 1;
  expect(sidOf(await site.refresh(sid, true))).toBe(next);
  expect(sidOf(await site.refresh(sid))).toBe(next);
  const third = sidOf(await site.refresh(next, true));
  expect(sidOf(await site.refresh(sid, true))).toBe(third);
});

test('ends all sessions of a login when an id is used long after it was replaced', async () => {
  const { site, sid } = await openLoggedIn();
  const stranger = await site.login();
  site.audit.length = 0;
  const second = sidOf(await site.refresh(sid, true));
  site.clock += 11 * SECOND;
  const third = sidOf(await site.refresh(second, true));
  expect(await site.refresh(sid)).toMatchObject({ result: 'ended' });
  for (const each of [sid, second, third]) expect(site.session(each)).toBeUndefined();
  expect(site.audit).toEqual([{ event: 'session.reuse', provider: 'web', user: 'alice', ended: 1 }]);
  expect(site.session(stranger.sid)).toBeDefined();
  expect((await site.refresh(third)).result).toBe('ended');
});

test('keeps the value of the new cookie from those who read the store', async () => {
  const { site, sid } = await openLoggedIn();
  const next = sidOf(await site.refresh(sid, true));
  expect(JSON.stringify([...site.store.list('session'), ...site.store.list('user-session')])).not.toContain(
    next,
  );
});

test('ends the session when the issuer says that it is over', async () => {
  const { site, sid } = await openLoggedIn();
  site.issuer.forget();
  expect(await site.refresh(sid)).toEqual({
    result: 'ended',
    why: 'the identity provider says invalid_grant',
  });
  expect(site.sessions()).toEqual([]);
  expect(site.audit).toMatchObject([{ event: 'session.ended', provider: 'web', user: 'alice' }]);
});

test.each([
  ['does not answer', { cut: true }],
  ['is out of order', { status: 500 }],
  ['has something else to say', { status: 400, body: '{"error":"invalid_scope"}' }],
  ['does not know the client', { status: 401, body: '{"error":"invalid_client"}' }],
  ['sends no token', { body: '{"token_type":"bearer"}' }],
])('keeps the session when the issuer %s', async (_, fault) => {
  const { site, sid } = await openLoggedIn();
  site.issuer.faults.set(TOKEN, fault);
  expect((await site.refresh(sid, true)).result).toBe('unavailable');
  expect(site.session(sid)?.replacedAt).toBeUndefined();
  site.issuer.faults.clear();
  site.clock += SECOND;
  expect((await site.refresh(sid)).result).toBe('ok');
});

test('does not ask an issuer that is down for every session', async () => {
  const { site, sid } = await openLoggedIn();
  const other = await site.login();
  site.clock += MINUTE;
  site.issuer.hits.clear();
  site.issuer.faults.set(TOKEN, { cut: true });
  for (const each of [sid, other.sid, sid]) expect((await site.refresh(each)).result).toBe('unavailable');
  expect(site.issuer.hitsOf(TOKEN)).toBe(1);
  expect(site.log).toHaveLength(1);
});

test('ends the session when the new ID token is of somebody else', async () => {
  const { site, sid } = await openLoggedIn();
  const idToken = site.issuer.mint({ sub: 'mallory', aud: 'sluice' });
  const body = JSON.stringify({ access_token: 'a', token_type: 'bearer', id_token: idToken });
  site.issuer.faults.set(TOKEN, { body });
  expect((await site.refresh(sid)).result).toBe('ended');
  expect(site.sessions()).toEqual([]);
});

test.each([false, true])(
  'a session that ends while it is renewed stays ended (rotate: %s)',
  async (rotate) => {
    const { site, sid } = await openLoggedIn();
    site.issuer.faults.set(TOKEN, { delayMs: 50 });
    const renewing = site.refresh(sid, rotate);
    await eventually(() => site.issuer.hitsOf(TOKEN) === 1);
    expect(await site.oidc.revokeUser('web', 'alice')).toBe(1);
    expect((await renewing).result).toBe('ended');
    expect(site.sessions()).toEqual([]);
    await eventually(() => site.issuer.hitsOf('/token/revocation') > 0);
  },
);

test('does not lose tokens that came while the store could not be written', async () => {
  const { site, sid } = await openLoggedIn();
  site.issuer.faults.set(TOKEN, { delayMs: 50 });
  const renewing = site.refresh(sid);
  await eventually(() => site.issuer.hitsOf(TOKEN) === 1);
  site.store.full = true;
  expect(await renewing).toEqual({ result: 'unavailable', why: 'the disk is full' });
  site.store.full = false;
  expect((await site.refresh(sid)).result).toBe('ok');
  expect(site.issuer.hitsOf(TOKEN)).toBe(1);
  site.clock += MINUTE;
  expect((await site.refresh(sid)).result).toBe('ok');
});

test('without a refresh token only the id is new', async () => {
  const { site, sid } = await openLoggedIn();
  await site.store.put('session', sessionId(sid), { ...site.session(sid), refreshToken: null });
  const next = await site.refresh(sid, true);
  expect(next.result).toBe('ok');
  expect(sidOf(next)).not.toBe(sid);
  expect(site.issuer.hitsOf(TOKEN)).toBe(0);
});

test.each([
  ['was not used for long', 30 * MINUTE],
  ['is old', 12 * HOUR],
])('refuses a session that %s', async (_, laterMs) => {
  const { site, sid } = await openLoggedIn();
  site.clock += laterMs;
  expect(await site.refresh(sid)).toEqual({ result: 'ended', why: 'the session has expired' });
  expect(site.sessions()).toEqual([]);
  expect(site.issuer.hitsOf(TOKEN)).toBe(0);
});

test('refuses ids it does not know, and those of another provider', async () => {
  const { site, sid } = await openLoggedIn();
  expect((await site.refresh('x')).result).toBe('ended');
  expect((await site.oidc.refreshSession({ provider: 'other', sid, rotate: true })).result).toBe('ended');
  expect(site.session(sid)).toBeDefined();
});

function sidOf(answer: { sid?: string } | { result: string }): string {
  return (answer as { sid?: string }).sid ?? '';
}
