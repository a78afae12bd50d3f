import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { LocalPresence } from '../../../src/control/channels/presence/local-presence.ts';
import type { OnPresence } from '../../../src/control/channels/presence/presence-book.ts';
import { SharedPresence } from '../../../src/control/channels/presence/shared-presence.ts';
import { createLog } from '../../../src/observe/log.ts';
import { type RunningRedis, startRedis } from '../../harness/redis.ts';
import { HAS_REDIS } from '../../harness/redis-cluster.ts';
import { itKeepsPresence, who } from './presence-contract.ts';

const quiet = createLog({ write: () => {} } as never, 'silent' as never, {});

describe('presence on one machine', () => {
  itKeepsPresence((onPresence) => new LocalPresence(onPresence));
});

describe.skipIf(!HAS_REDIS)('presence over machines', () => {
  let redis: RunningRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  beforeEach(async () => {
    await redis.client.flushall();
  });
  afterAll(() => redis?.stop());

  function machine(onPresence: OnPresence = () => {}, place = redis.url) {
    const book = new SharedPresence({ place, onPresence, log: quiet });
    onTestFinished(() => book.close());
    return book;
  }

  async function watching(place = redis.url) {
    const events: string[] = [];
    const book = machine((_, event) => {
      events.push(event.event === 'sync' ? `sync ${event.page.total}` : `${event.event} ${event.member.id}`);
    }, place);
    await book.watch('a');
    return { book, events };
  }

  itKeepsPresence((onPresence) => machine(onPresence));

  it('counts a user on several machines once, and tells all of them the same', async () => {
    const [one, two] = [await watching(), await watching()];
    one.book.join('a', 1, 's', who('eve'), 0);
    await expect.poll(() => two.events).toEqual(['join eve']);
    two.book.join('a', 1, 's', who('eve'), 0);
    two.book.join('a', 1, 't', who('adam'), 0);
    await expect.poll(() => one.events).toEqual(['join eve', 'join adam']);
    expect((await one.book.list('a', '', 10)).members).toEqual([
      { ...who('adam'), sockets: 1 },
      { ...who('eve'), sockets: 2 },
    ]);
    one.book.leave('a', 1, 's');
    two.book.leave('a', 1, 't');
    await expect.poll(() => one.events).toEqual(['join eve', 'join adam', 'leave adam']);
    two.book.leave('a', 1, 's');
    for (const { events } of [one, two]) {
      await expect.poll(() => events).toEqual(['join eve', 'join adam', 'leave adam', 'leave eve']);
    }
  });

  it('does not tell of a client that moves to another machine in time', async () => {
    const [one, two] = [await watching(), await watching()];
    one.book.join('a', 1, 's', who('eve'), 2000);
    await expect.poll(() => two.events).toEqual(['join eve']);
    one.book.leave('a', 1, 's');
    await one.book.close();
    two.book.join('a', 1, 's', who('eve'), 2000);
    await expect.poll(async () => (await two.book.list('a', '', 10)).members[0]?.sockets).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect((await two.book.list('a', '', 10)).total).toBe(1);
    expect(two.events).toEqual(['join eve']);
  });

  it('forgets whoever was on a machine that died', async () => {
    const { book, events } = await watching();
    book.join('a', 1, 's', who('adam'), 0);
    await expect.poll(() => events).toEqual(['join adam']);
    // As a machine leaves it that says nothing any more.
    const prefix = 'sluice:presence:{a}';
    const member = '{"id":"ghost","user":null,"info":null,"sockets":1}';
    await redis.client.hset(`${prefix}:of:dead`, 'ghost', member);
    await redis.client.hset(`${prefix}:held`, 'ghost', 1);
    await redis.client.zadd(`${prefix}:ids`, 0, 'ghost');
    await redis.client.zadd(`${prefix}:machines`, Date.now() + 500, 'dead');
    expect((await book.list('a', '', 10)).total).toBe(2);
    await expect.poll(() => events, { timeout: 6000 }).toEqual(['join adam', 'leave ghost']);
    expect((await book.list('a', '', 10)).total).toBe(1);
    expect(await redis.client.exists(`${prefix}:of:dead`)).toBe(0);
  }, 10_000);

  it('tells everything again to a Redis that has lost it, and says what it knows meanwhile', async () => {
    const own = await startRedis();
    onTestFinished(() => own.stop());
    const { book, events } = await watching(own.url);
    book.join('a', 1, 's', who('adam'), 0);
    await expect.poll(() => events).toEqual(['join adam']);
    await own.kill();
    book.join('a', 1, 't', who('eve'), 0);
    await expect.poll(async () => (await book.list('a', '', 10)).partial).toBe(true);
    expect((await book.list('a', '', 10)).members.map(({ id }) => id)).toEqual(['adam', 'eve']);
    await own.restart();
    const other = machine(() => {}, own.url);
    await expect
      .poll(async () => (await other.list('a', '', 10)).members.map(({ id }) => id), { timeout: 8000 })
      .toEqual(['adam', 'eve']);
    await expect.poll(() => events.at(-1), { timeout: 8000 }).toBe('sync 2');
  }, 20_000);

  it('takes away what is no presence, and leaves nothing for ever', async () => {
    const { book, events } = await watching();
    const prefix = 'sluice:presence:{a}';
    for (const key of ['machines', 'held', 'ids']) await redis.client.set(`${prefix}:${key}`, 'rubbish');
    for (const text of ['', '{}', '{"event":"join","member":{}}', '{"event":"join","member":{"id":1}}'])
      await redis.client.publish(prefix, text);
    book.join('a', 1, 's', who('adam'), 0);
    await expect.poll(() => events).toEqual(['join adam']);
    for (const key of await redis.client.keys('*')) {
      expect(await redis.client.pttl(key)).toBeGreaterThan(0);
    }
  });
});
