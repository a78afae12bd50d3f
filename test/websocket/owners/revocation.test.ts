/** Open sockets of those who may no longer: closed within a second, on every worker, and nobody else's. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { HS256, sluice, tokenOf } from '../../access/premises.ts';
import { eventually } from '../../harness/eventually.ts';
import type { RunningGateway } from '../../harness/gateway.ts';
import { openSocket } from '../../harness/sockets.ts';
import { answers, bearer, guarded, opened, openMany, post } from './guarded.ts';

const { start } = guarded();
const TWO = { workers: 2 };
/** Whole seconds count: what is issued in the second of a revocation is dead with it. */
const longAgo = () => Math.floor(Date.now() / 1000) - 60;

async function keyOf(gateway: RunningGateway) {
  const { status, body } = await post(gateway, '/keys', { consumer: 'acme' });
  expect(status).toBe(201);
  return body as { id: string; key: string };
}

/** A key is known to the workers a moment after it was made. */
async function openWithKey(gateway: RunningGateway, path: string, key: string) {
  return await eventually(() => opened(`${gateway.url}${path}`, { 'x-api-key': key }).catch(() => undefined));
}

describe('a user who is revoked', () => {
  it('loses 500 open sockets on two workers within a second, and no other user one', {
    retry: 2,
  }, async () => {
    const gateway = await start({ game: { auth: 'players' } }, TWO);
    const token = (sub: string, i: number) => tokenOf({ sub, jti: `${sub}${i}`, iat: longAgo() });
    const banned = await openMany(500, `${gateway.url}/game`, (i) => bearer(token('mallory', i)));
    const others = await openMany(50, `${gateway.url}/game`, (i) => bearer(token(`user${i}`, i)));
    const workers = new Set<number>();
    for (let after = ''; ; ) {
      const { body } = await gateway.ask(`/sockets?user=mallory&limit=1000${after}`);
      for (const { worker } of body.sockets) workers.add(worker);
      if (body.next === null) break;
      after = `&after=${body.next}`;
    }
    expect(workers).toEqual(new Set([1, 2]));
    let lastAt = 0;
    for (const { ended } of banned) {
      void ended.then(() => {
        lastAt = performance.now();
      });
    }
    const revokedAt = performance.now();
    expect((await post(gateway, '/revocations', { user: 'mallory', provider: 'players' })).status).toBe(201);
    const ends = await Promise.all(banned.map(({ ended }) => ended));
    expect(lastAt - revokedAt).toBeLessThan(1000);
    expect(new Set(ends.map(({ code }) => code))).toEqual(new Set([4403]));
    await Promise.all(others.map((client) => answers(client)));
    expect((await gateway.ask('/sockets?user=mallory')).body.sockets).toEqual([]);
  });

  it('loses them by the command line, too', async () => {
    const gateway = await start({ game: { auth: 'players' } }, TWO);
    const clients = await openMany(6, `${gateway.url}/game`, () => bearer(tokenOf({ iat: longAgo() })));
    expect(
      (await sluice('revoke', '--user', 'alice', '--provider', 'players', '-c', gateway.file)).code,
    ).toBe(0);
    for (const { ended } of clients) expect((await ended).code).toBe(4403);
  });
});

describe('a token that is revoked', () => {
  it('takes its sockets with it, and leaves those that the user has opened with another', async () => {
    const gateway = await start({ game: { auth: 'players' } }, TWO);
    const [one, other] = await Promise.all(
      ['1', '2'].map((jti) => opened(`${gateway.url}/game`, bearer(tokenOf({ jti, iat: longAgo() })))),
    );
    await post(gateway, '/revocations', { tokenId: '1', provider: 'players' });
    expect(await one?.ended).toEqual({ code: 4403, reason: 'the credentials were revoked' });
    await answers(other as NonNullable<typeof other>);
  });
});

describe('a token that came in the query, a subprotocol or a cookie', () => {
  it('is looked at again where it was, also after a new one was shown', async () => {
    const provider = { ...HS256, cookie: 'token', websocket: { query: 'token', subprotocol: 'bearer.' } };
    const gateway = await start(
      { game: { auth: 'players', websocket: { refresh: true, origins: ['https://a.example'] } } },
      { auth: { providers: { players: provider, others: HS256 } } },
    );
    const revoke = (tokenId: string, provider: string) =>
      post(gateway, '/revocations', { tokenId, provider });
    const token = (jti: string) => tokenOf({ jti, iat: longAgo() });
    const url = `${gateway.url}/game`;
    const clients = {
      query: await opened(`${url}?token=${token('query')}`),
      cookie: await opened(url, { cookie: `token=${token('cookie')}` }),
      protocol: openSocket(url, [`bearer.${token('protocol')}`, 'chat']),
    };
    await clients.protocol.opened;
    for (const [jti, client] of Object.entries(clients)) {
      // Whatever is said of this id has the socket looked at.
      await revoke(jti, 'others');
      await sleep(300);
      await answers(client);
      client.socket.send(JSON.stringify({ op: 'auth', token: token(`${jti}-2`) }));
      expect(JSON.parse((await client.next()) as string)).toMatchObject({ ok: true });
      await revoke(jti, 'players');
      await revoke(`${jti}-2`, 'others');
      await sleep(300);
      await answers(client);
      await revoke(`${jti}-2`, 'players');
      expect((await client.ended).code).toBe(4403);
    }
  });
});

describe('an API key', () => {
  it('that is revoked takes its sockets with it; another one of the consumer does not', async () => {
    const gateway = await start({ game: { auth: 'partners' } }, TWO);
    const [first, second] = [await keyOf(gateway), await keyOf(gateway)];
    const client = await openWithKey(gateway, '/game', first.key);
    const other = await openWithKey(gateway, '/game', second.key);
    expect((await gateway.ask(`/keys/${first.id}`, { method: 'DELETE' })).status).toBe(200);
    expect((await client.ended).code).toBe(4403);
    await answers(other);
  });

  it('of a consumer that is disabled takes its sockets with it', async () => {
    const gateway = await start({ game: { auth: 'partners' } }, TWO);
    const { key } = await keyOf(gateway);
    const client = await openWithKey(gateway, '/game', key);
    expect((await post(gateway, '/consumers/acme', { enabled: false }, 'PUT')).status).toBe(200);
    expect((await client.ended).code).toBe(4403);
  });

  it('whose consumer loses a role keeps the sockets for which it has enough, and loses the others', async () => {
    const routes = {
      read: { auth: { anyOf: ['partners'], permissions: ['orders:read'] } },
      write: { auth: { anyOf: ['partners'], permissions: ['orders:write'] } },
    };
    const gateway = await start(routes, TWO);
    expect((await post(gateway, '/consumers', { name: 'acme', roles: ['trader'] })).status).toBe(201);
    const { key } = await keyOf(gateway);
    const reader = await openWithKey(gateway, '/read', key);
    const writer = await openWithKey(gateway, '/write', key);
    expect((await post(gateway, '/consumers/acme', { roles: ['viewer'] }, 'PUT')).status).toBe(200);
    expect(await writer.ended).toEqual({ code: 4403, reason: 'the caller may not be here any more' });
    await answers(reader);
    // What is known of the socket has changed with it.
    await eventually(async () => (await gateway.ask('/sockets?role=viewer')).body.sockets.length === 1);
    expect((await gateway.ask('/sockets?role=trader')).body.sockets).toEqual([]);
  });
});
