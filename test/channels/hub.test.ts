/** The channels of a worker, with a primary that says what the test wants. */
import { expect, it } from 'vitest';
import type {
  ChannelAsk,
  ChannelQuestion,
  Message,
  Position,
  Recovery,
} from '../../src/services/channels/messages.ts';
import type { Subscriber, Subscription } from '../../src/websocket/channels/hub/channel.ts';
import { ChannelHub } from '../../src/websocket/channels/hub/hub.ts';

const HISTORY = { size: 100, ttl: 0 };
const message = (offset: number): Message => ({ offset, data: String(offset) });
const upTo = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => message(from + i));

/** One client, native or not, that writes down what it is told. */
class Client implements Subscriber {
  readonly native: boolean;
  full = false;
  conflates = false;
  behindSince = 0;
  readonly subscriptions = new Map<string, Subscription>();
  readonly told: string[] = [];
  joined = false;

  constructor(native: boolean) {
    this.native = native;
  }

  subscribed(_: Subscription, { offset, epoch }: Position, recovered: boolean | null): void {
    this.told.push(`subscribed ${epoch}:${offset} ${recovered}`);
  }
  deliver(_: Subscription, { offset }: Message): void {
    this.told.push(String(offset));
  }
  gap(_: Subscription, { offset, epoch }: Position, latest: Message | null): void {
    this.told.push(`gap ${epoch}:${offset} ${latest?.data}`);
  }
  refused(subscription: Subscription, why: string): void {
    this.subscriptions.delete(subscription.channel.name);
    this.told.push(`refused ${why}`);
  }
  join(): void {
    this.joined = true;
  }
  part(): void {
    this.joined = false;
  }
}

function setUp() {
  const asks: ChannelAsk[] = [];
  const clients: Client[] = [];
  const hub = new ChannelHub({
    ask: (more) => asks.push(...more),
    publish: (_, text) => {
      const { offset } = JSON.parse(text);
      for (const client of clients) if (client.joined) client.told.push(String(offset));
    },
  });
  const subscribe = (since: Position | null = null, native = true) => {
    const client = new Client(native);
    clients.push(client);
    const subscription = hub.subscribe(client, 'a', since, '');
    client.subscriptions.set('a', subscription);
    hub.begin(subscription);
    return client;
  };
  const lastQuestion = async () => {
    await Promise.resolve();
    return asks.findLast((ask) => 'ask' in ask) as ChannelQuestion;
  };
  const answer = async (recovery: Partial<Recovery> & { head: Position }) => {
    const { ask } = await lastQuestion();
    const full = { oldest: 0, recovered: false, missed: [], latest: null, ...recovery };
    hub.take([{ answer: ask, recovery: full, history: HISTORY }]);
  };
  const say = (offset: number, epoch = 'e') => hub.take([{ channel: 'a', epoch, message: message(offset) }]);
  return { hub, asks, subscribe, answer, say, lastQuestion };
}

it('asks the primary once for a channel, and answers further clients by itself', async () => {
  const { asks, subscribe, answer, say, hub } = setUp();
  const first = subscribe();
  const second = subscribe();
  await answer({ head: { offset: 5, epoch: 'e' } });
  say(6);
  const third = subscribe();
  const fourth = subscribe({ offset: 5, epoch: 'e' }, false);
  say(7);
  await Promise.resolve();
  expect(asks).toEqual([{ ask: 1, channel: 'a', since: null }]);
  for (const client of [first, second]) expect(client.told).toEqual(['subscribed e:5 null', '6', '7']);
  expect(third.told).toEqual(['subscribed e:6 null', '7']);
  expect(fourth.told).toEqual(['subscribed e:5 true', '6', '7']);
  for (const client of [first, second, third, fourth]) hub.end(client.subscriptions.get('a') as Subscription);
  await Promise.resolve();
  expect(asks.at(-1)).toEqual({ leave: 'a' });
});

it('asks for what the one who is furthest behind has missed, and serves all who wait from that', async () => {
  const { asks, subscribe, answer, lastQuestion } = setUp();
  const clients = [subscribe({ offset: 7, epoch: 'e' })];
  await lastQuestion();
  clients.push(
    subscribe({ offset: 3, epoch: 'e' }),
    subscribe({ offset: 5, epoch: 'e' }),
    subscribe({ offset: 1, epoch: 'old' }),
  );
  await answer({ head: { offset: 8, epoch: 'e' }, recovered: true, missed: upTo(8, 8) });
  expect((await lastQuestion()).since).toEqual({ offset: 3, epoch: 'e' });
  await answer({ head: { offset: 8, epoch: 'e' }, recovered: true, missed: upTo(4, 8) });
  expect(clients.map(({ told }) => told)).toEqual([
    ['subscribed e:7 true', '8'],
    ['subscribed e:3 true', '4', '5', '6', '7', '8'],
    ['subscribed e:5 true', '6', '7', '8'],
    ['subscribed e:8 false'],
  ]);
  expect(asks).toHaveLength(2);
});

it('tells those whose position is lost, without asking again for each', async () => {
  const { asks, subscribe, answer, lastQuestion } = setUp();
  const clients = [1, 2, 3].map((offset) => subscribe({ offset, epoch: 'e' }));
  await answer({ head: { offset: 9, epoch: 'e' }, oldest: 3, latest: message(9) });
  await lastQuestion();
  expect(asks).toHaveLength(2);
  await answer({ head: { offset: 9, epoch: 'e' }, oldest: 3, recovered: true, missed: upTo(4, 9) });
  expect(clients.map(({ told }) => told[0])).toEqual([
    'subscribed e:9 false',
    'subscribed e:9 false',
    'subscribed e:3 true',
  ]);
});

