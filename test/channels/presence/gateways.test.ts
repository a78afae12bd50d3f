/** Who is on a channel, of real gateways with several workers. */
import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../../harness/gateway.ts';
import { type RunningRedis, startRedis } from '../../harness/redis.ts';
import { HAS_REDIS } from '../../harness/redis-cluster.ts';
import { type ChannelClient, moment, openChannels, openEvents } from '../channel-client.ts';

const SECRET = 'a secret of at least thirty-two bytes, for tests';

function config(presence: unknown, more: object = {}) {
  return {
    auth: {
      providers: {
        players: {
          type: 'jwt',
          issuer: 'https://issuer.test',
          audience: 'game',
          algorithms: ['HS256'],
          secret: SECRET,
        },
      },
    },
    routes: [
      {
        name: 'room',
        match: { path: '/room' },
        websocket: true,
        auth: { anyOf: ['players', 'anonymous'] },
        channels: { allow: ['room.*', { match: 'staff.*', roles: ['staff'] }], presence },
      },
    ],
    ...more,
  };
}

function token(user: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: 'https://issuer.test', aud: 'game', sub: user, iat: now, exp: now + 600 };
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
}

const as = (gateway: RunningGateway, user: string): Promise<ChannelClient> =>
  openChannels(gateway, '/room', { headers: { authorization: `Bearer ${token(user)}` } });

const eventsOf = (client: ChannelClient) =>
  client.told.flatMap(({ presence }) =>
    presence === undefined || presence.event === 'sync' ? [] : [`${presence.event} ${presence.member.user}`],
  );

