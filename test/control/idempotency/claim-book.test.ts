/** What stands between workers and a ledger that answers when the test says so. */
import { describe, expect, it } from 'vitest';
import { ClaimBook } from '../../../src/control/idempotency/claim-book.ts';
import type { ClaimAnswer, ClaimCall, Settlement } from '../../../src/services/idempotency/claims.ts';
import type { Claim, Ledger } from '../../../src/services/store/idempotency/ledger.ts';
import { eventually } from '../../harness/eventually.ts';

const done: Settlement = { state: 'done', answer: { status: 200, headers: [], body: Buffer.from('x') } };

/** Slow, and sometimes away: the part of a ledger that depends on others. */
class SlowLedger implements Ledger {
  readonly questions: { claim: Claim; answer(told: Awaited<ReturnType<Ledger['claim']>> | Error): void }[] =
    [];
  readonly settled: [token: string, state: string][] = [];
  away = false;

  claim(claim: Claim): ReturnType<Ledger['claim']> {
    return new Promise((resolve, reject) => {
      this.questions.push({
        claim,
        answer: (told) => (told instanceof Error ? reject(told) : resolve(told)),
      });
    });
  }

  async settle({ token }: Claim, { state }: Settlement): Promise<boolean> {
    if (this.away) throw new Error('away');
    this.settled.push([token, state]);
    return true;
  }

  async beat(): Promise<void> {}
  async look() {
    return null;
  }
  async clear() {
    return 'none' as const;
  }
  async close(): Promise<void> {}
}

function open() {
  const ledger = new SlowLedger();
  const dead = new Set<number>();
  const unknown: string[] = [];
  const book = new ClaimBook({
    ledger,
    isAlive: (pid) => !dead.has(pid),
    onFault: () => {},
    onUnknown: (id) => unknown.push(id),
  });
  return { ledger, book, dead, unknown };
}

let tokens = 0;
const callOf = (fingerprint = 'f', worker = 1): ClaimCall => ({
  ...{ token: `t${++tokens}`, id: 'k', fingerprint, ttlMs: 1000, worker, pid: worker },
});

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('the claim book', () => {
  it('asks the ledger once for all duplicates that come at the same time', async () => {
    const { ledger, book } = open();
    const first = book.claim(callOf());
    const others = Array.from({ length: 1000 }, (_, i) => book.claim(callOf(i % 2 === 0 ? 'f' : 'other')));
    await turn();
    expect(ledger.questions).toHaveLength(1);
    ledger.questions[0].answer({ state: 'claimed' });
    expect((await first).state).toBe('claimed');
    const told = await Promise.all(others);
    expect(told.filter(({ state }) => state === 'running')).toHaveLength(500);
    expect(told.filter(({ state }) => state === 'reused')).toHaveLength(500);
    expect(ledger.questions).toHaveLength(1);
  });

  it('shares what is decided already among those that mean the same, and asks again for others', async () => {
    const { ledger, book } = open();
    const same = [book.claim(callOf()), book.claim(callOf())];
    const other = book.claim(callOf('other'));
    ledger.questions[0].answer({ state: 'unknown' });
    expect((await Promise.all(same)).map(({ state }) => state)).toEqual(['unknown', 'unknown']);
    await eventually(() => ledger.questions.length === 2);
    ledger.questions[1].answer({ state: 'reused' });
    expect((await other).state).toBe('reused');
  });

  it('repeats an answer that the ledger could not take yet, and tells the ledger until it does', async () => {
    const { ledger, book } = open();
    const call = callOf();
    const first = book.claim(call);
    ledger.questions[0].answer({ state: 'claimed' });
    await first;
    ledger.away = true;
    const storing = book.settle(call.token, done);
    await turn();
    expect(await book.claim(callOf())).toEqual(done);
    ledger.away = false;
    expect(await storing).toBe(true);
    expect(ledger.settled).toEqual([[call.token, 'done']]);
    expect(book.counts.get('executed')).toBe(1);
    expect(book.counts.get('replayed')).toBe(1);
  });

  it('takes back a claim that the ledger may have made without saying so', async () => {
    const { ledger, book } = open();
    const call = callOf();
    const first = book.claim(call);
    ledger.questions[0].answer(new Error('no answer in time'));
    expect((await first).state).toBe('unavailable');
    await eventually(() => ledger.settled.length === 1);
    expect(ledger.settled).toEqual([[call.token, 'released']]);
  });

  it('gives nothing to a question that nobody waits for any more', async () => {
    const { ledger, book } = open();
    const [first, second] = [callOf(), callOf('other')];
    const told = [book.claim(first), book.claim(second)];
    // The worker of the second has given up while the ledger was busy with the first.
    expect(await book.settle(second.token, { state: 'released' })).toBe(false);
    ledger.questions[0].answer({ state: 'unknown' });
    expect((await told[1]).state).toBe('unavailable');
    expect(ledger.questions).toHaveLength(1);
    await told[0];
  });

  it('writes "unknown" for what a dead worker had, claimed or about to be', async () => {
    const { ledger, book, unknown } = open();
    const call = callOf();
    const first = book.claim(call);
    book.workerGone(2);
    book.workerGone(1);
    ledger.questions[0].answer({ state: 'claimed' });
    await first;
    await eventually(() => ledger.settled.length === 1);
    expect(ledger.settled).toEqual([[call.token, 'unknown']]);
    expect(unknown).toEqual(['k']);
    // What it may still have said comes too late.
    expect(await book.settle(call.token, { state: 'released' })).toBe(false);
  });

  it('gives nothing to a worker that is dead when its question is read', async () => {
    const { ledger, book, dead } = open();
    dead.add(1);
    expect((await book.claim(callOf())).state).toBe('unavailable');
    expect(ledger.questions).toHaveLength(0);
  });

  it('counts only what was granted as under way', async () => {
    const { ledger, book } = open();
    const call = callOf();
    const first = book.claim(call);
    expect([...book.held()]).toEqual([]);
    ledger.questions[0].answer({ state: 'claimed' });
    await first;
    expect([...book.held()].map(({ token }) => token)).toEqual([call.token]);
    await book.settle(call.token, done);
    expect([...book.held()]).toEqual([]);
  });

  it('lets a duplicate wait for a key that is being freed, and have it', async () => {
    const { ledger, book } = open();
    const call = callOf();
    const first = book.claim(call);
    ledger.questions[0].answer({ state: 'claimed' });
    await first;
    ledger.away = true;
    const freeing = book.settle(call.token, { state: 'released' });
    await turn();
    const next: Promise<ClaimAnswer> = book.claim(callOf());
    await turn();
    expect(ledger.questions).toHaveLength(1);
    ledger.away = false;
    await freeing;
    await eventually(() => ledger.questions.length === 2);
    ledger.questions[1].answer({ state: 'claimed' });
    expect((await next).state).toBe('claimed');
  });

  it('ends while the ledger is away', async () => {
    const { ledger, book } = open();
    const call = callOf();
    const first = book.claim(call);
    ledger.questions[0].answer({ state: 'claimed' });
    await first;
    ledger.away = true;
    const storing = book.settle(call.token, done);
    await book.close(50);
    expect(await storing).toBe(false);
  });
});
