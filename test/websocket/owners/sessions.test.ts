/** Sockets of people who are logged in with a browser, and of callers that another machine revokes. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Browser, openSite } from '../../access/browser.ts';
import { tokenOf } from '../../access/premises.ts';
import { eventually } from '../../harness/eventually.ts';
import { startRedis } from '../../harness/redis.ts';
import { echo, startSocketService } from '../../harness/sockets.ts';
import { answers, bearer, guarded, opened, post } from './guarded.ts';

const house = guarded();
const longAgo = () => Math.floor(Date.now() / 1000) - 60;

async function siteWithSockets(session: Record<string, unknown> = {}) {
  const service = await startSocketService(echo);
  onTestFinished(() => service.close());
  const orders = { endpoints: [service.url] };
  const ws = { name: 'ws', match: { path: '/ws' }, service: 'orders', auth: 'web', websocket: true };
  return await openSite({ config: { services: { orders }, workers: 2 }, routes: [ws], session });
}

/** The session is known to every worker a moment after the login. */
async function openAs({ cookies, url }: Browser) {
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  return await eventually(() => opened(`${url}/ws`, { cookie }).catch(() => undefined));
}

describe('a socket of a session', () => {
  it('stays when the session gets another id, and goes with the logout', async () => {
    const { browser, premises } = await siteWithSockets();
    const alice = browser();
    const bob = browser();
    for (const one of [alice, bob]) await one.login();
    const socket = await openAs(alice);
    const other = await openAs(bob);
    expect((await alice.post('/auth/refresh')).status).toBe(200);
    // The new id is known to its worker when sockets of it open there.
    await openAs(alice);
    await answers(socket);
    expect((await premises.gateway.ask('/sockets')).body.sockets).toHaveLength(3);
    expect((await alice.post('/auth/logout')).status).toBeLessThan(400);
    expect((await socket.ended).code).toBe(4403);
    await answers(other);
  });

  it('goes with all sessions of its user', async () => {
    const { browser, premises } = await siteWithSockets();
    const alice = browser();
    await alice.login();
    const socket = await openAs(alice);
    const [{ user }] = (await premises.gateway.ask('/sockets')).body.sockets;
    await premises.change('POST', '/revocations', { user, provider: 'web' });
    expect((await socket.ended).code).toBe(4403);
  });

  it('lives as long as the session is used elsewhere, and ends with its rest', async () => {
    const { browser } = await siteWithSockets({ idle: '4s' });
    const alice = browser();
    await alice.login();
    const socket = await openAs(alice);
    const openedAt = performance.now();
    let lastUse = openedAt;
    while (lastUse - openedAt < 5000) {
      expect((await alice.call('/auth/session')).status).toBe(200);
      lastUse = performance.now();
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    await answers(socket);
    expect((await socket.ended).code).toBe(4401);
    expect(performance.now() - lastUse).toBeGreaterThan(2000);
  }, 20_000);
});

describe('a user who is revoked on one machine', () => {
  it('loses sockets on the other within a second', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const open = () => house.start({ game: { auth: 'players' } }, { redis: redis.url });
    const here = await open();
    const there = await open();
    const banned = await opened(`${there.url}/game`, bearer(tokenOf({ sub: 'mallory', iat: longAgo() })));
    const other = await opened(`${there.url}/game`, bearer(tokenOf({ sub: 'ann', iat: longAgo() })));
    const revokedAt = performance.now();
    expect((await post(here, '/revocations', { user: 'mallory', provider: 'players' })).status).toBe(201);
    expect((await banned.ended).code).toBe(4403);
    expect(performance.now() - revokedAt).toBeLessThan(1000);
    await answers(other);
  });
});