describe('presence of a gateway', () => {
  it('tells who is there and who comes and goes, over all workers', async () => {
    const gateway = await startGateway(config({ grace: '0s' }, { workers: 2 }));
    const eve = await as(gateway, 'eve');
    await eve.ask({ op: 'subscribe', channel: 'room.1', presence: true, info: { color: 'red' } });
    const first = await eve.ask({ op: 'presence', channel: 'room.1' });
    expect(first).toEqual({
      op: 'presence',
      id: expect.any(String),
      channel: 'room.1',
      members: [
        { id: expect.stringMatching(/^[\w-]{16}$/), user: 'eve', info: { color: 'red' }, sockets: 1 },
      ],
      total: 1,
      next: null,
    });
    // So many that both workers have some.
    const others = await Promise.all(Array.from({ length: 8 }, () => as(gateway, 'adam')));
    for (const one of others) await one.subscribe('room.1');
    const stranger = await openChannels(gateway, '/room');
    await stranger.subscribe('room.1');
    await eve.until(({ presence }) => presence?.member.user === null);
    expect(eventsOf(eve)).toEqual(['join adam', 'join null']);
    const { members, total } = await eve.ask({ op: 'presence', channel: 'room.1' });
    expect(total).toBe(3);
    expect(members.find(({ user }: { user: string }) => user === 'adam').sockets).toBe(8);
    const { body } = await gateway.ask('/channels/room.1/presence?limit=2');
    expect(body).toMatchObject({ channel: 'room.1', total: 3, partial: false, next: body.members[1].id });
    expect((await gateway.ask(`/channels/room.1/presence?after=${body.next}`)).body.members).toHaveLength(1);
    for (const one of others) one.client.socket.close();
    await eve.until(({ presence }) => presence?.event === 'leave');
    expect(eventsOf(eve).at(-1)).toBe('leave adam');
    await stranger.ask({ op: 'unsubscribe', channel: 'room.1' });
    await expect.poll(() => eventsOf(eve).at(-1)).toBe('leave null');
  });

  it('is not troubled by reconnects, and by a worker that dies only after the grace', async () => {
    const gateway = await startGateway(config({ grace: '1s' }, { workers: 2 }));
    const eve = await as(gateway, 'eve');
    await eve.ask({ op: 'subscribe', channel: 'room.1', presence: true });
    const stream = await openEvents(gateway, 'channel=room.1&presence=true', {}, '/room');
    let adam = await as(gateway, 'adam');
    await adam.subscribe('room.1');
    await eve.until(({ presence }) => presence?.member.user === 'adam');
    for (let i = 0; i < 5; i++) {
      adam.client.socket.terminate();
      adam = await as(gateway, 'adam');
      await adam.subscribe('room.1');
    }
    await moment();
    expect(eventsOf(eve).filter((one) => one.includes('adam'))).toEqual(['join adam']);
    await expect
      .poll(() => stream.events.filter(({ event }) => event === 'presence').length)
      .toBeGreaterThan(0);
    const crowd = await Promise.all(Array.from({ length: 10 }, (_, i) => as(gateway, `user${i}`)));
    for (const one of crowd) await one.subscribe('room.1');
    const lost = Promise.all(
      crowd.map((one) => Promise.race([one.client.ended.then(() => 1), moment().then(() => 0)])),
    );
    const [pid] = await gateway.workerPids();
    process.kill(pid!, 'SIGKILL');
    const gone = (await lost).reduce<number>((sum, one) => sum + one, 0);
    expect(gone).toBeGreaterThan(0);
    await expect
      .poll(
        async () =>
          (await gateway.ask('/channels/room.1/presence')).body.members.filter(
            (m: { user: string | null; sockets: number }) => m.user?.startsWith('user'),
          ).length,
        { timeout: 5000 },
      )
      .toBe(10 - gone);
  }, 20_000);

  it('is for those who may subscribe, and only where the route has it', async () => {
    const gateway = await startGateway(config(true));
    const eve = await as(gateway, 'eve');
    const code = async (message: { op: string; [field: string]: unknown }) => (await eve.ask(message)).code;
    expect(await code({ op: 'presence', channel: 'staff.1' })).toBe('CHANNEL_FORBIDDEN');
    expect(await code({ op: 'presence', channel: 7 })).toBe('BAD_CHANNEL');
    expect(await code({ op: 'presence', channel: 'room.1', limit: 0 })).toBe('BAD_PAGE');
    expect(await code({ op: 'presence', channel: 'room.1', after: {} })).toBe('BAD_PAGE');
    expect(await code({ op: 'subscribe', channel: 'room.1', info: 'x'.repeat(1100) })).toBe('BAD_INFO');
    expect(await eve.ask({ op: 'presence', channel: 'room.1' })).toMatchObject({ total: 0, members: [] });
    const without = await startGateway(config(false));
    const adam = await as(without, 'adam');
    await adam.ask({ op: 'subscribe', channel: 'room.1', presence: true });
    expect(await adam.ask({ op: 'presence', channel: 'room.1' })).toMatchObject({ code: 'NO_PRESENCE' });
    expect((await without.ask('/channels/room.1/presence')).status).toBe(409);
  });

  it('survives what no client says', async () => {
    const gateway = await startGateway(config(true));
    const eve = await as(gateway, 'eve');
    await eve.subscribe('room.1');
    for (const channel of [{ toString: 1, valueOf: 1 }, ['room.1'], null])
      expect(await eve.ask({ op: 'presence', channel })).toMatchObject({ op: 'error', code: 'BAD_CHANNEL' });
    const deep = '['.repeat(8000) + ']'.repeat(8000);
    eve.send(`{"op":"subscribe","id":"deep","channel":"room.2","info":${deep}}`);
    expect(await eve.until(({ id }) => id === 'deep')).toMatchObject({ op: 'error', code: 'BAD_INFO' });
    expect(await eve.ask({ op: 'ping' })).toMatchObject({ op: 'pong' });
  });
});

describe.skipIf(!HAS_REDIS)('presence of several gateways', () => {
  let redis: RunningRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.stop());

  it('is the same on all of them, and forgets who was on a machine that died', async () => {
    const a = await startGateway(config({ grace: '1s' }, { redis: redis.url }));
    const b = await startGateway(config({ grace: '1s' }, { redis: redis.url }));
    const eve = await as(a, 'eve');
    await eve.ask({ op: 'subscribe', channel: 'room.1', presence: true });
    const adam = await as(b, 'adam');
    await adam.subscribe('room.1');
    const twice = await as(b, 'eve');
    await twice.subscribe('room.1');
    await eve.until(({ presence }) => presence?.member?.user === 'adam');
    await expect
      .poll(async () =>
        (await b.ask('/channels/room.1/presence')).body.members
          .map((m: { user: string; sockets: number }) => `${m.user} ${m.sockets}`)
          .sort(),
      )
      .toEqual(['adam 1', 'eve 2']);
    const from = performance.now();
    b.signal('SIGKILL');
    await eve.until(({ presence }) => presence?.event === 'leave');
    expect(performance.now() - from).toBeLessThan(15_000);
    expect(eventsOf(eve).at(-1)).toBe('leave adam');
    expect((await a.ask('/channels/room.1/presence')).body).toMatchObject({
      total: 1,
      members: [{ user: 'eve', sockets: 1 }],
    });
  }, 40_000);
});
