import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { WorkerFlow } from '../../src/control/channels/worker-flow.ts';
import type { ChannelNews, Recovery } from '../../src/services/channels/messages.ts';

const message = (offset: number, data = '1', channel = 'a'): ChannelNews => ({
  channel,
  epoch: 'e',
  message: { offset, data },
});
const answer = (id: number): ChannelNews => ({
  answer: id,
  recovery: {
    head: { offset: 0, epoch: 'e' },
    oldest: 0,
    recovered: false,
    missed: [],
    latest: null,
  } as Recovery,
  history: { size: 1, ttl: 0 },
});

function flow(mostBytes: number) {
  const sent: (readonly ChannelNews[])[] = [];
  const taken: (() => void)[] = [];
  const made = new WorkerFlow({
    mostBytes,
    send: (news) => {
      sent.push(news);
      return new Promise((resolve) => taken.push(resolve));
    },
  });
  return { flow: made, sent, taken };
}

it('sends what came in one turn together, in order', async () => {
  const { flow: one, sent } = flow(1e6);
  const news = [message(1), answer(7), message(2)];
  for (const piece of news) one.push(piece);
  expect(sent).toEqual([]);
  await nextTurn();
  expect(sent).toEqual([news]);
});

it('has so much under way, and the rest goes when the worker has taken some', async () => {
  const { flow: one, sent, taken } = flow(1e6);
  for (let i = 1; i <= 10; i++) {
    one.push(message(i));
    await nextTurn();
  }
  expect(sent).toHaveLength(4);
  taken[0]();
  await nextTurn();
  expect(sent).toHaveLength(5);
  expect(sent[4]).toEqual([5, 6, 7, 8, 9, 10].map((offset) => message(offset)));
});

it('leaves messages out for a worker that takes none, says of which channels, and keeps answers', async () => {
  const { flow: one, sent, taken } = flow(100_000);
  const big = 'x'.repeat(10_000);
  for (let i = 0; i < 4; i++) {
    one.push(message(i, '1', 'b'));
    await nextTurn();
  }
  one.push(answer(1));
  for (let i = 0; i < 500; i++) one.push(message(i, big, i % 2 === 0 ? 'a' : 'c'));
  one.push(answer(2));
  taken[0]();
  await nextTurn();
  const rest = sent[4];
  expect(JSON.stringify(rest).length).toBeLessThan(150_000);
  expect(rest.filter((news) => 'answer' in news)).toEqual([answer(1), answer(2)]);
  expect(rest).toContainEqual({ torn: 'a' });
  expect(rest).toContainEqual({ torn: 'c' });
});

it('sends nothing to a worker that is gone', async () => {
  const { flow: one, sent } = flow(1e6);
  one.push(message(1));
  one.close();
  one.push(message(2));
  await nextTurn();
  expect(sent).toEqual([]);
});
