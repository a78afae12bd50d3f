/** Clients of channels belong to somebody: found, sent away, and known by new credentials like other sockets. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HS256, tokenOf } from '../access/premises.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { openChannels, openEvents, post, publish } from './channel-client.ts';

let gateway: RunningGateway;
const seconds = () => Math.floor(Date.now() / 1000);
const as = (sub: string, roles: string[] = [], more: object = {}) => ({
  headers: { authorization: `Bearer ${tokenOf({ sub, roles, iat: seconds() - 60, ...more })}` },
});

beforeAll(async () => {
  gateway = await startGateway({
    workers: 2,
    data: './data',
    auth: { providers: { players: { ...HS256, skew: '0s' } } },
    routes: [
      {
        name: 'feed',
        match: { path: '/feed' },
        websocket: true,
        auth: 'players',
        channels: { allow: ['news.*', { match: 'admin.*', roles: ['admin'] }] },
      },
    ],
  });
});

afterAll(async () => {
  await gateway?.end();
});

it('are listed and closed through the admin API, sockets and streams', async () => {
  const socket = await openChannels(gateway, '/feed', as('ann'));
  const stream = await openEvents(gateway, 'channel=news.a', as('ann').headers);
  await socket.subscribe('news.a');
  await publish(gateway, 'news.a', 1);
  await socket.until(({ data }) => data === 1);
  const { body } = await gateway.ask('/sockets?user=ann');
  expect(
    body.sockets.map(({ kind, route }: { kind: string; route: string }) => `${kind} ${route}`).sort(),
  ).toEqual(['channels feed', 'events feed']);
  const listed = body.sockets.find(({ kind }: { kind: string }) => kind === 'channels');
  expect(listed).toMatchObject({ messagesIn: 1, messagesOut: 1 });
  for (const { id } of body.sockets) await gateway.ask(`/sockets/${id}?code=4000`, { method: 'DELETE' });
  expect(await socket.client.ended).toMatchObject({ code: 4000 });
  await expect.poll(() => stream.events.at(-1)).toMatchObject({ event: 'end', data: { code: 4000 } });
  await expect.poll(() => stream.ended).toBe(true);
});

it('go when their user is revoked, within a second', async () => {
  const clients = await Promise.all(
    Array.from({ length: 10 }, () => openChannels(gateway, '/feed', as('mallory'))),
  );
  const stream = await openEvents(gateway, 'channel=news.a', as('mallory').headers);
  const other = await openChannels(gateway, '/feed', as('bob'));
  const revokedAt = performance.now();
  expect((await post(gateway, '/revocations', { user: 'mallory', provider: 'players' })).status).toBe(201);
  for (const { client } of clients) expect((await client.ended).code).toBe(4403);
  await expect.poll(() => stream.events.at(-1)).toMatchObject({ event: 'end', data: { code: 4403 } });
  expect(performance.now() - revokedAt).toBeLessThan(1000);
  expect(await other.ask({ op: 'ping' })).toMatchObject({ op: 'pong' });
});

it('live on with new credentials, and lose what these do not give', async () => {
  const client = await openChannels(gateway, '/feed', as('carol', ['admin'], { exp: seconds() + 3 }));
  expect(await client.subscribe('admin.x')).toMatchObject({ op: 'subscribed' });
  await client.subscribe('news.c');
  const exp = seconds() + 300;
  expect(await client.ask({ op: 'auth', token: tokenOf({ sub: 'carol', roles: [], exp }) })).toMatchObject({
    op: 'auth',
    ok: true,
    expiresAt: new Date(exp * 1000).toISOString(),
  });
  await client.until(({ op }) => op === 'unsubscribed');
  expect(client.told).toContainEqual({ op: 'unsubscribed', channel: 'admin.x', reason: 'CHANNEL_FORBIDDEN' });
  await publish(gateway, 'admin.x', 'secret');
  await publish(gateway, 'news.c', 'public');
  await client.until(({ data }) => data === 'public');
  expect(client.data('admin.x')).toEqual([]);
  expect(await client.ask({ op: 'auth', token: 7 })).toMatchObject({ ok: false, code: 'AUTH_MALFORMED' });
  client.send({ op: 'auth', token: tokenOf({ sub: 'dave', exp }) });
  expect((await client.client.ended).code).toBe(4403);
});
