import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Batches, type Settle } from '../../../src/services/threads/batches.ts';
import type { Batch } from '../../../src/services/tokens/verify-task.ts';
import { ES256, pem, pemConfig, pool, provider, signed, tell } from '../tokens/forge.ts';

const KEYS = [`ES256 ${pem(ES256)}`];

/** A task of another kind. */
function task(source: string): URL {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-task-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'task.mjs');
  writeFileSync(file, source);
  return pathToFileURL(file);
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('threads', () => {
  it('give a verdict for each token of a batch', async () => {
    const good = signed(ES256);
    const tokens = [good, `${good}=`, `${good.slice(0, -8)}AAAAAAAA`, 'a.b.c', good];
    expect(await pool().run({ keys: [KEYS, []], tokens, uses: [0, 0, 0, 0, 1] })).toBe('vmsms');
  });

  it('try each key of a token, and get over one that cannot be used', async () => {
    const keys = [`RS256 ${pem(ES256)}`, 'ES256 nonsense', ...KEYS];
    const tokens = [signed(ES256), signed(ES256)];
    expect(await pool().run({ keys: [keys, keys.slice(0, 2)], tokens, uses: [0, 1] })).toBe('vs');
  });

  it('that die make 503 for what they had, and are replaced', async () => {
    const mortal = pool({
      task: task(`let first = true; export const verifyBatch = ({ tokens }) => {
        if (tokens.length > 1) process.exit(1);
        return 'v'.repeat(tokens.length);
      };`),
    });
    const jwt = provider(pemConfig(), { pool: () => mortal });
    const outcomes = await Promise.all([tell(jwt, signed(ES256)), tell(jwt, signed(ES256))]);
    expect(outcomes).toEqual(['503 busy', '503 busy']);
    expect(await tell(jwt, signed(ES256))).toBe('user alice');
  });

  it('that throw make 503 for what they had', async () => {
    const failing = pool({ task: task(`export const verifyBatch = () => { throw new Error('no'); };`) });
    const jwt = provider(pemConfig(), { pool: () => failing });
    expect(await tell(jwt, signed(ES256))).toBe('503 busy');
  });

  it('that are closed leave nobody waiting', async () => {
    const closing = pool({ task: task(`export const verifyBatch = () => new Promise(() => {});`) });
    const jwt = provider(pemConfig(), { pool: () => closing });
    const waiting = tell(jwt, signed(ES256));
    await turn();
    await turn();
    await closing.close();
    expect(await waiting).toBe('503 busy');
  });
});

describe('batches', () => {
  interface Run {
    readonly batch: Batch;
    readonly end: (verdicts: string | null) => void;
  }

  function start(options: { lanes: number; maxQueue: number }) {
    const runs: Run[] = [];
    const batches = new Batches((batch) => {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      runs.push({
        batch,
        end: (verdicts) => (verdicts === null ? reject(new Error('died')) : resolve(verdicts)),
      });
      return promise;
    }, options);
    const settled: string[] = [];
    const add = (n: number, keys: readonly string[] = KEYS) =>
      Array.from({ length: n }, (_, i) => {
        const settle: Settle = (verdict) => settled.push(`${i}${verdict}`);
        return batches.verify(`token ${i}`, keys, settle);
      }).filter((taken) => taken).length;
    return { runs, settled, add };
  }

  it('hold what comes in one turn', async () => {
    const { runs, settled, add } = start({ lanes: 1, maxQueue: 100 });
    add(3);
    expect(runs).toHaveLength(0);
    await turn();
    expect(runs.map(({ batch }) => batch.tokens)).toEqual([['token 0', 'token 1', 'token 2']]);
    runs[0].end('vms');
    await turn();
    expect(settled).toEqual(['0v', '1m', '2s']);
  });

  it('grow while all threads are busy, to 64 tokens', async () => {
    const { runs, add } = start({ lanes: 1, maxQueue: 1000 });
    add(1);
    await turn();
    for (let i = 0; i < 10; i++) {
      add(10);
      await turn();
    }
    expect(runs).toHaveLength(1);
    runs[0].end('v');
    await turn();
    await turn();
    expect(runs.map(({ batch }) => batch.tokens.length)).toEqual([1, 64]);
    runs[1].end('v'.repeat(64));
    await turn();
    await turn();
    expect(runs.map(({ batch }) => batch.tokens.length)).toEqual([1, 64, 36]);
  });

  it('are shared among idle threads when that is worth it', async () => {
    const sizes = async (tokens: number) => {
      const { runs, add } = start({ lanes: 4, maxQueue: 1000 });
      add(tokens);
      await turn();
      return runs.map(({ batch }) => batch.tokens.length);
    };
    expect(await sizes(16)).toEqual([16]);
    expect(await sizes(40)).toEqual([16, 16, 8]);
    expect(await sizes(100)).toEqual([25, 25, 25, 25]);
    expect(await sizes(400)).toEqual([64, 64, 64, 64]);
  });

  it('name each list of keys once', async () => {
    const { runs, add } = start({ lanes: 1, maxQueue: 100 });
    const other = ['x'];
    add(2);
    add(1, other);
    add(1);
    await turn();
    expect(runs[0].batch).toMatchObject({ keys: [KEYS, other], uses: [0, 0, 1, 0] });
  });

  it('take no more tokens than may wait', async () => {
    const { runs, add } = start({ lanes: 1, maxQueue: 5 });
    expect(add(8)).toBe(5);
    await turn();
    expect(add(8)).toBe(5);
    runs[0].end('vvvvv');
    await turn();
    await turn();
    expect(add(8)).toBe(5);
  });

  it('tell when a thread died, and go on', async () => {
    const { runs, settled, add } = start({ lanes: 1, maxQueue: 100 });
    add(2);
    await turn();
    runs[0].end(null);
    await turn();
    expect(settled).toEqual(['0lost', '1lost']);
    add(1);
    await turn();
    runs[1].end('v');
    await turn();
    expect(settled).toEqual(['0lost', '1lost', '0v']);
  });
});
