/** Channels through the life of a gateway: slow clients, workers that die, reloads, drains, credentials. */
import { createSigner } from 'fast-jwt';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { dial, frame, openSocket, TEXT } from '../harness/sockets.ts';
import {
  type ChannelClient,
  moment,
  openChannels,
  openEvents,
  type Position,
  post,
  publish,
} from './channel-client.ts';

const route = (channels: object = {}, more: object = {}) => ({
  name: 'feed',
  match: { path: '/feed' },
  websocket: true,
  channels: { allow: ['ticks.*', 'news'], ...channels },
  ...more,
});

/** A subscriber on a bare socket, which can stop reading. */
async function openSlow(gateway: RunningGateway, channel: string) {
  const client = await dial(gateway.url, '/feed');
  onTestFinished(() => void client.socket.destroy());
  await eventually(() => client.head !== '');
  client.send(frame(TEXT, JSON.stringify({ op: 'subscribe', channel })));
  await eventually(() => client.frames.length === 1);
  const told = () =>
    client.frames.filter(({ opcode }) => opcode === TEXT).map(({ payload }) => JSON.parse(`${payload}`));
  return Object.assign(client, { told });
}

/** More than the kernel takes for a client that does not read. */
async function publishMuch(gateway: RunningGateway, channel: string, count: number): Promise<void> {
  const data = 'x'.repeat(60_000);
  for (let i = 0; i < count; i += 20) {
    const batch = Array.from({ length: Math.min(20, count - i) }, (_, j) => ({
      data: `${i + j + 1} ${data}`,
    }));
    expect((await post(gateway, `/channels/${channel}`, batch)).status).toBe(200);
  }
}

describe('a client that does not read', () => {
  it('gets all it has missed from the history when it reads again, in order and once; others notice nothing', async () => {
    const gateway = await startGateway({ routes: [route({ history: { size: 1000, ttl: 'off' } })] });
    const slow = await openSlow(gateway, 'ticks.big');
    const quick = await openChannels(gateway);
    await quick.subscribe('ticks.big');
    slow.socket.pause();
    await publishMuch(gateway, 'ticks.big', 400);
    await quick.until(({ offset, op }) => op === undefined && offset === 400);
    await expect
      .poll(async () => (await gateway.ask('/metrics')).body)
      .toMatch(/slow_clients_total\{event="behind"\} [1-9]/);
    slow.socket.resume();
    await eventually(() => slow.told().at(-1).offset === 400, { withinMs: 10_000 });
    expect(
      slow
        .told()
        .slice(1)
        .map(({ offset }) => offset),
    ).toEqual(Array.from({ length: 400 }, (_, i) => i + 1));
    await publish(gateway, 'ticks.big', 'live again');
    await eventually(() => slow.told().at(-1).data === 'live again');
    expect(slow.told().at(-1).offset).toBe(401);
    expect(quick.messages('ticks.big')).toHaveLength(401);
    // Also the quick one may have been behind for a moment: who falls behind catches up, and nothing was lost.
    await expect
      .poll(async () => (await gateway.ask('/metrics')).body)
      .toMatch(/slow_clients_total\{event="behind"\} (\d+)\n.*event="caught_up"\} \1\n.*event="gap"\} 0/);
  });

  it('is told of the gap when the history does not reach back', async () => {
    const gateway = await startGateway({ routes: [route({ history: { size: 5 } })] });
    const slow = await openSlow(gateway, 'ticks.big');
    slow.socket.pause();
    await publishMuch(gateway, 'ticks.big', 300);
    slow.socket.resume();
    await eventually(() => slow.told().some(({ op }) => op === 'gap'), { withinMs: 10_000 });
    await publish(gateway, 'ticks.big', 'after');
    await eventually(() => slow.told().at(-1).data === 'after');
    const told = slow.told();
    const gap = told.findIndex(({ op }) => op === 'gap');
    expect(told[gap]).toMatchObject({ offset: 300, recovered: false, latest: { offset: 300 } });
    // No hole but the one that was announced.
    const before = told.slice(1, gap).map(({ offset }) => offset);
    expect(before).toEqual(Array.from(before, (_, i) => i + 1));
    expect(told.slice(gap + 1).map(({ offset }) => offset)).toEqual([301]);
  });

  it('gets the latest message alone with slow: conflate', async () => {
    const gateway = await startGateway({ routes: [route({ history: { size: 1000 }, slow: 'conflate' })] });
    const slow = await openSlow(gateway, 'ticks.big');
    slow.socket.pause();
    await publishMuch(gateway, 'ticks.big', 300);
    slow.socket.resume();
    await eventually(() => slow.told().at(-1).offset === 300, { withinMs: 10_000 });
    const offsets = slow
      .told()
      .slice(1)
      .map(({ offset }) => offset);
    expect(offsets.length).toBeLessThan(300);
    expect(offsets.filter((offset, i) => i > 0 && offset !== offsets[i - 1] + 1)).toEqual([300]);
  });

  it('is closed with 4408 with slow: close', async () => {
    const gateway = await startGateway({ routes: [route({ slow: 'close', slowFor: '300ms' })] });
    const slow = await openSlow(gateway, 'ticks.big');
    slow.socket.pause();
    await publishMuch(gateway, 'ticks.big', 300);
    await expect
      .poll(async () => (await gateway.ask('/metrics')).body, { timeout: 5000 })
      .toMatch(/sluice_websocket_closed_total\{code="4408"\} 1/);
  });
});

