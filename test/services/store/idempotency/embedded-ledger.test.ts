/** The ledger of one machine, with a clock of the test's. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { EmbeddedLedger } from '../../../../src/services/store/idempotency/embedded-ledger.ts';
import { type Claim, LEASE_MS, LONGEST_RUN_MS } from '../../../../src/services/store/idempotency/ledger.ts';

const TTL = 60_000;
const answer = { status: 201, headers: ['a', 'b'], body: Buffer.from([1, 0, 255]) };

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'sluice-ledger-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

class Clock {
  at = 1_000_000;
  readonly now = () => this.at;
}

async function open(data: string, clock: Clock): Promise<EmbeddedLedger> {
  const ledger = new EmbeddedLedger(data, clock.now);
  onTestFinished(() => ledger.close().catch(() => {}));
  await ledger.beat();
  return ledger;
}

let tokens = 0;
const claimOf = (id: string, fingerprint = 'f'): Claim => ({
  token: `t${++tokens}`,
  id,
  fingerprint,
  ttlMs: TTL,
});

describe('the embedded ledger', () => {
  it('gives a key to one, and tells the others what became of it', async () => {
    const ledger = await open(folder(), new Clock());
    const first = claimOf('k');
    expect(await ledger.claim(first)).toEqual({ state: 'claimed' });
    expect(await ledger.claim(claimOf('k'))).toEqual({ state: 'running' });
    expect(await ledger.claim(claimOf('k', 'other'))).toEqual({ state: 'reused' });
    expect(await ledger.settle(first, { state: 'done', answer })).toBe(true);
    expect(await ledger.claim(claimOf('k'))).toEqual({ state: 'done', answer });
    expect(await ledger.settle(first, { state: 'unknown' })).toBe(false);
    expect(await ledger.claim(claimOf('k'))).toEqual({ state: 'done', answer });
  });

  it('gives a key to one of many that ask at once, in several gateways', async () => {
    const data = folder();
    const clock = new Clock();
    const ledgers = [await open(data, clock), await open(data, clock), await open(data, clock)];
    for (let round = 0; round < 5; round++) {
      const told = await Promise.all(
        Array.from({ length: 90 }, (_, i) => ledgers[i % 3].claim(claimOf(`k${round}`))),
      );
      expect(told.filter(({ state }) => state === 'claimed')).toHaveLength(1);
      expect(told.filter(({ state }) => state === 'running')).toHaveLength(89);
    }
  });

  it('forgets when the time is over, and not before', async () => {
    const clock = new Clock();
    const ledger = await open(folder(), clock);
    const first = claimOf('k');
    await ledger.claim(first);
    clock.at += 10_000;
    await ledger.settle(first, { state: 'large', status: 200 });
    clock.at += TTL - 1;
    expect(await ledger.claim(claimOf('k'))).toEqual({ state: 'large', status: 200 });
    clock.at += 1;
    expect(await ledger.look('k')).toBeNull();
    const many = await Promise.all(Array.from({ length: 20 }, () => ledger.claim(claimOf('k'))));
    expect(many.filter(({ state }) => state === 'claimed')).toHaveLength(1);
  });

  it('removes from the disk what has expired', async () => {
    const clock = new Clock();
    const ledger = await open(folder(), clock);
    for (let i = 0; i < 50; i++) {
      const claim = claimOf(`k${i}`);
      await ledger.claim(claim);
      await ledger.settle(claim, { state: 'done', answer });
    }
    clock.at += TTL + LONGEST_RUN_MS;
    await ledger.beat();
    // A clock that goes back shows what is still there.
    clock.at -= TTL + LONGEST_RUN_MS;
    for (let i = 0; i < 50; i++) expect(await ledger.look(`k${i}`)).toBeNull();
  });

  it('knows that nobody will say more when the lease is over, and takes it back when somebody does', async () => {
    const data = folder();
    const clock = new Clock();
    const slow = await open(data, clock);
    const other = await open(data, clock);
    const first = claimOf('k');
    await slow.claim(first);
    clock.at += LEASE_MS - 1;
    expect(await other.claim(claimOf('k'))).toEqual({ state: 'running' });
    clock.at += 1;
    expect(await other.claim(claimOf('k'))).toEqual({ state: 'unknown' });
    await slow.settle(first, { state: 'done', answer });
    expect(await other.claim(claimOf('k'))).toEqual({ state: 'done', answer });
  });

  it('does not let the slow one write over a key that was cleared and given to another', async () => {
    const data = folder();
    const clock = new Clock();
    const slow = await open(data, clock);
    const other = await open(data, clock);
    const first = claimOf('k');
    await slow.claim(first);
    expect(await other.clear('k')).toBe('running');
    clock.at += LEASE_MS;
    expect(await other.clear('k')).toBe('cleared');
    const second = claimOf('k');
    await other.beat();
    expect(await other.claim(second)).toEqual({ state: 'claimed' });
    expect(await slow.settle(first, { state: 'done', answer })).toBe(false);
    expect(await slow.settle(first, { state: 'released' })).toBe(false);
    expect(await other.claim(claimOf('k'))).toEqual({ state: 'running' });
    expect(await other.settle(second, { state: 'large', status: 200 })).toBe(true);
  });

  it('knows at once when a gateway has left in good order', async () => {
    const data = folder();
    const clock = new Clock();
    const leaving = await open(data, clock);
    await leaving.claim(claimOf('k'));
    await leaving.close();
    const next = await open(data, clock);
    expect(await next.claim(claimOf('k'))).toEqual({ state: 'unknown' });
  });

  it('has on its disk what a process had claimed and answered when it was killed', async () => {
    const data = folder();
    const script = join(data, 'claims.mjs');
    const source = new URL('../../../../dist/services/store/idempotency/embedded-ledger.js', import.meta.url);
    writeFileSync(
      script,
      `import { EmbeddedLedger } from ${JSON.stringify(source.href)};
       const ledger = new EmbeddedLedger(${JSON.stringify(data)}, () => 1_000_000);
       await ledger.beat();
       for (const id of ['a', 'b']) await ledger.claim({ id, token: id, fingerprint: 'f', ttlMs: 60_000 });
       await ledger.settle({ id: 'b', token: 'b', fingerprint: 'f', ttlMs: 60_000 }, { state: 'large', status: 200 });
       process.kill(process.pid, 'SIGKILL');`,
    );
    const child = spawn(process.execPath, [script], { stdio: 'inherit' });
    expect(await new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)))).toBe(
      'SIGKILL',
    );
    const clock = new Clock();
    const next = await open(data, clock);
    expect(await next.claim(claimOf('a'))).toEqual({ state: 'running' });
    clock.at += LEASE_MS;
    expect(await next.claim(claimOf('a'))).toEqual({ state: 'unknown' });
    expect(await next.claim(claimOf('b'))).toEqual({ state: 'large', status: 200 });
  });

  it('refuses a folder that it cannot use, in words', () => {
    expect(() => new EmbeddedLedger('/proc/sluice', Date.now)).toThrow(
      /^data: \/proc\/sluice cannot be opened/,
    );
  });
});
