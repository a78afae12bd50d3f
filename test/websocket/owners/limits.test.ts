/** How many sockets somebody may have, and how many they may open in what time: limits count a socket until it ends. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { tokenOf } from '../../access/premises.ts';
import { startGateways } from '../../control/limit-sync/gateways.ts';
import { eventually } from '../../harness/eventually.ts';
import { startRedis } from '../../harness/redis.ts';
import { HAS_REDIS } from '../../harness/redis-cluster.ts';
import { openSocket } from '../../harness/sockets.ts';
import { bearer, guarded, opened, openMany } from './guarded.ts';

const { start, config } = guarded();
const TWO = { workers: 2 };

/** The status of a refusal; null: it is open. */
async function attempt(url: string, headers: Record<string, string> = {}): Promise<number | null> {
  const client = openSocket(url, [], { headers });
  const refused = client.refused.then(({ status }) => status);
  return await Promise.race([
    client.opened.then(
      () => null,
      () => refused,
    ),
    refused,
  ]);
}

describe('a limit of concurrency', () => {
  it.each([
    ['ip', {}, {}],
    ['user', { auth: 'players' }, bearer(tokenOf())],
    ['route', {}, {}],
  ])(
    'by %s counts open sockets over both workers, and lets go of each when it ends',
    async (by, more, headers) => {
      const limit = { by: [by], algorithm: 'concurrency', max: 10 };
      const gateway = await start({ game: { limit, ...more } }, TWO);
      const url = `${gateway.url}/game`;
      const clients = await openMany(10, url, () => headers);
      for (let i = 0; i < 6; i++) expect(await attempt(url, headers)).toBe(429);
      clients[0]?.socket.close();
      clients[1]?.socket.terminate();
      await eventually(async () => (await attempt(url, headers)) === null);
      await eventually(async () => (await attempt(url, headers)) === null);
      expect(await attempt(url, headers)).toBe(429);
    },
  );

  it('is by user: another one has sockets of his own', async () => {
    const limit = { by: ['user'], algorithm: 'concurrency', max: 2 };
    const gateway = await start({ game: { auth: 'players', limit } }, TWO);
    const url = `${gateway.url}/game`;
    const ann = bearer(tokenOf({ sub: 'ann' }));
    await openMany(2, url, () => ann);
    expect(await attempt(url, ann)).toBe(429);
    expect(await attempt(url, bearer(tokenOf({ sub: 'bob' })))).toBeNull();
  });

  it('lets go of what a killed worker held', async () => {
    const limit = { by: ['ip'], algorithm: 'concurrency', max: 20 };
    const gateway = await start({ game: { limit } }, TWO);
    const url = `${gateway.url}/game`;
    const clients = await openMany(20, url, () => ({}));
    expect(await attempt(url)).toBe(429);
    let gone = 0;
    for (const { ended } of clients) void ended.then(() => gone++);
    const [pid] = await gateway.workerPids();
    process.kill(pid as number, 'SIGKILL');
    await eventually(() => gone > 0 && gateway.log.some(({ msg }) => msg === 'worker replaced'));
    const lost = gone;
    let open = 0;
    await eventually(async () => {
      if ((await attempt(url).catch(() => 1)) === null) open++;
      return open === lost;
    });
    expect(await attempt(url)).toBe(429);
  });
});

describe.skipIf(!HAS_REDIS)('a limit of concurrency that two machines share', () => {
  it('counts the sockets of both, and lets go of those that end', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const limits = { sockets: { by: ['ip'], algorithm: 'concurrency', max: 10 } };
    const { services, routes } = config({ game: { limit: 'sockets' } });
    const gateways = await startGateways(2, limits, redis.url, { services, routes });
    const [here = '', there = ''] = gateways.map(({ url }) => `${url}/game`);
    const clients = await openMany(5, here, () => ({}));
    let open = clients.length;
    let refusals = 0;
    // What one machine has admitted, and room that it does not need, the other learns of with the next rounds.
    await eventually(async () => {
      const statuses = [await attempt(here), await attempt(there)];
      open += statuses.filter((status) => status === null).length;
      refusals = statuses.every((status) => status === 429) ? refusals + 1 : 0;
      return open >= 10 && refusals === 5;
    });
    expect(open).toBeLessThanOrEqual(15);
    for (const { socket } of clients) socket.close();
    await eventually(async () => (await attempt(there)) === null);
  });
});

describe('a limit of a rate', () => {
  it('counts handshakes of a user over both workers', async () => {
    const limit = { by: ['user'], rate: '3/h' };
    const gateway = await start({ game: { auth: 'players', limit } }, TWO);
    const statuses = [];
    for (let i = 0; i < 6; i++) statuses.push(await attempt(`${gateway.url}/game`, bearer(tokenOf())));
    expect(statuses).toEqual([null, null, null, 429, 429, 429]);
  });
});

describe('a socket with the user in its path', () => {
  it('is for the subject of the token alone, however the path is written', async () => {
    const gateway = await start({
      ws: {
        match: { path: '/ws/:user_id' },
        auth: { anyOf: ['players'], when: 'param.user_id == claim.sub' },
      },
    });
    const headers = bearer(tokenOf({ sub: 'ann@example.com' }));
    await opened(`${gateway.url}/ws/ann@example.com`, headers);
    await opened(`${gateway.url}/ws/ann%40example.com`, headers);
    expect(await attempt(`${gateway.url}/ws/bob`, headers)).toBe(403);
    expect(await attempt(`${gateway.url}/ws/ANN@example.com`, headers)).toBe(403);
    expect(await attempt(`${gateway.url}/ws/ann@example.com`)).toBe(401);
    expect(await attempt(`${gateway.url}/ws/undefined`, bearer(tokenOf({ sub: undefined })))).toBe(403);
  });
});