describe('a worker that is killed', () => {
  it('costs its clients no message: they resume on another, 0 lost, 0 twice', async () => {
    const gateway = await startGateway({ workers: 2, routes: [route({ history: { size: 10_000 } })] });
    const got: number[][] = [];
    const resumed: boolean[] = [];
    let running = true;
    /** What a client library does: it comes back with where it was. */
    async function follow(index: number): Promise<void> {
      let at: Position | undefined;
      got[index] = [];
      while (running) {
        let client: ChannelClient;
        try {
          client = await openChannels(gateway);
        } catch {
          await moment();
          continue;
        }
        client.client.socket.on('message', (message: Buffer) => {
          const { op, offset, epoch, recovered } = JSON.parse(message.toString());
          if (op === 'subscribed' && recovered !== undefined) resumed.push(recovered);
          if (op === undefined) got[index].push(offset);
          at = { offset, epoch };
        });
        client.send({ op: 'subscribe', channel: 'news', ...(at && { since: at }) });
        await client.client.ended;
      }
    }
    for (let i = 0; i < 30; i++) void follow(i);
    await eventually(async () => (await gateway.ask('/channels/news')).body.workers?.length === 2);
    let published = 0;
    const say = async (count: number) => {
      for (let i = 0; i < count; i++) published = (await publish(gateway, 'news', i)).offset;
    };
    // All are subscribed when the first message reaches them.
    await say(1);
    await eventually(() => got.every((offsets) => offsets.length === 1));
    await say(100);
    const [pid] = await gateway.workerPids();
    const saying = say(300);
    process.kill(pid, 'SIGKILL');
    await saying;
    await eventually(() => got.every((offsets) => offsets.at(-1) === published), { withinMs: 15_000 });
    running = false;
    for (const offsets of got) expect(offsets).toEqual(Array.from({ length: published }, (_, i) => i + 1));
    expect(resumed.length).toBeGreaterThan(0);
    expect(resumed).not.toContain(false);
  });
});

