import { expect, test } from 'vitest';
import { eventually } from '../../harness/eventually.ts';
import { HOUR, MINUTE, ORIGIN, openSite, SECOND, type Site } from './site.ts';

const index = (site: Site) => [...site.store.list('user-session')].map(([id]) => id);

test('logs out: the session is gone, its tokens are revoked, and the browser goes to the issuer', async () => {
  const site = await openSite({ login: { afterLogout: '/bye' } });
  const jar = new Map();
  const { sid } = await site.login({ jar });
  const idToken = site.session(sid)?.idToken;
  const { location } = await site.oidc.logout({ provider: 'web', sid, origin: ORIGIN });
  expect(new URL(location).searchParams.get('id_token_hint')).toBe(idToken);
  expect(site.sessions()).toEqual([]);
  expect(index(site)).toEqual([]);
  expect((await site.issuer.visit(location, jar)).href).toBe(`${ORIGIN}/bye`);
  await eventually(() => site.issuer.hitsOf('/token/revocation') === 2);
  expect(site.audit.at(-1)).toEqual({ event: 'session.logout', provider: 'web', user: 'alice' });
});

test('logs out with an id that was just replaced', async () => {
  const site = await openSite();
  const { sid } = await site.login();
  await site.refresh(sid, true);
  await site.oidc.logout({ provider: 'web', sid, origin: ORIGIN });
  expect(site.sessions()).toEqual([]);
});

test('logs out where the issuer knows no logout, and where it is down', async () => {
  const site = await openSite({ issuer: { logout: false }, login: { afterLogout: '/bye' } });
  const sids = [(await site.login()).sid, (await site.login()).sid];
  expect((await site.oidc.logout({ provider: 'web', sid: sids[0], origin: ORIGIN })).location).toBe('/bye');
  await site.issuer.down();
  site.clock += HOUR / 4;
  expect((await site.oidc.logout({ provider: 'web', sid: sids[1], origin: ORIGIN })).location).toBe('/bye');
  expect(site.sessions()).toEqual([]);
});

test('logs out who is not logged in', async () => {
  const site = await openSite({ login: { afterLogout: '/bye' } });
  expect(await site.oidc.logout({ provider: 'web', sid: 'x', origin: ORIGIN })).toEqual({ location: '/bye' });
});

test('does not say that a session has ended which could not be removed', async () => {
  const site = await openSite();
  const { sid } = await site.login();
  site.store.full = true;
  await expect(site.oidc.logout({ provider: 'web', sid, origin: ORIGIN })).rejects.toThrow('disk is full');
});

test('ends all sessions of a user, and of nobody else', async () => {
  const site = await openSite();
  const mine = [await site.login(), await site.login()];
  await site.refresh(mine[0].sid, true);
  for (const user of ['alice:x', 'alic', 'bob']) {
    site.issuer.user = user;
    await site.login();
  }
  expect(await site.oidc.revokeUser('web', 'alice')).toBe(2);
  const left = [...site.store.list<{ user: string }>('session')].map(([, { user }]) => user);
  expect(left.sort()).toEqual(['alic', 'alice:x', 'bob']);
  expect(index(site)).toHaveLength(3);
  expect(await site.oidc.revokeUser('web', 'alice')).toBe(0);
  expect(await site.oidc.revokeUser('other', 'bob')).toBe(0);
});

test('moves the end of a session that is used, at most once a minute, and never beyond the absolute one', async () => {
  const site = await openSite({ session: { idle: '30m', absolute: '1h' } });
  const { sid } = await site.login();
  const [id] = site.sessions();
  const end = site.clock + HOUR;
  site.clock += MINUTE - 1;
  await seen(site, id);
  expect(site.session(sid)?.lastSeenAt).toBe(site.clock - MINUTE + 1);
  site.clock += 1;
  await seen(site, id);
  expect(site.session(sid)).toMatchObject({ lastSeenAt: site.clock, idleUntil: site.clock + 30 * MINUTE });
  site.clock += 29 * MINUTE;
  await seen(site, id);
  site.clock += 29 * MINUTE;
  await seen(site, id);
  expect(site.session(sid)).toMatchObject({ lastSeenAt: site.clock, idleUntil: end, absoluteUntil: end });
});

test('notes uses often enough for sessions that may rest for seconds only', async () => {
  const site = await openSite({ session: { idle: '8s' } });
  const { sid } = await site.login();
  for (let i = 0; i < 5; i++) {
    site.clock += 3 * SECOND;
    await seen(site, site.sessions()[0]);
  }
  expect((await site.refresh(sid)).result).toBe('ok');
});

test('does not wake a session that has expired, was replaced or was removed', async () => {
  const site = await openSite();
  const { sid } = await site.login();
  const [id] = site.sessions();
  await site.refresh(sid, true);
  site.clock += 2 * MINUTE;
  await seen(site, id, 'gone');
  expect(site.session(sid)?.lastSeenAt).toBe(site.clock - 2 * MINUTE);
  site.clock += HOUR;
  const before = [...site.store.list('session')];
  await seen(site, ...site.sessions());
  expect([...site.store.list('session')]).toEqual(before);
});

test('sweeps what has ended, and keeps replaced ids to the last', async () => {
  const site = await openSite({ session: { idle: '30m', absolute: '2h' } });
  const { sid } = await site.login();
  const rotated = await site.refresh(sid, true);
  site.clock += 31 * MINUTE;
  const fresh = await site.login();
  await site.oidc.sweep();
  expect(site.session(sid)).toBeDefined();
  expect(site.session((rotated as { sid: string }).sid)).toBeUndefined();
  expect(site.session(fresh.sid)).toBeDefined();
  expect(index(site)).toHaveLength(2);
  site.clock += 2 * HOUR;
  await site.oidc.sweep();
  expect(site.sessions()).toEqual([]);
  expect(index(site)).toEqual([]);
});

test('sweeps many without keeping others waiting', async () => {
  const site = await openSite();
  const { sid } = await site.login();
  const session = site.session(sid)!;
  const ended = { ...session, idleUntil: site.clock };
  for (let i = 0; i < 700; i++) {
    await site.store.put('session', `a${i}`, i % 2 === 0 ? ended : session);
    await site.store.put('user-session', `web:alice:a${i}`, { at: site.clock });
  }
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  await site.oidc.sweep();
  clearInterval(timer);
  expect(site.sessions()).toHaveLength(351);
  expect(index(site)).toHaveLength(351);
  expect(turns).toBeGreaterThan(10);
});

test('sweeps entries of the index whose session was never written', async () => {
  const site = await openSite();
  await site.store.put('user-session', 'web:alice:gone', { at: site.clock });
  await site.oidc.sweep();
  expect(index(site)).toHaveLength(1);
  site.clock += MINUTE + 1;
  await site.oidc.sweep();
  expect(index(site)).toEqual([]);
});

test('finds sessions, each for its own provider', async () => {
  const site = await openSite();
  const { sid } = await site.login();
  expect(await site.oidc.findSession({ provider: 'web', sid })).toEqual({ found: true });
  expect(await site.oidc.findSession({ provider: 'other', sid })).toEqual({ found: false });
  expect(await site.oidc.findSession({ provider: 'web', sid: 'x' })).toEqual({ found: false });
});

/** Resolves when the notes are in the store. */
async function seen(site: Site, ...ids: string[]): Promise<void> {
  site.oidc.seen(ids);
  await new Promise((resolve) => setImmediate(resolve));
}
