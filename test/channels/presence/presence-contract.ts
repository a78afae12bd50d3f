/** What every presence book does, wherever it keeps who is there. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import type { OnPresence, PresenceBook } from '../../../src/control/channels/presence/presence-book.ts';
import type { PresenceEvent } from '../../../src/services/channels/presence.ts';

export const who = (id: string, info: string | null = null) => ({ id, user: id, info });

export function itKeepsPresence(makeBook: (onPresence: OnPresence) => PresenceBook): void {
  async function setUp(watched = ['a']) {
    const events: string[] = [];
    const book = makeBook((channel, event) => events.push(`${channel} ${told(event)}`));
    onTestFinished(() => book.close());
    for (const channel of watched) await book.watch(channel);
    return { book, events };
  }

  it('lists members in order, each once however many sockets it has', async () => {
    const { book } = await setUp();
    book.join('a', 1, 's1', who('zoe', '{"color":"red"}'), 0);
    book.join('a', 1, 's2', who('adam'), 0);
    book.join('a', 2, 's1', who('adam'), 0);
    book.join('b', 2, 's1', who('eve'), 0);
    await expect
      .poll(() => book.list('a', '', 10))
      .toEqual({
        members: [
          { id: 'adam', user: 'adam', info: null, sockets: 2 },
          { id: 'zoe', user: 'zoe', info: '{"color":"red"}', sockets: 1 },
        ],
        total: 2,
        next: null,
        partial: false,
      });
    expect(await book.list('nobody', '', 10)).toEqual({ members: [], total: 0, next: null, partial: false });
  });

  it('lists many members page by page', async () => {
    const { book } = await setUp();
    for (let i = 0; i < 250; i++) book.join('a', 1, `s${i}`, who(`u${1000 + i}`), 0);
    await expect.poll(async () => (await book.list('a', '', 1)).total).toBe(250);
    const seen: string[] = [];
    let after: string | null = '';
    const sizes: number[] = [];
    while (after !== null) {
      const page = await book.list('a', after, 100);
      sizes.push(page.members.length);
      seen.push(...page.members.map(({ id }) => id));
      after = page.next;
    }
    expect(sizes).toEqual([100, 100, 50]);
    expect(seen).toEqual(Array.from({ length: 250 }, (_, i) => `u${1000 + i}`));
  });

  it('tells of the first socket of a member and of the last one', async () => {
    const { book, events } = await setUp();
    book.join('a', 1, 's1', who('adam'), 0);
    book.join('a', 2, 's2', who('adam'), 0);
    await expect.poll(() => events).toEqual(['a join adam']);
    book.leave('a', 1, 's1');
    book.join('b', 1, 's1', who('adam'), 0);
    await settled();
    book.leave('a', 2, 's2');
    book.leave('a', 2, 's2');
    await expect.poll(() => events).toEqual(['a join adam', 'a leave adam']);
  });

  it('does not tell of a connection that comes back in time', async () => {
    const { book, events } = await setUp();
    book.join('a', 1, 's1', who('adam'), 300);
    await expect.poll(() => events).toEqual(['a join adam']);
    for (let i = 2; i < 6; i++) {
      book.leave('a', 1, `s${i - 1}`);
      await settled();
      book.join('a', 1, `s${i}`, who('adam'), 300);
    }
    expect(events).toEqual(['a join adam']);
    book.leave('a', 1, 's5');
    expect(events).toEqual(['a join adam']);
    await expect.poll(() => events, { timeout: 3000 }).toEqual(['a join adam', 'a leave adam']);
  });

  it('knows that all who were on a worker are gone with it', async () => {
    const { book, events } = await setUp();
    for (let i = 0; i < 20; i++) book.join('a', 1, `s${i}`, who(`u${i}`), 0);
    book.join('a', 2, 's', who('u0'), 0);
    await expect.poll(() => events.length).toBe(20);
    book.workerGone(1);
    await expect.poll(() => events.length).toBe(39);
    expect((await book.list('a', '', 100)).members).toEqual([{ ...who('u0'), sockets: 1 }]);
    book.workerGone(2);
    await expect.poll(async () => (await book.list('a', '', 100)).total).toBe(0);
  });

  it('tells of what is watched only', async () => {
    const { book, events } = await setUp(['a', 'b']);
    book.unwatch('b');
    book.join('b', 1, 's', who('adam'), 0);
    book.join('a', 1, 's', who('adam'), 0);
    await expect.poll(() => events).toEqual(['a join adam']);
    await settled();
    expect(events).toEqual(['a join adam']);
  });
}

function told(event: PresenceEvent): string {
  return event.event === 'sync' ? `sync ${event.page.total}` : `${event.event} ${event.member.id}`;
}

const settled = () => sleep(60);