describe('a reload', () => {
  it('keeps clients of routes that remain, applies new rules to what they are subscribed to, and ends the others', async () => {
    const other = { ...route(), name: 'other', match: { path: '/other' } };
    const gateway = await startGateway({ routes: [route(), other] });
    const stays = await openChannels(gateway);
    const goes = await openChannels(gateway, '/other');
    const stream = await openEvents(gateway, 'channel=ticks.a&channel=news');
    await Promise.all([stays.subscribe('ticks.a'), goes.subscribe('news')]);
    await stays.subscribe('news');
    await expect.poll(() => stream.events).toHaveLength(2);
    await publish(gateway, 'news', 1);
    gateway.write({ routes: [route({ allow: ['news'] })] });
    expect((await gateway.reload()).status).toBe(200);
    expect(await goes.client.ended).toMatchObject({ code: 1012 });
    const forbidden = { op: 'unsubscribed', channel: 'ticks.a', reason: 'CHANNEL_FORBIDDEN' };
    await stays.until(({ op }) => op === 'unsubscribed');
    expect(stays.told).toContainEqual(forbidden);
    await publish(gateway, 'ticks.a', 'secret');
    await publish(gateway, 'news', 2);
    await stays.until(({ data }) => data === 2);
    expect(stays.data('ticks.a')).toEqual([]);
    expect(stays.data('news')).toEqual([1, 2]);
    await expect.poll(() => stream.messages.map(({ data }) => data.data)).toEqual([1, 2]);
    expect(stream.events.map(({ data }) => data)).toContainEqual(forbidden);
    expect((await stays.ask({ op: 'subscribe', channel: 'ticks.a' })).code).toBe('CHANNEL_FORBIDDEN');
  });

  it('keeps offsets and histories', async () => {
    const gateway = await startGateway({ workers: 2, routes: [route()] });
    const { epoch } = await publish(gateway, 'news', 1);
    await publish(gateway, 'news', 2);
    for (let i = 0; i < 3; i++) expect((await gateway.reload()).status).toBe(200);
    const client = await openChannels(gateway);
    expect(await client.subscribe('news', { offset: 1, epoch })).toMatchObject({ recovered: true });
    expect(await publish(gateway, 'news', 3)).toMatchObject({ offset: 3, epoch });
    await client.until(({ data }) => data === 3);
    expect(client.data('news')).toEqual([2, 3]);
  });
});

describe('a drain', () => {
  it('closes sockets with 1012 one after the other, ends streams, and the gateway leaves with 0', async () => {
    const gateway = await startGateway({
      routes: [route()],
      accessLog: 'all',
      drain: { delay: 0, timeout: '3s' },
    });
    const clients = await Promise.all(Array.from({ length: 20 }, () => openChannels(gateway)));
    await Promise.all(clients.map((client) => client.subscribe('news')));
    const stream = await openEvents(gateway, 'channel=news');
    await expect.poll(() => stream.events).toHaveLength(1);
    const times: number[] = [];
    for (const { client } of clients) void client.ended.then(() => times.push(performance.now()));
    const exit = gateway.stop();
    const ends = await Promise.all(clients.map(({ client }) => client.ended));
    expect(new Set(ends.map(({ code }) => code))).toEqual(new Set([1012]));
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(300);
    await expect.poll(() => stream.ended).toBe(true);
    expect(stream.events.at(-1)).toMatchObject({ event: 'end', data: { op: 'end', code: 1012 } });
    expect(await exit).toBe(0);
    const lines = gateway.log.filter(({ msg, route }) => msg === 'access' && route === 'feed');
    expect(lines).toHaveLength(21);
    expect(lines.every(({ close_code }) => close_code === 1012)).toBe(true);
  });
});

