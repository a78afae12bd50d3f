/** The ledger in a real Redis. */
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type Claim, LEASE_MS } from '../../../../src/services/store/idempotency/ledger.ts';
import { RedisLedger } from '../../../../src/services/store/idempotency/redis-ledger.ts';
import { KEY, LIFE, MARKER, SETTLING } from '../../../../src/services/store/idempotency/scripts.ts';
import { eventually } from '../../../harness/eventually.ts';
import { type RunningRedis, startRedis } from '../../../harness/redis.ts';

const answer = { status: 201, headers: ['a', 'b\u00ff'], body: Buffer.from([1, 0, 255]) };
let redis: RunningRedis;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis?.stop());
beforeEach(() => redis.client.flushall());

interface Gateway {
  readonly ledger: RedisLedger;
  readonly held: Claim[];
}

async function open(): Promise<Gateway> {
  const held: Claim[] = [];
  const ledger = new RedisLedger(redis.url, () => held);
  onTestFinished(() => ledger.close());
  await ledger.beat();
  return { ledger, held };
}

let tokens = 0;
const claimOf = (id: string, fingerprint = 'f', ttlMs = 60_000): Claim => ({
  token: `t${++tokens}`,
  id,
  fingerprint,
  ttlMs,
});

/** As if the gateway had died a while ago. */
async function endLeases(): Promise<void> {
  for (const key of await redis.client.keys(`${LIFE}*`)) await redis.client.del(key);
}

describe('the ledger in Redis', () => {
  it('gives a key to one of many that ask at once, and tells the others what became of it', async () => {
    const gateways = [await open(), await open(), await open()];
    const claims = Array.from({ length: 300 }, () => claimOf('k'));
    const told = await Promise.all(claims.map((claim, i) => gateways[i % 3].ledger.claim(claim)));
    expect(told.filter(({ state }) => state === 'running')).toHaveLength(299);
    const winner = told.findIndex(({ state }) => state === 'claimed');
    expect(await gateways[0].ledger.claim(claimOf('k', 'other'))).toEqual({ state: 'reused' });
    expect(await gateways[winner % 3].ledger.settle(claims[winner], { state: 'done', answer })).toBe(true);
    for (const { ledger } of gateways)
      expect(await ledger.claim(claimOf('k'))).toEqual({ state: 'done', answer });
  });

  it('takes a question that is asked again for the same question', async () => {
    const { ledger } = await open();
    const claim = claimOf('k');
    expect(await ledger.claim(claim)).toEqual({ state: 'claimed' });
    expect(await ledger.claim(claim)).toEqual({ state: 'claimed' });
  });

  it('frees, keeps and forgets by the clock of Redis', async () => {
    const { ledger } = await open();
    const freed = claimOf('freed');
    await ledger.claim(freed);
    await ledger.settle(freed, { state: 'released' });
    expect(await ledger.claim(claimOf('freed'))).toEqual({ state: 'claimed' });
    const short = claimOf('short', 'f', 200);
    await ledger.claim(short);
    expect(await redis.client.pttl(`${KEY}short`)).toBeGreaterThan(80_000_000);
    await ledger.settle(short, { state: 'unknown' });
    expect(await redis.client.pttl(`${KEY}short`)).toBeLessThanOrEqual(200);
    await eventually(async () => (await ledger.look('short')) === null);
  });

  it('knows that nobody will say more when the lease is over, and takes it back when somebody does', async () => {
    const slow = await open();
    const other = await open();
    const first = claimOf('k');
    await slow.ledger.claim(first);
    await endLeases();
    await other.ledger.beat();
    expect(await other.ledger.look('k')).toMatchObject({ state: 'unknown' });
    expect(await other.ledger.claim(claimOf('k'))).toEqual({ state: 'unknown' });
    expect(await slow.ledger.settle(first, { state: 'done', answer })).toBe(true);
    expect(await other.ledger.claim(claimOf('k'))).toEqual({ state: 'done', answer });
  });

  it('does not let the slow one write over a key that was cleared and given to another', async () => {
    const slow = await open();
    const other = await open();
    const first = claimOf('k');
    await slow.ledger.claim(first);
    expect(await other.ledger.clear('k')).toBe('running');
    await endLeases();
    expect(await other.ledger.clear('k')).toBe('cleared');
    await other.ledger.beat();
    expect(await other.ledger.claim(claimOf('k'))).toEqual({ state: 'claimed' });
    expect(await slow.ledger.settle(first, { state: 'done', answer })).toBe(false);
    expect(await slow.ledger.settle(first, { state: 'released' })).toBe(false);
    expect(await other.ledger.claim(claimOf('k'))).toEqual({ state: 'running' });
  });

  it('gives out no key without a lease: it renews it first', async () => {
    const { ledger } = await open();
    await endLeases();
    expect(await ledger.claim(claimOf('k'))).toEqual({ state: 'claimed' });
    expect(await redis.client.keys(`${LIFE}*`)).toHaveLength(1);
  });

  it('gives out nothing after Redis has lost its keys, until each gateway had time to bring back its own', async () => {
    const busy = await open();
    const other = await open();
    const first = claimOf('k');
    await busy.ledger.claim(first);
    busy.held.push(first);
    await redis.client.flushall();
    // Whoever comes first: the key that is lost is not given out.
    await expect(other.ledger.claim(claimOf('k'))).rejects.toThrow('lost its keys');
    expect(await redis.client.pttl(SETTLING)).toBeGreaterThan(LEASE_MS - 2000);
    await busy.ledger.beat();
    expect(await other.ledger.claim(claimOf('k'))).toEqual({ state: 'running' });
    await redis.client.del(SETTLING);
    expect(await other.ledger.claim(claimOf('new'))).toEqual({ state: 'claimed' });
    expect(await busy.ledger.settle(first, { state: 'done', answer })).toBe(true);
    expect(await other.ledger.claim(claimOf('k'))).toEqual({ state: 'done', answer });
  });

  it('writes an outcome that comes before the claim is there again', async () => {
    const { ledger } = await open();
    const first = claimOf('k');
    await ledger.claim(first);
    await redis.client.del(`${KEY}k`);
    expect(await ledger.settle(first, { state: 'done', answer })).toBe(true);
    expect(await ledger.claim(claimOf('k'))).toEqual({ state: 'done', answer });
    expect(await ledger.claim(claimOf('k', 'other'))).toEqual({ state: 'reused' });
  });

  it('begins at once in a Redis that has never had any', async () => {
    await redis.client.del(MARKER);
    const { ledger } = await open();
    expect(await ledger.claim(claimOf('k'))).toEqual({ state: 'claimed' });
  });

  it('says in words that it cannot know while Redis is away', async () => {
    const away = new RedisLedger('redis://:secret@127.0.0.1:1', () => []);
    onTestFinished(() => away.close());
    const fault = await away.claim(claimOf('k')).catch((error: Error) => error.message);
    expect(fault).toMatch(/^Redis at 127\.0\.0\.1:1 cannot be reached/);
  });
});
