/** What operators see of open sockets, and how they close them. */
import { beforeAll, describe, expect, it } from 'vitest';
import { tokenOf } from '../../access/premises.ts';
import { eventually } from '../../harness/eventually.ts';
import { answers, bearer, guarded, opened, openMany } from './guarded.ts';

const { start } = guarded();
const AUTH = { auth: { anyOf: ['players', 'anonymous'] } };

const remove = { method: 'DELETE' };

describe('GET /sockets', () => {
  it('tells whose a socket is, and what has passed through it', async () => {
    const gateway = await start({ game: AUTH });
    const token = tokenOf({ sub: 'ann', roles: ['trader'] });
    const client = await opened(`${gateway.url}/game?secret=1`, bearer(token));
    await answers(client, 'hello');
    const { status, body } = await gateway.ask('/sockets');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      next: null,
      sockets: [
        {
          worker: 1,
          kind: 'proxy',
          route: 'game',
          service: 'game',
          client: '127.0.0.1',
          path: '/game',
          provider: 'players',
          user: 'ann',
          roles: ['trader'],
          messagesIn: 1,
          messagesOut: 1,
          bytesIn: 5,
          bytesOut: 5,
          waiting: 0,
        },
      ],
    });
    const [socket] = body.sockets;
    expect(Date.parse(socket.expiresAt)).toBeGreaterThan(Date.now());
    expect(Date.now() - Date.parse(socket.openedAt)).toBeLessThan(10_000);
    expect(JSON.stringify(body)).not.toContain('secret');
    expect((await gateway.ask(`/sockets/${socket.id}`)).body).toMatchObject({ id: socket.id, user: 'ann' });
    expect((await gateway.ask('/sockets/1-0000000000-1')).status).toBe(404);
    expect((await gateway.ask('/sockets/nonsense')).status).toBe(404);
    client.socket.close();
    await eventually(async () => (await gateway.ask('/sockets')).body.sockets.length === 0);
  });

  it('shows each socket once, page after page, over all workers', async () => {
    const gateway = await start({ game: AUTH }, { workers: 2 });
    await openMany(25, `${gateway.url}/game`, () => ({}));
    const ids: string[] = [];
    let pages = 0;
    for (let after = ''; pages < 10; ) {
      const { body } = await gateway.ask(`/sockets?limit=10${after}`);
      ids.push(...body.sockets.map(({ id }: { id: string }) => id));
      pages++;
      if (body.next === null) break;
      after = `&after=${body.next}`;
    }
    expect(new Set(ids).size).toBe(25);
    expect(ids).toHaveLength(25);
    expect(pages).toBe(3);
  });

  it('finds by user, role, route, address and worker', async () => {
    const gateway = await start({ game: AUTH, feed: AUTH });
    const open = (path: string, claims: Record<string, unknown>) =>
      opened(`${gateway.url}${path}`, bearer(tokenOf(claims)));
    await open('/game', { sub: 'ann', roles: ['trader'] });
    await open('/feed', { sub: 'ann' });
    await open('/feed', { sub: 'bob', roles: ['trader'] });
    await opened(`${gateway.url}/feed`);
    const found = async (query: string) =>
      (await gateway.ask(`/sockets?${query}`)).body.sockets.map(
        ({ user, route }: { user: string; route: string }) => `${user}@${route}`,
      );
    expect(await found('user=ann')).toEqual(['ann@game', 'ann@feed']);
    expect(await found('role=trader')).toEqual(['ann@game', 'bob@feed']);
    expect(await found('role=trader&route=feed')).toEqual(['bob@feed']);
    expect(await found('route=feed')).toEqual(['ann@feed', 'bob@feed', '@feed']);
    expect(await found('user=ann&provider=others')).toEqual([]);
    expect(await found('ip=127.0.0.1')).toHaveLength(4);
    expect(await found('ip=10.0.0.1')).toEqual([]);
    expect(await found('worker=1')).toHaveLength(4);
    expect(await found('worker=2')).toEqual([]);
  });
});

describe('DELETE /sockets', () => {
  it('closes one with the code and the reason given, and says so in the audit log', async () => {
    const gateway = await start({ game: AUTH }, { workers: 2 });
    const [client, other] = [await opened(`${gateway.url}/game`), await opened(`${gateway.url}/game`)];
    const { body } = await gateway.ask('/sockets');
    const ids: string[] = body.sockets.map(({ id }: { id: string }) => id);
    expect(await gateway.ask(`/sockets/${ids[0]}?code=4000&reason=bye`, remove)).toMatchObject({
      status: 200,
      body: { closed: 1, code: 4000 },
    });
    const [end] = await Promise.race([client, other].map(async ({ ended }) => [await ended]));
    expect(end).toEqual({ code: 4000, reason: 'bye' });
    await gateway.logged((line) => line.event === 'admin.socket.close' && line.socket === ids[0]);
    expect((await gateway.ask(`/sockets/${ids[0]}`, remove)).status).toBe(404);
    expect((await gateway.ask(`/sockets/${ids[1]}`)).status).toBe(200);
  });

  it('closes all of a user, on all workers, and nobody else', async () => {
    const gateway = await start({ game: AUTH }, { workers: 2 });
    const anns = await openMany(20, `${gateway.url}/game`, () => bearer(tokenOf({ sub: 'ann' })));
    const bob = await opened(`${gateway.url}/game`, bearer(tokenOf({ sub: 'bob' })));
    expect((await gateway.ask('/sockets?user=ann', remove)).body).toEqual({ closed: 20, code: 1008 });
    for (const { ended } of anns)
      expect(await ended).toEqual({ code: 1008, reason: 'closed by an operator' });
    await answers(bob);
  });
});

describe('what makes no sense', () => {
  let gateway: Awaited<ReturnType<typeof start>>;
  beforeAll(async () => {
    gateway = await start({ game: AUTH });
    return async () => void (await gateway.end());
  });

  it.each([
    ['GET', '/sockets?limit=0', 'limit'],
    ['GET', '/sockets?limit=1001', 'limit'],
    ['GET', '/sockets?usr=ann', 'did you mean "user"'],
    ['DELETE', '/sockets?user=ann&user=bob', '"user" is there twice'],
    ['GET', '/sockets?after=x', 'after'],
    ['GET', '/sockets?worker=x', 'worker'],
    ['DELETE', '/sockets', 'whose'],
    ['DELETE', '/sockets?user=ann&code=1005', 'code'],
    ['DELETE', '/sockets?user=ann&code=2000', 'code'],
    ['DELETE', `/sockets?user=ann&reason=${'x'.repeat(124)}`, 'reason'],
  ])('%s %s is refused with what is wrong', async (method, path, word) => {
    const { status, body } = await gateway.ask(path, { method });
    expect({ status, detail: body.detail }).toEqual({ status: 400, detail: expect.stringContaining(word) });
  });
});
