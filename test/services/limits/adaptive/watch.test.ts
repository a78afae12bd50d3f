/** What is said about decisions, and how the ends of requests are counted. */
import { describe, expect, it } from 'vitest';
import { limit } from '../../../../src/config/schema/limits/limits.ts';
import { Exchange } from '../../../../src/exchange.ts';
import type { Identity } from '../../../../src/services/identity.ts';
import type { Adaptive } from '../../../../src/services/limits/adaptive/adaptive.ts';
import { type AdaptiveCounts, AdaptiveWatch } from '../../../../src/services/limits/adaptive/watch.ts';
import { compileKey } from '../../../../src/services/limits/key-parts.ts';
import { Limit } from '../../../../src/services/limits/limit.ts';
import { ERRORS } from '../../../../src/shared/profile-table.ts';
import { noting } from '../../../overload/log-lines.ts';
import { open, plainSegment, SMALL } from '../../../shared/memory.ts';

const ROUTE = { name: 'orders', service: 'orders', paramNames: ['id'] };

function watching(by: string[], more: Record<string, unknown> = {}) {
  const memory = open(plainSegment({ ...SMALL, adaptiveKeys: 100 }));
  const config = limit.parse({ by, algorithm: 'adaptive', floor: '5/s', ...more } as never);
  const { log, lines } = noting();
  const counts: AdaptiveCounts = { throttled: 0, kept: 0, released: 0 };
  const watch = new AdaptiveWatch([{ name: 'odd', config }], { memory, log, decided: () => counts }, ROUTE);
  const variant = new Limit('odd', config, memory).variant([]);
  const hash = new Int32Array(2);
  const keyOf = (x: Exchange): [number, number] => {
    variant.hasher.begin(variant.salt);
    for (const part of compileKey(config, ROUTE)) part(variant.hasher, x);
    variant.hasher.end(hash, 0);
    return [hash[0] as number, hash[1] as number];
  };
  return { watch, memory, lines, counts, keyOf, algorithm: variant.algorithm as Adaptive };
}

function exchange(status = 200): Exchange {
  const x = new Exchange(0);
  x.id = 'r1';
  x.clientIp = '192.0.2.1';
  x.status = status;
  x.params = ['secret-param'];
  x.headers = ['x-tenant', 'secret-header'];
  const identity: Partial<Identity> = {
    user: 'alice',
    consumer: 'acme',
    keyId: 'k_1',
    roles: ['trader'],
    claims: { email: 'secret-claim' },
  };
  x.identity = identity as Identity;
  return x;
}

const OPINION = {
  signal: 'rate',
  score: 65.4321,
  now: 212,
  usual: 10.12345,
  deviation: 3,
  threshold: 22,
} as const;

describe('a decision', () => {
  it('is explained in the log: which key, what it does, what it usually does, and what follows', () => {
    const { watch, memory, lines, counts, keyOf } = watching(['user', 'ip', 'apiKey', 'consumer'], {
      for: '30s',
      shadow: false,
    });
    const x = exchange();
    const [h1, h2] = keyOf(x);
    memory.adaptive.events.push({ limit: 'odd', decision: 'throttled', h1, h2, opinion: OPINION });
    watch.telling(() => 0)(x);
    expect(lines).toEqual([
      expect.objectContaining({
        level: 'warn',
        msg: 'adaptive limit: key is throttled',
        limit: 'odd',
        decision: 'throttled',
        shadow: false,
        key: expect.stringMatching(/^[0-9a-f]{16}$/),
        by: { user: 'alice', ip: '192.0.2.1', apiKey: 'k_1', consumer: 'acme' },
        signal: 'rate',
        now: 212,
        usual: 10.123,
        deviation: 3,
        threshold: 22,
        score: 65.432,
        floorPerSecond: 5,
        forSeconds: 30,
        request_id: 'r1',
      }),
    ]);
    expect(counts).toEqual({ throttled: 1, kept: 0, released: 0 });
    memory.adaptive.events.push({
      limit: 'odd',
      decision: 'released',
      h1,
      h2,
      opinion: { ...OPINION, signal: null },
    });
    watch.telling(() => 0)(x);
    expect(lines[1]).toMatchObject({ level: 'info', msg: 'adaptive limit: key released' });
    expect(counts.released).toBe(1);
  });

  it('shows nothing that a client may have made up or must keep to itself', () => {
    const { watch, memory, lines, keyOf } = watching(['header:x-tenant', 'claim:email', 'param:id', 'route']);
    const x = exchange();
    const [h1, h2] = keyOf(x);
    memory.adaptive.events.push({ limit: 'odd', decision: 'throttled', h1, h2, opinion: OPINION });
    watch.telling(() => 0)(x);
    expect(JSON.stringify(lines)).not.toContain('secret');
    expect(lines[0]).toMatchObject({ shadow: true, by: { 'header:x-tenant': '[hidden]' } });
  });

  it('is never told with the name of another key', () => {
    const { watch, memory, lines } = watching(['user']);
    memory.adaptive.events.push({ limit: 'odd', decision: 'throttled', h1: 1, h2: 2, opinion: OPINION });
    watch.telling(() => 0)(exchange());
    expect(lines[0]).toMatchObject({ key: '0000000100000002' });
    expect(lines[0]).not.toHaveProperty('by');
    expect(lines[0]).not.toHaveProperty('request_id');
  });
});

describe('the end of a request', () => {
  const errorsAfter = (status: number, more: Record<string, unknown> = {}) => {
    const { watch, memory, keyOf } = watching(['user'], more);
    const x = exchange(status);
    const p = memory.adaptive.profiles.obtain(...keyOf(x), 1);
    watch.onDone?.(x);
    return memory.adaptive.profiles.words[p + ERRORS];
  };

  it.each([
    [200, 0],
    [302, 0],
    [400, 1],
    [401, 1],
    [404, 1],
    [429, 0],
    [499, 0],
    [500, 0],
    [503, 0],
  ])('with %i counts %i errors', (status, errors) => {
    expect(errorsAfter(status)).toBe(errors);
  });

  it('is not looked at when errors do not count', () => {
    expect(watching(['user'], { signals: ['rate'] }).watch.onDone).toBeNull();
  });

  it('of nobody who was identified counts for nobody', () => {
    const { watch, memory, keyOf } = watching(['user']);
    const x = exchange(401);
    x.identity = null;
    const p = memory.adaptive.profiles.obtain(...keyOf(x), 1);
    watch.onDone?.(x);
    expect(memory.adaptive.profiles.words[p + ERRORS]).toBe(0);
  });
});
