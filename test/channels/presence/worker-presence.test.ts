import { expect, it, onTestFinished } from 'vitest';
import { Exchange } from '../../../src/exchange.ts';
import type { PresenceNews, PresenceTold } from '../../../src/services/channels/presence.ts';
import { type Attendee, WorkerPresence } from '../../../src/websocket/channels/presence/worker-presence.ts';

const EVENTS = { events: true, info: null };

class Client implements Attendee {
  readonly x = new Exchange(0);
  full = false;
  readonly told: string[] = [];
  tell(_op: string, text: string): void {
    const { event, total } = JSON.parse(text).presence;
    this.told.push(event === 'sync' ? `sync ${total}` : event);
  }
}

function start() {
  const news: PresenceNews[] = [];
  let lists = 0;
  const presence = new WorkerPresence({
    hand: async (some) => void news.push(...some),
    list: async () => {
      lists++;
      return { members: [], total: 7, next: null, partial: false };
    },
  });
  onTestFinished(() => presence.close());
  return { presence, news, lists: () => lists };
}

function joined(channel: string, count = 1): PresenceTold[] {
  const member = { id: 'x', user: null, info: null, sockets: 1 };
  return Array.from({ length: count }, () => ({ channel, event: { event: 'join', member } }));
}

it('tells the primary what happens in order, and watches as long as somebody wants to hear', async () => {
  const { presence, news } = start();
  const [one, two] = [new Client(), new Client()];
  presence.join(one, 'a', 0, EVENTS);
  presence.join(two, 'a', 0, EVENTS);
  presence.join(two, 'a', 0, EVENTS);
  presence.leave(one, 'a');
  presence.leave(one, 'a');
  presence.leave(two, 'a');
  await presence.list('a', '', 1);
  expect(news.map((one) => Object.keys(one)[0])).toEqual([
    'join',
    'watch',
    'join',
    'leave',
    'unwatch',
    'leave',
  ]);
});

it('tells a client that does not keep up who is there when it reads again', async () => {
  const { presence, lists } = start();
  const [quick, slow] = [new Client(), new Client()];
  for (const client of [quick, slow]) presence.join(client, 'a', 0, EVENTS);
  slow.full = true;
  presence.take(joined('a', 3));
  expect([quick.told.length, slow.told.length]).toEqual([3, 0]);
  slow.full = false;
  await expect.poll(() => slow.told, { timeout: 5000 }).toEqual(['sync 7']);
  presence.take(joined('a'));
  expect([quick.told.at(-1), slow.told.at(-1), lists()]).toEqual(['join', 'join', 1]);
});

it('tells all who is there, instead of each coming, when too many come at once', async () => {
  const { presence } = start();
  const crowd = Array.from({ length: 200 }, () => new Client());
  for (const client of crowd) presence.join(client, 'a', 0, EVENTS);
  presence.take(joined('a', 1000));
  const sent = crowd.reduce((sum, { told }) => sum + told.length, 0);
  expect(sent).toBeLessThanOrEqual(10_000);
  expect(sent).toBeGreaterThan(5_000);
  for (const { told } of crowd) await expect.poll(() => told.at(-1), { timeout: 5000 }).toBe('sync 7');
});
