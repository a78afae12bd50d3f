/** Channels of several gateways that share a Redis: real processes, real sockets. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../../harness/gateway.ts';
import { type RunningRedis, startRedis } from '../../harness/redis.ts';
import { HAS_REDIS } from '../../harness/redis-cluster.ts';
import { openChannels, post, publish } from '../channel-client.ts';

const config = (redis: string, channels: object = {}, more: object = {}) => ({
  redis,
  routes: [
    {
      name: 'feed',
      match: { path: '/feed' },
      websocket: true,
      channels: { allow: ['*'], history: { size: 10_000, ttl: '10m' }, ...channels },
    },
  ],
  ...more,
});

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe.skipIf(!HAS_REDIS)('gateways that share a Redis', () => {
  let redis: RunningRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.stop());

  async function startMachines(count: number, channels: object = {}): Promise<RunningGateway[]> {
    await redis.client.flushall();
    const machines: RunningGateway[] = [];
    // One after the other: at once they may be given the same free port.
    for (let i = 0; i < count; i++) machines.push(await startGateway(config(redis.url, channels)));
    return machines;
  }

  it('hear what is said at any of them, each message once and in order', async () => {
    const machines = await startMachines(2);
    const clients = await Promise.all(machines.map((machine) => openChannels(machine)));
    for (const client of clients) await client.subscribe('a');
    await Promise.all(numbers(0, 200).map((i) => publish(machines[i % 2]!, 'a', i)));
    for (const client of clients) {
      await client.until(({ offset }) => offset === 200);
      expect([...client.data('a')].sort((x, y) => Number(x) - Number(y))).toEqual(numbers(0, 200));
      expect(client.told.slice(1).map(({ offset }) => offset)).toEqual(numbers(1, 201));
    }
    expect(clients[0]!.data('a')).toEqual(clients[1]!.data('a'));
  });

  it('bring broadcasts to the clients of all of them, once', async () => {
    const machines = await startMachines(2);
    const clients = await Promise.all(machines.map((machine) => openChannels(machine)));
    const stranger = await openChannels(machines[0]!);
    for (const client of [...clients, stranger]) await client.subscribe('a');
    for (const [i, machine] of machines.entries()) {
      const { status, body } = await post(machine, '/broadcast', { to: { route: 'feed' }, data: i });
      expect(status).toBe(200);
      expect(body.reached).toBe(i === 0 ? 2 : 1);
    }
    for (const client of [...clients, stranger]) {
      await client.until(({ op, data }) => op === 'broadcast' && data === 1);
      expect(client.told.filter(({ op }) => op === 'broadcast').map(({ data }) => data)).toEqual([0, 1]);
    }
    const { body } = await machines[0]!.ask('/channels');
    expect(body.channels.map(({ channel }: { channel: string }) => channel)).toEqual(['a']);
  });

  it('give a client that moves exactly what it missed', async () => {
    const [a, b] = await startMachines(2);
    const first = await openChannels(a!);
    await first.subscribe('a');
    for (const i of numbers(0, 5)) await publish(a!, 'a', i);
    const { offset, epoch } = await first.until(({ data }) => data === 4);
    first.client.socket.terminate();
    for (const i of numbers(5, 10)) await publish(a!, 'a', i);
    const second = await openChannels(b!);
    const answer = await second.subscribe('a', { offset, epoch });
    expect(answer).toMatchObject({ recovered: true, offset, epoch });
    await publish(b!, 'a', 10);
    await second.until(({ data }) => data === 10);
    expect(second.data('a')).toEqual(numbers(5, 11));
  });

  it('lose and repeat nothing for a client whose machine is killed', async () => {
    const [a, b] = await startMachines(2);
    let client = await openChannels(a!);
    await client.subscribe('a');
    let next = 0;
    let over = false;
    const publishing = (async () => {
      while (!over) await publish(b!, 'a', next++);
    })();
    await client.until(({ offset }) => offset >= 30);
    a!.signal('SIGKILL');
    await client.client.ended;
    const before = client.messages('a');
    const { offset, epoch } = before.at(-1)!;
    client = await openChannels(b!);
    expect(await client.subscribe('a', { offset, epoch })).toMatchObject({ recovered: true });
    await client.until((told) => told.offset >= offset + 30);
    over = true;
    await publishing;
    await client.until(({ data }) => data === next - 1);
    const all = [...before, ...client.messages('a')];
    expect(all.map(({ data }) => data)).toEqual(numbers(0, next));
  }, 20_000);

  it('take what services publish through Redis, once, while machines come and die', async () => {
    const [a, b] = await startMachines(2);
    const client = await openChannels(b!);
    await client.subscribe('a');
    const say = (from: number, to: number) =>
      Promise.all(
        numbers(from, to).map((i) =>
          redis.client.xadd('sluice:publish', '*', 'channel', 'a', 'data', `${i}`),
        ),
      );
    await say(0, 100);
    await client.until(({ data }) => data === 99);
    // The first one that was there takes the entries.
    a!.signal('SIGKILL');
    await say(100, 200);
    await client.until(({ data }) => data === 199);
    await say(200, 210);
    await client.until(({ data }) => data === 209);
    expect(client.data('a')).toEqual(numbers(0, 210));
  }, 20_000);

  it('refuse at once while Redis is away, and lose nothing of what they said yes to', async () => {
    const own = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
    onTestFinished(() => own.stop());
    const a = await startGateway(config(own.url));
    const b = await startGateway(config(own.url));
    const client = await openChannels(b);
    await client.subscribe('a');
    const { offset, epoch } = await publish(a, 'a', 0);
    await client.until(({ data }) => data === 0);
    await own.kill();
    const from = performance.now();
    const refused = await post(a, '/channels/a', { data: 'lost' });
    expect(refused).toMatchObject({ status: 503, body: { title: 'Channels unavailable' } });
    const late = await openChannels(b);
    expect(await late.ask({ op: 'subscribe', channel: 'other' })).toMatchObject({
      op: 'error',
      code: 'CHANNEL_UNAVAILABLE',
      message: 'channels are not available for now: try again',
    });
    expect(performance.now() - from).toBeLessThan(5000);
    expect(refused.body.detail).not.toContain('127.0.0.1');
    await a.logged(({ msg, reason }) => /Redis is away/.test(msg) && reason !== '');
    await own.restart();
    await eventually(async () => (await post(a, '/channels/a', { data: 1 })).status === 200, { everyMs: 50 });
    await client.until(({ data }) => data === 1);
    expect(client.data('a')).toEqual([0, 1]);
    // And to a machine that was not there before.
    const c = await startGateway(config(own.url));
    const moved = await openChannels(c);
    expect(await moved.subscribe('a', { offset, epoch })).toMatchObject({ recovered: true });
    await moved.until(({ data }) => data === 1);
    // All is lost: whoever comes back is told, and whoever is there as well.
    await own.client.flushall();
    await publish(a, 'a', 'new');
    await client.until(({ op }) => op === 'gap');
    const again = await openChannels(c);
    expect(await again.subscribe('a', { offset: 2, epoch })).toMatchObject({
      recovered: false,
      latest: { data: 'new', offset: 1 },
    });
  }, 30_000);
});