describe('who is calling', () => {
  const secret = 's'.repeat(32);
  const sign = createSigner({ key: secret, algorithm: 'HS256' });
  const token = (sub: string, roles: string[] = [], lifeS = 60) =>
    sign({ iss: 'i', aud: 'a', sub, roles, exp: Math.floor(Date.now() / 1000) + lifeS });
  const as = (sub: string, roles?: string[], lifeS?: number) => ({
    headers: { authorization: `Bearer ${token(sub, roles, lifeS)}` },
  });
  const guarded = (more: object = {}) => ({
    auth: {
      providers: {
        users: { type: 'jwt', algorithms: ['HS256'], secret, issuer: 'i', audience: 'a', skew: '0s' },
      },
    },
    routes: [
      {
        name: 'feed',
        match: { path: '/feed' },
        websocket: true,
        auth: 'users',
        channels: {
          allow: [
            'news',
            'private.${auth.user}.*',
            { match: 'admin.*', roles: ['admin'] },
            { match: 'desk.${claim.sub}', when: "role in ['trader']" },
          ],
        },
      },
    ],
    ...more,
  });

  it('decides which channels a client may have', async () => {
    const gateway = await startGateway(guarded());
    const may = async (client: ChannelClient, channel: string) =>
      (await client.subscribe(channel)).op === 'subscribed';
    const ann = await openChannels(gateway, '/feed', as('ann', ['trader']));
    expect(await may(ann, 'news')).toBe(true);
    expect(await may(ann, 'private.ann.orders')).toBe(true);
    expect(await may(ann, 'private.bob.orders')).toBe(false);
    expect(await may(ann, 'private.ann')).toBe(false);
    expect(await may(ann, 'admin.x')).toBe(false);
    expect(await may(ann, 'desk.ann')).toBe(true);
    const admin = await openChannels(gateway, '/feed', as('root', ['admin']));
    expect(await may(admin, 'admin.x')).toBe(true);
    expect(await may(admin, 'desk.root')).toBe(false);
    // A user cannot be named so as to get what is another's.
    const sly = await openChannels(gateway, '/feed', as('ann.orders'));
    expect(await may(sly, 'private.ann.orders.x')).toBe(false);
    expect(await may(sly, 'private.ann%2Eorders.x')).toBe(true);
    const star = await openChannels(gateway, '/feed', as('*'));
    expect(await may(star, 'private.ann.orders')).toBe(false);
    expect(await may(star, 'private.%2A.orders')).toBe(true);
    const events = await openEvents(gateway, 'channel=private.ann.orders', as('bob').headers);
    expect(events.response.status).toBe(403);
    const nobody = openSocket(`${gateway.url}/feed`);
    expect(await nobody.refused).toMatchObject({ status: 401 });
  });

  it('ends the client with 4401 when the credentials have expired', async () => {
    const gateway = await startGateway(guarded());
    const client = await openChannels(gateway, '/feed', as('ann', [], 2));
    const stream = await openEvents(gateway, 'channel=news', as('ann', [], 2).headers);
    await client.subscribe('news');
    expect(await client.client.ended).toMatchObject({ code: 4401 });
    await expect
      .poll(() => stream.events.at(-1), { timeout: 5000 })
      .toMatchObject({ event: 'end', data: { code: 4401 } });
  });

  it('is whom broadcasts go by: a user, a role, a route, everyone; over workers, sockets and streams', async () => {
    const gateway = await startGateway(guarded({ workers: 2 }));
    const many = (count: number, sub: string, roles: string[]) =>
      Promise.all(Array.from({ length: count }, () => openChannels(gateway, '/feed', as(sub, roles))));
    const ann = await many(6, 'ann', ['trader']);
    const bob = await many(5, 'bob', ['trader', 'admin']);
    const stream = await openEvents(gateway, 'channel=news', as('ann').headers);
    await expect.poll(() => stream.events).toHaveLength(1);
    const say = async (to: object, data: unknown) =>
      (await post(gateway, '/broadcast', { to, data })).body.reached;
    expect(await say({ user: 'ann' }, 'to ann')).toBe(7);
    expect(await say({ role: 'trader' }, 'to traders')).toBe(11);
    expect(await say({ role: 'admin' }, 'to admins')).toBe(5);
    expect(await say({ route: 'feed' }, 'to feed')).toBe(12);
    expect(await say({ all: true }, { to: 'all' })).toBe(12);
    expect(await say({ user: 'carl' }, 'nobody')).toBe(0);
    const heard = async (client: ChannelClient) => {
      await client.until(({ data }) => data?.to === 'all');
      return client.told.filter(({ op }) => op === 'broadcast').map(({ data }) => data);
    };
    const everyone = ['to feed', { to: 'all' }];
    for (const client of ann) expect(await heard(client)).toEqual(['to ann', 'to traders', ...everyone]);
    for (const client of bob) expect(await heard(client)).toEqual(['to traders', 'to admins', ...everyone]);
    await expect
      .poll(() => stream.events.filter(({ event }) => event === 'broadcast').map(({ data }) => data.data))
      .toEqual(['to ann', ...everyone]);
  });
});