it('mends a hole in what it hears, before anybody sees it', async () => {
  const { subscribe, answer, say } = setUp();
  const native = subscribe();
  const stream = subscribe(null, false);
  await answer({ head: { offset: 0, epoch: 'e' } });
  say(1);
  say(4);
  say(5);
  await answer({ head: { offset: 5, epoch: 'e' }, recovered: true, missed: upTo(2, 5) });
  say(6);
  say(6);
  for (const { told } of [native, stream]) {
    expect(told).toEqual(['subscribed e:0 null', '1', '2', '3', '4', '5', '6']);
  }
});

it('mends it also when the primary has left messages out', async () => {
  const { hub, subscribe, answer, say, lastQuestion } = setUp();
  const client = subscribe();
  await answer({ head: { offset: 0, epoch: 'e' } });
  say(1);
  hub.take([{ torn: 'a' }]);
  expect((await lastQuestion()).since).toEqual({ offset: 1, epoch: 'e' });
  await answer({ head: { offset: 3, epoch: 'e' }, recovered: true, missed: upTo(2, 3) });
  expect(client.told).toEqual(['subscribed e:0 null', '1', '2', '3']);
});

it('asks again for what one answer does not hold, for those who come back and for a hole', async () => {
  const { hub, subscribe, answer, say, lastQuestion } = setUp();
  const far = subscribe({ offset: 0, epoch: 'e' });
  const near = subscribe({ offset: 5, epoch: 'e' });
  expect((await lastQuestion()).since).toEqual({ offset: 0, epoch: 'e' });
  await answer({ head: { offset: 6, epoch: 'e' }, recovered: true, missed: upTo(1, 2) });
  say(7);
  // Nobody waits behind others for ever: the one that waits for longest is next.
  expect((await lastQuestion()).since?.offset).toBe(5);
  await answer({ head: { offset: 7, epoch: 'e' }, recovered: true, missed: upTo(6, 7) });
  expect((await lastQuestion()).since?.offset).toBe(2);
  await answer({ head: { offset: 7, epoch: 'e' }, recovered: true, missed: upTo(3, 4) });
  await answer({ head: { offset: 7, epoch: 'e' }, recovered: true, missed: upTo(5, 7) });
  hub.take([{ torn: 'a' }]);
  await answer({ head: { offset: 11, epoch: 'e' }, recovered: true, missed: upTo(8, 9) });
  expect((await lastQuestion()).since?.offset).toBe(9);
  await answer({ head: { offset: 11, epoch: 'e' }, recovered: true, missed: upTo(10, 11) });
  say(12);
  expect(far.told).toEqual(['subscribed e:0 true', ...upTo(1, 12).map(({ data }) => data)]);
  expect(near.told).toEqual(['subscribed e:5 true', ...upTo(6, 12).map(({ data }) => data)]);
});

it('says so when a hole cannot be mended, or the log was lost', async () => {
  const { subscribe, answer, say } = setUp();
  const client = subscribe();
  const slow = subscribe(null, false);
  await answer({ head: { offset: 0, epoch: 'e' } });
  say(1);
  slow.full = true;
  say(2);
  say(1, 'new');
  await answer({ head: { offset: 1, epoch: 'new' }, latest: message(1) });
  say(2, 'new');
  expect(client.told).toEqual(['subscribed e:0 null', '1', '2', 'gap new:1 1', '2']);
  expect(slow.told).toEqual(['subscribed e:0 null', '1', '2', 'gap new:1 1']);
});

it('keeps a client that is full from further messages, until it reads', async () => {
  const { hub, subscribe, answer, say, lastQuestion } = setUp();
  const slow = subscribe(null, false);
  const quick = subscribe(null, false);
  await answer({ head: { offset: 0, epoch: 'e' } });
  slow.full = true;
  for (let offset = 1; offset <= 150; offset++) say(offset);
  expect(slow.told).toEqual(['subscribed e:0 null', '1']);
  slow.full = false;
  hub.catchUp(slow);
  // Fifty of them are no longer here: the primary is asked.
  expect((await lastQuestion()).since).toEqual({ offset: 1, epoch: 'e' });
  await answer({ head: { offset: 150, epoch: 'e' }, recovered: true, missed: upTo(2, 150) });
  say(151);
  expect(slow.told.slice(1)).toEqual(quick.told.slice(1));
  expect(quick.told).toHaveLength(152);
  expect(hub.report()).toMatchObject({ behind: 1, caughtUp: 1, gaps: 0, subscriptions: 2, channels: 1 });
});

it('gives a client that conflates the latest message only', async () => {
  const { hub, subscribe, answer, say } = setUp();
  const slow = subscribe(null, false);
  slow.conflates = true;
  await answer({ head: { offset: 0, epoch: 'e' } });
  slow.full = true;
  for (let offset = 1; offset <= 50; offset++) say(offset);
  slow.full = false;
  hub.catchUp(slow);
  say(51);
  expect(slow.told).toEqual(['subscribed e:0 null', '1', '50', '51']);
});

it('refuses those who come while nothing can be answered, and lets in who comes later', async () => {
  const { hub, subscribe, answer, lastQuestion } = setUp();
  const first = subscribe();
  const { ask } = await lastQuestion();
  hub.take([{ refused: ask, why: 'away' }]);
  expect(first.told).toEqual(['refused away']);
  const second = subscribe();
  await answer({ head: { offset: 3, epoch: 'e' } });
  expect(second.told).toEqual(['subscribed e:3 null']);
});
