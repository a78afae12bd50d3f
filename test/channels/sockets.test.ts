/** Channels over WebSockets, of a real gateway. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { dial } from '../harness/sockets.ts';
import { ChannelClient, moment, openChannels, post, publish } from './channel-client.ts';

let gateway: RunningGateway;

const route = (name: string, channels: object = {}, websocket: object = {}) => ({
  name,
  match: { path: `/${name}` },
  websocket,
  channels: { allow: ['ticks.*', 'news.*'], ...channels },
});

beforeAll(async () => {
  gateway = await startGateway({
    workers: 2,
    routes: [
      route('feed'),
      route('two', { maxSubscriptions: 2 }),
      route('small', {}, { maxMessage: '1KiB' }),
      route('short', { allow: ['short.*'], history: { size: 3 } }),
      route('long', { allow: ['long.*'], history: { size: 1000 } }),
    ],
  });
});

afterAll(async () => {
  await gateway?.stop();
});

describe('a subscriber', () => {
  it('gets what is published on its channels from then on, and nothing else', async () => {
    await publish(gateway, 'ticks.EURUSD', 'before');
    const client = await openChannels(gateway);
    expect(await client.subscribe('ticks.EURUSD')).toEqual({
      op: 'subscribed',
      id: expect.any(String),
      channel: 'ticks.EURUSD',
      offset: 1,
      epoch: expect.any(String),
    });
    const { epoch } = await publish(gateway, 'ticks.EURUSD', { bid: 1.1, 'quote"d': ['ü', null] });
    await publish(gateway, 'ticks.GBPUSD', 'another channel');
    await publish(gateway, 'ticks.EURUSD', 'last');
    await client.until(({ data }) => data === 'last');
    expect(client.told.slice(1)).toEqual([
      { channel: 'ticks.EURUSD', data: { bid: 1.1, 'quote"d': ['ü', null] }, offset: 2, epoch },
      { channel: 'ticks.EURUSD', data: 'last', offset: 3, epoch },
    ]);
  });

  it('gets nothing more after it has unsubscribed, and can subscribe again', async () => {
    const client = await openChannels(gateway);
    await client.subscribe('news.2');
    await publish(gateway, 'news.2', 1);
    await client.until(({ data }) => data === 1);
    expect(await client.ask({ op: 'unsubscribe', channel: 'news.2' })).toMatchObject({
      op: 'unsubscribed',
      channel: 'news.2',
    });
    await publish(gateway, 'news.2', 2);
    await moment();
    expect(await client.subscribe('news.2')).toMatchObject({ offset: 2 });
    await publish(gateway, 'news.2', 3);
    await client.until(({ data }) => data === 3);
    expect(client.data('news.2')).toEqual([1, 3]);
  });

  it('is told where it may not, and stays connected', async () => {
    const client = await openChannels(gateway, '/two');
    const code = async (message: { op: string; [field: string]: unknown }) =>
      (await client.ask(message)).code;
    expect(await code({ op: 'subscribe', channel: 'orders.1' })).toBe('CHANNEL_FORBIDDEN');
    expect(await code({ op: 'subscribe', channel: 'ticks.' })).toBe('BAD_CHANNEL');
    expect(await code({ op: 'subscribe', channel: 'x'.repeat(129) })).toBe('BAD_CHANNEL');
    expect(await code({ op: 'subscribe' })).toBe('BAD_CHANNEL');
    expect(await code({ op: 'subscribe', channel: 'news.3', since: { offset: -1, epoch: 'x' } })).toBe(
      'BAD_POSITION',
    );
    expect(await code({ op: 'subscribe', channel: 'news.3', since: 7 })).toBe('BAD_POSITION');
    expect(await code({ op: 'unsubscribe', channel: 'news.3' })).toBe('NOT_SUBSCRIBED');
    expect(await code({ op: 'dance' })).toBe('UNKNOWN_OP');
    await client.subscribe('news.3');
    expect(await code({ op: 'subscribe', channel: 'news.3' })).toBe('ALREADY_SUBSCRIBED');
    await client.subscribe('ticks.a.b');
    expect(await code({ op: 'subscribe', channel: 'ticks.c' })).toBe('TOO_MANY_SUBSCRIPTIONS');
    expect(await client.ask({ op: 'ping' })).toMatchObject({ op: 'pong' });
  });

  it('may send some garbage, but no flood of it', async () => {
    const client = await openChannels(gateway);
    for (const garbage of ['', 'null', '[]', '{"op":', '{"op":7}', '{"id":{}}', '{"op":"ping","id":[1]}'])
      client.send(garbage);
    client.client.socket.send(Buffer.from('{"op":"ping"}'), { binary: true });
    client.send(JSON.stringify({ op: 'ping', pad: 'x'.repeat(20_000) }));
    expect(await client.ask({ op: 'ping' })).toMatchObject({ op: 'pong' });
    expect(client.told.filter(({ op }) => op === 'error')).toHaveLength(9);
    for (let i = 0; i < 50; i++) client.send('garbage');
    expect(await client.client.ended).toMatchObject({ code: 1008 });
  });

  it('ends with 1009 for a message beyond maxMessage', async () => {
    const client = await openChannels(gateway, '/small');
    client.send('x'.repeat(1025));
    expect(await client.client.ended).toMatchObject({ code: 1009 });
  });

  it('is slowed down when it sends more operations than anybody needs', async () => {
    const client = await openChannels(gateway);
    for (let i = 0; i < 215; i++) client.send({ op: 'ping' });
    await client.until(({ code }) => code === 'TOO_FAST');
    expect(client.told.filter(({ op }) => op === 'pong').length).toBeGreaterThanOrEqual(200);
  });
});

describe('who comes back with a position', () => {
  it('gets exactly what it missed, in order, and then what follows', async () => {
    const first = await openChannels(gateway);
    const { epoch } = await first.subscribe('news.7');
    for (let i = 1; i <= 3; i++) await publish(gateway, 'news.7', i);
    await first.until(({ data }) => data === 3);
    first.client.socket.terminate();
    for (let i = 4; i <= 8; i++) await publish(gateway, 'news.7', i);
    const again = await openChannels(gateway);
    expect(await again.subscribe('news.7', { offset: 3, epoch })).toMatchObject({
      op: 'subscribed',
      recovered: true,
      offset: 3,
      epoch,
    });
    await publish(gateway, 'news.7', 9);
    await again.until(({ data }) => data === 9);
    expect(again.messages('news.7').map(({ offset }) => offset)).toEqual([4, 5, 6, 7, 8, 9]);
    expect(again.data('news.7')).toEqual([4, 5, 6, 7, 8, 9]);
  });

  it('is told when that is not possible, with the latest message', async () => {
    const client = await openChannels(gateway, '/short');
    const { epoch } = await client.subscribe('short.a');
    for (let i = 1; i <= 10; i++) await publish(gateway, 'short.a', `m${i}`);
    const lost = { recovered: false, offset: 10, epoch, latest: { data: 'm10', offset: 10 } };
    for (const since of [
      { offset: 6, epoch },
      { offset: 11, epoch },
      { offset: 10, epoch: 'of-another-time' },
    ]) {
      const again = await openChannels(gateway, '/short');
      expect(await again.subscribe('short.a', since)).toMatchObject(lost);
      await moment();
      expect(again.messages('short.a')).toEqual([]);
    }
    const again = await openChannels(gateway, '/short');
    expect(await again.subscribe('short.a', { offset: 7, epoch })).toMatchObject({ recovered: true });
    await again.until(({ data }) => data === 'm10');
    expect(again.data('short.a')).toEqual(['m8', 'm9', 'm10']);
  });

  it('misses nothing and gets nothing twice, whenever it comes back and to whichever worker', async () => {
    const steady = await openChannels(gateway, '/long');
    const { epoch } = await steady.subscribe('long.a');
    let published = 0;
    let done = false;
    const publishing = (async () => {
      while (!done) {
        const batch = Array.from({ length: 5 }, () => ({ data: ++published }));
        expect((await post(gateway, '/channels/long.a', batch)).status).toBe(200);
      }
    })();
    for (let visit = 0; visit < 20; visit++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      const seen = steady.messages('long.a').at(-1)?.offset ?? 0;
      const since = { offset: Math.max(0, seen - visit), epoch };
      const client = await openChannels(gateway, '/long');
      expect(await client.subscribe('long.a', since)).toMatchObject({ recovered: true });
      await client.until(({ offset, op }) => op === undefined && offset >= seen + 10);
      const offsets = client.messages('long.a').map(({ offset }) => offset);
      expect(offsets).toEqual(Array.from(offsets, (_, i) => since.offset + 1 + i));
      client.client.socket.terminate();
    }
    done = true;
    await publishing;
    await steady.until(({ data }) => data === published);
    expect(steady.data('long.a')).toEqual(Array.from({ length: published }, (_, i) => i + 1));
  });
});

describe('a handshake', () => {
  it('is judged as any other', async () => {
    const status = async (fields: Record<string, string | undefined>) => {
      const client = await dial(gateway.url, '/feed', fields);
      onTestFinished(() => void client.socket.destroy());
      await eventually(() => client.head !== '');
      return client.head.split(' ')[1];
    };
    expect(await status({})).toBe('101');
    expect(await status({ 'Sec-WebSocket-Version': '8' })).toBe('426');
    expect(await status({ 'Sec-WebSocket-Key': 'short' })).toBe('400');
    expect(await status({ 'Sec-WebSocket-Protocol': 'a, a' })).toBe('400');
    expect(await status({ Origin: 'https://evil.example', Cookie: 'sid=1' })).toBe('403');
    // Without an Upgrade it is a request, which says no channel.
    expect(await status({ Upgrade: undefined, Connection: undefined })).toBe('400');
  });

  it('gets the first subprotocol that the client offers', async () => {
    const client = new ChannelClient(`${gateway.url}/feed`, {}, ['v2.feed', 'v1.feed']);
    onTestFinished(() => client.client.socket.terminate());
    await client.client.opened;
    expect(client.client.socket.protocol).toBe('v2.feed');
    expect(await client.ask({ op: 'ping' })).toMatchObject({ op: 'pong' });
  });
});

describe('over workers', () => {
  it('each message reaches each subscriber of each worker once', async () => {
    const clients = await Promise.all(Array.from({ length: 40 }, () => openChannels(gateway)));
    await Promise.all(clients.map((client) => client.subscribe('ticks.x')));
    await post(
      gateway,
      '/channels/ticks.x',
      Array.from({ length: 100 }, (_, i) => ({ data: i })),
    );
    await Promise.all(clients.map((client) => client.until(({ data }) => data === 99)));
    for (const client of clients) {
      expect(client.data('ticks.x')).toEqual(Array.from({ length: 100 }, (_, i) => i));
    }
    const { body } = await gateway.ask('/channels/ticks.x');
    expect(body).toMatchObject({ channel: 'ticks.x', head: { offset: 100 }, kept: 100, workers: [1, 2] });
  });
});
