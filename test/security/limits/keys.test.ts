/**
 * Keys of limits as an attacker writes them: none at all, an empty one, one of 8 KiB, several, other spellings of the same. A
 * request is never without a limit for it, and never uses up another one's.
 */
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../../harness/gateway.ts';
import { exchangeRaw, get } from '../../harness/raw-client.ts';

const LIMIT = 5;
const limited = (by: string) => ({ by: [by], rate: `${LIMIT}/h` });

let gateway: RunningGateway;

beforeAll(async () => {
  const route = (name: string, by: string) => ({
    name,
    match: { path: `/${name}` },
    respond: { body: 'ok' },
    limit: limited(by),
  });
  gateway = await startGateway({
    workers: 2,
    routes: [
      route('absent', 'header:x-key'),
      route('empty', 'header:x-key'),
      route('mixed', 'header:x-key'),
      route('long', 'header:x-key'),
      route('twice', 'header:x-key'),
      route('spelt', 'header:x-key'),
    ],
  });
});

afterAll(async () => void (await gateway?.stop()));

/** The status of a request on a connection of its own: it may come to either worker. */
async function ask(path: string, ...fields: string[]): Promise<number> {
  return (await exchangeRaw(gateway.url, get(path, ...fields))).status;
}

/** How many of twice the limit are let through. */
async function admitted(path: string, fields: (i: number) => string[]): Promise<number> {
  const statuses = await Promise.all(Array.from({ length: 2 * LIMIT }, (_, i) => ask(path, ...fields(i))));
  expect(statuses.filter((status) => status !== 200 && status !== 429)).toEqual([]);
  return statuses.filter((status) => status === 200).length;
}

describe('a request without the key', () => {
  it('shares a bucket with all others without it', async () => {
    expect(await admitted('/absent', () => [])).toBe(LIMIT);
  });

  it('is one with an empty key or one of spaces', async () => {
    const ways = [[], ['X-Key:'], ['X-Key:    '], ['X-Key: \t']];
    expect(await admitted('/empty', (i) => ways[i % ways.length] as string[])).toBe(LIMIT);
  });

  it('uses up nothing of those that have one, whatever that is', async () => {
    expect(await admitted('/mixed', () => [])).toBe(LIMIT);
    for (const key of ['undefined', 'null', '0', '""', '-', 'anonymous']) {
      expect(await admitted('/mixed', () => [`X-Key: ${key}`])).toBe(LIMIT);
    }
  });
});

describe('a key of 8 KiB', () => {
  const key = 'k'.repeat(8 * 1024 - 1);

  it('counts like any other, to its last byte', async () => {
    expect(await admitted('/long', () => [`X-Key: ${key}a`])).toBe(LIMIT);
    expect(await admitted('/long', () => [`X-Key: ${key}b`])).toBe(LIMIT);
    expect(await ask('/long', `X-Key: ${key}a`)).toBe(429);
  });

  it('is hashed faster than it is sent', async () => {
    // Two hundred of them in a row: a hash that took longer than linear time would show.
    const startedAt = performance.now();
    await new Promise<void>((resolve, reject) => {
      let left = 200;
      for (let i = 0; i < 200; i++) {
        const headers = { 'x-key': `${key}${i}` };
        request(`${gateway.url}/long`, { headers }, (answer) => {
          answer.resume().on('end', () => --left === 0 && resolve());
        })
          .on('error', reject)
          .end();
      }
    });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});

describe('a key', () => {
  it('that is sent twice counts by the first: a second one buys nothing', async () => {
    const count = await admitted('/twice', (i) => ['X-Key: alice', `X-Key: other-${i}`]);
    expect(count).toBe(LIMIT);
  });

  it('is the same however its name is written and its value is padded', async () => {
    const ways = [['X-Key: alice'], ['x-key: alice'], ['X-KEY:alice'], ['x-Key:   alice  ']];
    expect(await admitted('/spelt', (i) => ways[i % ways.length] as string[])).toBe(LIMIT);
  });
});
